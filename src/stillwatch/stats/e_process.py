"""Evidence that adds up over time: e-values from p-values, and a detector of change that may be looked at every day.

An e-value is a non-negative statistic with a mean of at most 1 under the null hypothesis; a product of e-values of
successive blocks is what a fair bet against the null would have earned. The change begins at an unknown block, so the
detector adds up one bet for each block on which it may have begun.

References:
    V. Vovk and R. Wang (2021), E-values: calibration, combination and applications, Annals of Statistics 49, section 2.
    J. Shin, A. Ramdas and A. Rinaldo (2023), E-detectors: a nonparametric framework for sequential change detection,
    New England Journal of Statistics in Data Science 2, section 2.3.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NEAR_ONE: Final = 1e-4
"""Below this -ln p the quotient of differences loses digits and its series to first order is exact to 1e-9."""


def e_values(p_values: ArrayLike) -> FloatArray:
    """The e-value of each p-value: (1 - p + p ln p) / (p ln(p)**2), falling from infinity at 0 to 1/2 at 1.

    Null hypothesis: P(p <= u) <= u for every u; then the mean is at most 1. It is the calibrator k p**(k - 1) averaged
    over k in (0, 1), so that no k has to be chosen.

    Raises:
        ValueError: a p-value is not in (0, 1].
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not np.all((p > 0) & (p <= 1)):
        raise ValueError("p-values must be above 0 and at most 1 to be turned into e-values")
    bits = -np.log(p)
    is_near_one = bits < NEAR_ONE
    safe = np.where(is_near_one, 1.0, bits)
    return np.asarray(np.where(is_near_one, 0.5 + bits / 6, (np.expm1(safe) - safe) / safe**2))


def alarms(e_values: ArrayLike, *, mean_blocks: float) -> IntArray:
    """Positions of the blocks at which the detector alarms; after each alarm it begins anew.

    The detector is the e-version of Shiryaev-Roberts: M = e (1 + M before), the sum over all starts j of the product of
    the e-values from j on; it alarms at M >= `mean_blocks`. Null hypothesis: given all earlier blocks the mean of each
    e-value is at most 1. Then, however the blocks depend on each other otherwise, the expected number of blocks up to
    an alarm, and from one to the next, is at least `mean_blocks`.

    Raises:
        ValueError: `mean_blocks` is below 1.
    """
    if mean_blocks < 1:
        raise ValueError(f"mean_blocks must be at least 1, got {mean_blocks}")
    found, level = [], 0.0
    for block, value in enumerate(np.asarray(e_values, dtype=np.float64).tolist()):
        level = value * (1.0 + level)
        if level >= mean_blocks:
            found.append(block)
            level = 0.0
    return np.array(found, dtype=np.int64)
