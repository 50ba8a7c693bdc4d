"""The exact distribution of a sum of independent draws from small tables."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal, stats

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DIRECT_BELOW: Final = 64
"""Tables of at most this many steps are convolved directly: tails keep their relative precision."""


@dataclass(frozen=True, slots=True)
class SumNull:
    """Distribution of a sum of independent terms on whole steps; `mass[i]` is the chance of `lowest + i` steps."""

    lowest: int
    mass: FloatArray

    def at_least(self, steps: int) -> float:
        """Chance that the sum is `steps` or more."""
        return float(min(1.0, self.mass[max(steps - self.lowest, 0) :].sum()))

    @property
    def mean(self) -> float:
        """Mean in steps."""
        return float(self.mass @ np.arange(self.mass.size)) + self.lowest

    @property
    def deviation(self) -> float:
        """Standard deviation in steps."""
        places = np.arange(self.mass.size) + self.lowest
        return math.sqrt(max(float(self.mass @ (places - self.mean) ** 2), 0.0))


def uniform_choice_sum(tables: IntArray) -> SumNull:
    """The distribution of the sum over rows of `tables` (n, k) of one entry a row, each of the k alike.

    Null hypothesis behind it: the choices were drawn uniformly and independently of the table. Exact up to rounding:
    rows are added one after the other, without a Fourier transform, so that small tails keep their relative precision.
    """
    low = tables.min(axis=1)
    spans = tables.max(axis=1) - low
    mass = np.ones(1)
    for row, least, span in zip(tables, low, spans, strict=True):
        grown = np.zeros(mass.size + span)
        for entry in row - least:
            grown[entry : entry + mass.size] += mass
        mass = grown / row.size
    return SumNull(int(low.sum()), mass)


def bernoulli_sum(weights: IntArray, chance: float) -> SumNull:
    """The distribution of a weighted sum of independent marks, each set with the same `chance`.

    `weights` are whole steps, not negative. Null hypothesis behind it: the marks are drawn independently of the
    weights. Marks of equal weight are added as one binomial; tables are convolved directly.
    """
    mass = np.ones(1)
    for weight, n_marks in zip(*np.unique(weights[weights > 0], return_counts=True), strict=True):
        spread = np.zeros(int(weight * n_marks) + 1)
        spread[::weight] = _binomial(int(n_marks), chance)
        mass = _convolved(mass, spread)
    return SumNull(0, mass)


def _binomial(n: int, chance: float) -> FloatArray:
    return np.asarray(stats.binom.pmf(np.arange(n + 1), n, chance))


def _convolved(left: FloatArray, right: FloatArray) -> FloatArray:
    if min(left.size, right.size) <= DIRECT_BELOW:
        return np.convolve(left, right)
    return np.asarray(np.maximum(signal.fftconvolve(left, right), 0.0))
