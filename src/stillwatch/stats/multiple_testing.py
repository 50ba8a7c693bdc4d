"""P-values adjusted for the number of tests, and q-values made monotone."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """Adjusted p-values: rejecting those at or below q keeps the false discovery rate at or below q.

    Null hypothesis of each: its own test's. Assumes that the tests are independent or positively dependent (PRDS).

    References: Y. Benjamini and Y. Hochberg, 1995, Journal of the Royal Statistical Society B 57.
    """
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    ranks = np.arange(1, p.size + 1)
    return _restore(monotone_q(p[order] * p.size / ranks), order)


def benjamini_yekutieli(p_values: ArrayLike) -> FloatArray:
    """Adjusted p-values that control the false discovery rate under any dependence, such as overlapping groups.

    References: Y. Benjamini and D. Yekutieli, 2001, Annals of Statistics 29, theorem 1.3.
    """
    p = _checked(p_values)
    harmonic = float(np.sum(1.0 / np.arange(1, p.size + 1)))
    return np.minimum(benjamini_hochberg(p) * harmonic, 1.0) if p.size else p


def holm(p_values: ArrayLike) -> FloatArray:
    """Adjusted p-values that control the chance of even one false rejection, under any dependence.

    References: S. Holm, 1979, Scandinavian Journal of Statistics 6.
    """
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    factors = p.size - np.arange(p.size)
    return _restore(np.minimum(np.maximum.accumulate(p[order] * factors), 1.0), order)


def monotone_q(estimates: ArrayLike) -> FloatArray:
    """False discovery estimates, strongest finding first, made non-decreasing: each becomes the least from itself on.

    A finding may always be reported together with all stronger ones at the rate of a weaker one. Capped at 1.
    """
    raw = np.asarray(estimates, dtype=np.float64)
    return np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)


def _checked(p_values: ArrayLike) -> FloatArray:
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not np.all((p >= 0) & (p <= 1)):
        raise ValueError("p-values must be one row of numbers between 0 and 1")
    return p


def _restore(adjusted: FloatArray, order: NDArray[np.intp]) -> FloatArray:
    restored = np.empty_like(adjusted)
    restored[order] = adjusted
    return restored
