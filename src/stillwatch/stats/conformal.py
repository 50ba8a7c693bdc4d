"""Conformal ranks in a reference sample, and smooth curves that make values of unlike scales comparable."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SPREAD_FLOOR_SHARE: Final = 0.25
"""A local spread is at least this share of the spread of all values: few groups in a bin must not look exact."""
NORMAL_HALF_RANGE: Final = (0.1587, 0.8413)
"""Quantiles one standard deviation either side of the median of a normal distribution."""
SMOOTHING: Final = (0.25, 0.5, 0.25)
"""Weights of the running mean over neighbouring bins (binomial, order two)."""


def conformal_p(values: ArrayLike, reference: ArrayLike) -> FloatArray:
    """The conformal p-value of each of `values`: (1 + #{reference >= value}) / (1 + n).

    Null hypothesis: the value is exchangeable with the reference values; then P(p <= u) <= u for every u, ties
    included, whatever their common distribution. A NaN value has no evidence and gets 1. `reference` holds no NaN.
    """
    ordered = np.sort(np.asarray(reference, dtype=np.float64))
    queries = np.asarray(values, dtype=np.float64)
    at_or_above = ordered.size - np.searchsorted(ordered, queries, side="left")
    return np.asarray(np.where(np.isnan(queries), 1.0, (1.0 + at_or_above) / (1.0 + ordered.size)))


@dataclass(frozen=True, slots=True)
class RankReference:
    """A reference sample reduced to knots, with ranks that are exact at the top and conservative below it.

    `knots` ascend; `n_above[i]` counts the reference values strictly above `knots[i]`; `n` is the full sample size.
    """

    knots: FloatArray
    n_above: IntArray
    n: int

    def p_values(self, values: ArrayLike) -> FloatArray:
        """Conformal p-values, at least as large as `conformal_p` in the full sample and equal to it at the top.

        Null hypothesis and NaN rule as in `conformal_p`.
        """
        queries = np.asarray(values, dtype=np.float64)
        below = np.searchsorted(self.knots, queries, side="left") - 1
        counts = np.append(self.n_above, self.n)[below]
        return np.asarray(np.where(np.isnan(queries), 1.0, (1.0 + counts) / (1.0 + self.n)))


def reduce_reference(values: ArrayLike, *, n_top: int = 1000, n_body: int = 200) -> RankReference:
    """The sample's largest `n_top` values and `n_body` evenly spaced order statistics of the rest, as knots.

    NaN values are dropped. The knots are values of the sample, so ranks among the top are exact, ties included.
    """
    ordered = np.asarray(values, dtype=np.float64)
    ordered = np.sort(ordered[~np.isnan(ordered)])
    n_rest = max(ordered.size - n_top - 1, 0)  # the next value below the top makes the ranks of the whole top exact
    positions = np.unique(np.linspace(0, n_rest, min(n_body, n_rest), endpoint=False, dtype=np.int64))
    knots = np.unique(np.concatenate([ordered[positions], ordered[n_rest:]]))
    n_above = ordered.size - np.searchsorted(ordered, knots, side="right")
    return RankReference(knots, n_above.astype(np.int64), int(ordered.size))


@dataclass(frozen=True, slots=True)
class ScaleCurve:
    """Centre and spread of a value as smooth functions of a log scale: linear between knots, constant outside.

    The scale is what the value trivially depends on: a group's size, or its exchanges per account.

    `log_scales` ascend (natural logarithm); `spreads` are positive.
    """

    log_scales: FloatArray
    centres: FloatArray
    spreads: FloatArray

    def standardise(self, values: ArrayLike, scales: ArrayLike) -> FloatArray:
        """(value - centre) / spread at each scale (1 or more); NaN stays NaN."""
        at = np.log(np.maximum(np.asarray(scales, dtype=np.float64), 1.0))
        centre = np.interp(at, self.log_scales, self.centres)
        spread = np.interp(at, self.log_scales, self.spreads)
        return np.asarray((np.asarray(values, dtype=np.float64) - centre) / spread)


def fit_scale_curve(values: ArrayLike, scales: ArrayLike, *, n_per_bin: int = 60, max_bins: int = 12) -> ScaleCurve:
    """The curve of a sample: median and half the central 68 % range in bins of equal counts of log scale, smoothed.

    Robust on purpose: a few extreme groups stay in the tail of the residuals and do not widen the spread for all.
    Assumes that centre and spread change slowly with log scale. NaN values are dropped; at least one value is needed.
    """
    value = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(value)
    value, scale = value[known], np.log(np.maximum(np.asarray(scales, dtype=np.float64)[known], 1.0))
    if value.size == 0:
        raise ValueError("a scale curve needs at least one value that is not NaN, got none")
    floor = max(SPREAD_FLOOR_SHARE * _spread(value), float(np.finfo(np.float32).eps))
    n_bins = int(np.clip(value.size // n_per_bin, 1, max_bins))
    edges = np.unique(np.quantile(scale, np.linspace(0, 1, n_bins + 1)))
    labels = np.searchsorted(edges[1:-1], scale, side="right")
    bins = [labels == label for label in np.unique(labels)]
    centres = np.array([np.median(value[rows]) for rows in bins])
    spreads = np.array([_spread(value[rows]) for rows in bins])
    at = np.array([np.mean(scale[rows]) for rows in bins])
    return ScaleCurve(at, _smooth(centres), np.maximum(_smooth(spreads), floor))


def _spread(values: FloatArray) -> float:
    """Half the distance between the quantiles one standard deviation either side of the median."""
    low, high = np.quantile(values, NORMAL_HALF_RANGE)
    return float((high - low) / 2)


def _smooth(values: FloatArray) -> FloatArray:
    """Running weighted mean over neighbouring bins; the ends repeat themselves."""
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.convolve(padded, SMOOTHING, mode="valid")
