"""How many were never seen, from two ways of seeing that miss independently."""

import math
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True, slots=True)
class Missed:
    """An estimate of what neither way of seeing caught, and its upper confidence bound."""

    estimate: float
    upper: float


def missed_by_both(n_first: int, n_second: int, n_both: int, *, confidence: float = 0.95) -> Missed | None:
    """How many neither of two ways of seeing caught, when they caught `n_first`, `n_second`, and `n_both` of these.

    Chapman's estimator less what was caught; the upper end of the two-sided interval takes the number missed as
    log-normal. Assumes that the two miss independently of each other and that nothing is caught by mistake; where what
    one way misses tends to be missed by the other, the estimate is too low. None where they never caught the same, or
    one of them caught nothing: then nothing can be said.

    References: D. G. Chapman, 1951, Some properties of the hypergeometric distribution with applications to zoological
    sample censuses; A. Chao, 1987, Estimating the population size for capture-recapture data with unequal
    catchability, Biometrics 43 (the log-normal interval).
    """
    if min(n_first, n_second, n_both) < 0 or n_both > min(n_first, n_second):
        raise ValueError(f"n_both must be at most both others and none negative, got {n_first}, {n_second}, {n_both}")
    if n_both == 0:
        return None
    caught = n_first + n_second - n_both
    total = (n_first + 1) * (n_second + 1) / (n_both + 1) - 1
    estimate = max(total - caught, 0.0)
    variance = (
        (n_first + 1) * (n_second + 1) * (n_first - n_both) * (n_second - n_both) / ((n_both + 1) ** 2 * (n_both + 2))
    )
    if variance == 0.0 or estimate == 0.0:
        return Missed(estimate, estimate)
    z = float(stats.norm.isf((1 - confidence) / 2))
    return Missed(estimate, estimate * math.exp(z * math.sqrt(math.log1p(variance / estimate**2))))
