"""Exact and score intervals for counts and shares."""

import math

from scipy import stats


def poisson_upper(n_events: int, *, confidence: float = 0.95) -> float:
    """The exact one-sided upper confidence bound on the mean of a Poisson count of which `n_events` were seen.

    The mean m with P(count <= n_events | m) = 1 - confidence; 2.996 for zero events at 0.95. Assumes that events are
    independent and come at one rate.

    References: F. Garwood, 1936, Fiducial limits for the Poisson distribution, Biometrika 28.
    """
    _check_count("n_events", n_events)
    return float(stats.chi2.ppf(confidence, 2 * (n_events + 1)) / 2)


def clopper_pearson(n_hits: int, n_trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of a binomial share, never narrower than its confidence says.

    Assumes independent trials with one share; no trials give (0, 1).

    References: C. J. Clopper and E. S. Pearson, 1934, Biometrika 26.
    """
    _check_hits(n_hits, n_trials)
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, n_hits, n_trials - n_hits + 1)) if n_hits else 0.0
    high = float(stats.beta.isf(tail, n_hits + 1, n_trials - n_hits)) if n_hits < n_trials else 1.0
    return low, high


def wilson(n_hits: int, n_trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided score interval of a binomial share: close to its confidence on average, not guaranteed.

    Assumes independent trials with one share; no trials give (0, 1).

    References: E. B. Wilson, 1927, Journal of the American Statistical Association 22.
    """
    _check_hits(n_hits, n_trials)
    if n_trials == 0:
        return 0.0, 1.0
    z = float(stats.norm.isf((1 - confidence) / 2))
    share = n_hits / n_trials
    scale = 1 + z * z / n_trials
    middle = (share + z * z / (2 * n_trials)) / scale
    half = z * math.sqrt(share * (1 - share) / n_trials + z * z / (4 * n_trials * n_trials)) / scale
    low = 0.0 if n_hits == 0 else middle - half
    high = 1.0 if n_hits == n_trials else middle + half
    return low, high


def _check_count(name: str, count: int) -> None:
    if count < 0:
        raise ValueError(f"{name} must not be negative, got {count}")


def _check_hits(n_hits: int, n_trials: int) -> None:
    _check_count("n_hits", n_hits)
    if n_hits > n_trials:
        raise ValueError(f"n_hits must not exceed n_trials, got {n_hits} of {n_trials}")
