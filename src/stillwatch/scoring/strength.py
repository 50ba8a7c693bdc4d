"""How strongly each signal of a group speaks against honesty, and what they say together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stillwatch.scoring.calibration import ALL_FAMILIES, Calibration, Curve, Ranks
from stillwatch.scoring.matrix import GroupMatrix
from stillwatch.stats.conformal import FloatArray

CONTEXT_SIGNALS: Final = frozenset({"coverage_entropy", "hour_concentration", "target_share", "youth"})
"""Signals of what a group is about. The others test whether its members are copies of each other, which is the case."""
CONTEXT_WEIGHT: Final = 0.5
"""Context supports a case and must not make it: docs/calibration.md has the weights that were compared."""


@dataclass(frozen=True, slots=True)
class Strength:
    """Per group and signal, all (n_groups, n_signals): standardised values (NaN when missing) and conformal p-values.

    A missing signal has p = 1 and so adds nothing.
    """

    residuals: FloatArray
    p_values: FloatArray
    log10_tests: FloatArray
    weights: FloatArray

    @property
    def log10s(self) -> FloatArray:
        """-log10 p, (n_groups, n_signals)."""
        return np.asarray(-np.log10(self.p_values))

    @property
    def scores(self) -> FloatArray:
        """Label-free score of each group: the weighted sum of -log10 p, less the log10 of the tests that it is one of.

        Null hypothesis: the group's standardised signals are exchangeable with those of honest groups. The sum is no
        p-value (signals depend on each other); its meaning comes only from the honest groups' own sums. Never negative.
        """
        return total(self.log10s, self.weights, self.log10_tests)


def weights_of(signals: Sequence[str]) -> tuple[float, ...]:
    """The weight of each signal in the score: fixed beforehand by what the signal tests, never learned from labels."""
    return tuple(CONTEXT_WEIGHT if signal in CONTEXT_SIGNALS else 1.0 for signal in signals)


def total(log10s: FloatArray, weights: FloatArray, log10_tests: FloatArray) -> FloatArray:
    """The weighted sum over signals, corrected for the number of tests (Bonferroni within the strata of one token)."""
    return np.asarray(np.maximum(log10s @ weights - log10_tests, 0.0))


def strength_of(matrix: GroupMatrix, calibration: Calibration) -> Strength:
    """The strength of every signal of every group; `matrix` has the calibration's signals in its order."""
    residuals = standardise(matrix, calibration.curves)
    found = p_values(residuals, calibration.ranks, matrix.signals)
    return Strength(residuals, found, np.log10(matrix.n_tests), np.array(calibration.weights))


def standardise(matrix: GroupMatrix, curves: Sequence[Curve]) -> FloatArray:
    """Values less their honest centre, over their honest spread, at the group's family, volume and size."""
    known = {(curve.family, curve.signal): curve for curve in curves}
    residuals = np.full(matrix.values.shape, np.nan)
    for column, signal in enumerate(matrix.signals):
        for family in np.unique(matrix.families):
            curve = known.get((str(family), signal)) or known[ALL_FAMILIES, signal]
            rows = matrix.families == family
            residuals[rows, column] = curve.standardise(
                matrix.values[rows, column], matrix.volumes[rows], matrix.sizes[rows]
            )
    return residuals


def p_values(residuals: FloatArray, ranks: Sequence[Ranks], signals: Sequence[str]) -> FloatArray:
    """Conformal p-value of each standardised value among all honest groups, (n_groups, n_signals)."""
    known = {rank.signal: rank.rank_reference() for rank in ranks}
    found = np.ones(residuals.shape)
    for column, signal in enumerate(signals):
        found[:, column] = known[signal].p_values(residuals[:, column])
    return found


def measured(residuals: FloatArray) -> NDArray[np.bool_]:
    """Which signals at least one group had, (n_signals,)."""
    return np.asarray(~np.isnan(residuals).all(axis=0))
