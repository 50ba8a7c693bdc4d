import numpy as np
import pytest

from stillwatch.stats.evidence import calibrated_e, combined_e


def test_the_mean_of_a_calibrated_e_value_is_one_under_the_null() -> None:
    p = (np.arange(1_000_000) + 0.5) / 1_000_000
    assert calibrated_e(p).mean() == pytest.approx(1.0, abs=2e-3)


def test_a_combined_e_value_is_the_weighted_mean() -> None:
    assert combined_e([10.0, 0.5], [0.75, 0.25]) == pytest.approx(7.625)


@pytest.mark.parametrize("weights", [[0.9, 0.2], [-0.1, 0.5], [1.0]])
def test_weights_that_could_inflate_evidence_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weight"):
        combined_e([2.0, 3.0], weights)


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1])
def test_what_is_no_p_value_has_no_e_value(p: float) -> None:
    with pytest.raises(ValueError, match="p-values"):
        calibrated_e(p)
