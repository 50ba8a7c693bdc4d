"""Distance between two samples by random Fourier features, and how unusual a day is among the days before it.

References:
    A. Gretton, K. Borgwardt, M. Rasch, B. Scholkopf and A. Smola (2012), A kernel two-sample test, Journal of Machine
    Learning Research 13, sections 2 and 6.
    A. Rahimi and B. Recht (2007), Random features for large-scale kernel machines, NIPS 20.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def fourier_features(points: ArrayLike, *, n_pairs: int, bandwidth: float, seed: int) -> FloatArray:
    """Features (n_points, 2 n_pairs) whose products estimate exp(-|x - y|**2 / (2 bandwidth**2)) without bias.

    The error of a product has a standard deviation of at most sqrt(1 / (2 n_pairs)). `points` are (n_points, n_axes).
    """
    x = np.asarray(points, dtype=np.float64)
    directions = np.random.default_rng(seed).standard_normal((x.shape[1], n_pairs)) / bandwidth
    angles = x @ directions
    return np.asarray(np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(n_pairs))


def mean_features(weights: ArrayLike, features: FloatArray) -> FloatArray:
    """The mean of `features` (n_points, n_features) under each row of `weights` (n_samples, n_points).

    A sample without weight has no mean: NaN. The squared distance of two means is their squared MMD (biased form).
    """
    known = np.asarray(weights, dtype=np.float64)
    total = known.sum(axis=1, keepdims=True)
    return np.asarray((known / np.where(total > 0, total, np.nan)) @ features)


def distances_to_past(means: FloatArray, sizes: ArrayLike, *, period: int, n_back: int) -> FloatArray:
    """Squared distance of each day to the days `period`, 2 `period`, ... `n_back` x `period` days before, (n_days,).

    `means` (n_days, n_features) are consecutive days, `sizes` (n_days,) how many independent members each has. Earlier
    days are averaged by size, and the distance is in units of what sampling alone makes of it, 1 / size + 1 / sizes of
    the past, so that small days are no outliers. NaN where one of the days is missing or before the first.
    """
    size = np.asarray(sizes, dtype=np.float64)
    found = np.full(len(size), np.nan)
    for day in range(period * n_back, len(size)):
        past = day - period * np.arange(1, n_back + 1)
        total = size[past].sum()
        if size[day] > 0 and np.all(size[past] > 0):
            usual = size[past] @ means[past] / total
            found[day] = np.sum((means[day] - usual) ** 2) / (1 / size[day] + 1 / total)
    return found


def ranks_in_past(values: ArrayLike, *, n_back: int) -> tuple[FloatArray, NDArray[np.int64]]:
    """The p-value of each day's value among those of the `n_back` days before it, and how many of these there were.

    p = (1 + number at or above) / (1 + number). Null hypothesis: the day and those before it are exchangeable; this is
    the permutation test over days, of which only the place of the last day changes the rank. For a series that is
    stationary but has a memory p is still uniform over many days, but small ones come in runs. NaN values have p = NaN
    and are not counted.
    """
    series = np.asarray(values, dtype=np.float64)
    p = np.full(len(series), np.nan)
    n = np.zeros(len(series), dtype=np.int64)
    for day, value in enumerate(series.tolist()):
        past = series[max(0, day - n_back) : day]
        past = past[~np.isnan(past)]
        n[day] = past.size
        if not np.isnan(value):
            p[day] = (1 + np.count_nonzero(past >= value)) / (1 + past.size)
    return p, n
