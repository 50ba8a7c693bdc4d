"""E-values: evidence that may be averaged, whatever the dependence, when the weights were fixed beforehand."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def calibrated_e(p_values: ArrayLike) -> NDArray[np.float64]:
    """The e-value 1 / (2 sqrt(p)) of each p-value; 0.5 at p = 1.

    Null hypothesis: the p-value's own; then the mean of the e-value is at most 1, so P(e >= 1 / a) <= a (Markov).

    References: V. Vovk and R. Wang, 2021, E-values: calibration, combination and applications, Annals of Statistics 49.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not np.all((p > 0) & (p <= 1)):
        raise ValueError("p-values must lie in (0, 1]")
    return np.asarray(0.5 / np.sqrt(p))


def combined_e(e_values: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted mean of e-values: again an e-value for the hypothesis that all nulls hold, under any dependence.

    `weights` are not negative, sum to 1 or less and must not depend on the data.
    """
    e, w = np.asarray(e_values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if e.shape != w.shape or e.ndim != 1:
        raise ValueError(f"one weight an e-value is needed, got {w.size} for {e.size}")
    if np.any(w < 0) or w.sum() > 1 + 1e-9:
        raise ValueError(f"weights must not be negative and sum to at most 1, got a sum of {w.sum():g}")
    return float(e @ w)
