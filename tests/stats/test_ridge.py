import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.stats.ridge import leave_one_out


def _refit_without(row: int, y: np.ndarray, x: np.ndarray, penalty: float) -> float:
    """The slow reference: the fit to all other rows, on columns standardised over all rows."""
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    x = np.column_stack([np.ones(y.size), x])
    kept = np.arange(y.size) != row
    shrink = penalty * np.eye(x.shape[1])
    shrink[0, 0] = 0
    fitted = np.linalg.solve(x[kept].T @ x[kept] + shrink, x[kept].T @ y[kept])
    return float(y[row] - x[row] @ fitted)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 50))
def test_residuals_are_those_of_fits_without_the_row(seed: int, penalty: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=12)
    residuals, _ = leave_one_out(y, x, penalty=penalty)
    np.testing.assert_allclose(residuals, [_refit_without(row, y, x, penalty) for row in range(12)], rtol=1e-8)


def test_a_constant_column_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    with_constant, _ = leave_one_out(y, np.column_stack([x, np.ones(20)]), penalty=1.0)
    np.testing.assert_allclose(with_constant, leave_one_out(y, x, penalty=1.0)[0])


def test_a_far_row_has_the_highest_leverage() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(20, 2))
    x[7] = 9.0
    assert leave_one_out(rng.normal(size=20), x, penalty=1.0)[1].argmax() == 7
