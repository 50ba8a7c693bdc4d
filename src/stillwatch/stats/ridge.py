"""Ridge regression judged by leave-one-out residuals."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def leave_one_out(response: ArrayLike, columns: ArrayLike, *, penalty: float) -> tuple[FloatArray, FloatArray]:
    """Residual of each row from the fit to all other rows, and the leverage of each row.

    `response` is (n,), `columns` (n, k); columns are standardised over all rows (a constant one counts nothing) and
    the intercept is not penalised. Rows are treated alike: permuting them permutes the result, so that residuals of
    exchangeable rows are exchangeable. Exact given the standardisation, without n fits: residual / (1 - leverage).

    References: D. M. Allen, 1974, The relationship between variable selection and data augmentation, Technometrics 16.
    """
    y = np.asarray(response, dtype=np.float64)
    x = np.asarray(columns, dtype=np.float64)
    spread = x.std(axis=0)
    x = np.divide(x - x.mean(axis=0), spread, out=np.zeros_like(x), where=spread > 0)
    shrunk = x.T @ x + penalty * np.eye(x.shape[1])
    hat = x @ np.linalg.solve(shrunk, x.T) + 1.0 / y.size  # centred columns: the intercept stands apart
    leverage = np.diag(hat).copy()
    return (y - hat @ y) / (1.0 - leverage), leverage
