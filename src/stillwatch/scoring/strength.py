"""How strongly each signal of a group speaks against honesty."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stillwatch.scoring.calibration import ALL_BANDS, ALL_FAMILIES, Calibration, Curve, Ranks
from stillwatch.scoring.matrix import GroupMatrix
from stillwatch.scoring.scorer import Evidence
from stillwatch.scoring.shift import Shift, population_shifts, settle, take_off
from stillwatch.stats.conformal import FloatArray, IntArray

CONTEXT_SIGNALS: Final = frozenset({"coverage_entropy", "hour_concentration", "target_share", "youth"})
"""Signals of what a group is about. The others test whether its members are copies of each other, which is the case."""
CONTEXT_WEIGHT: Final = 0.25
"""Context supports a case and must not make it: docs/calibration.md has the weights that were compared."""
VOLUME_BANDS: Final = (4.0, 32.0)
"""Exchanges per account at which ranks change. Where members used a token once or twice the comparisons between them
have heavy tails that no centre and spread takes away, and such groups must not set the ranks of busy ones."""


@dataclass(frozen=True, slots=True)
class Strength:
    """Per group and signal, all (n_groups, n_signals): standardised values (NaN when missing) and conformal p-values.

    A missing signal has p = 1. `sizes` are in accounts, `volumes` in exchanges per account.
    """

    families: NDArray[np.str_]
    residuals: FloatArray
    p_values: FloatArray
    sizes: IntArray
    volumes: FloatArray
    log10_tests: FloatArray

    @property
    def evidence(self) -> Evidence:
        """What a scorer sees of the groups."""
        return Evidence(-np.log10(self.p_values), self.sizes, self.volumes, self.log10_tests)

    def take(self, rows: NDArray[np.bool_]) -> "Strength":
        """The groups where `rows` is true."""
        return Strength(
            self.families[rows],
            self.residuals[rows],
            self.p_values[rows],
            self.sizes[rows],
            self.volumes[rows],
            self.log10_tests[rows],
        )


def signal_weights(signals: Sequence[str]) -> tuple[float, ...]:
    """The weight of each signal in the score: fixed beforehand by what the signal tests, never learned from labels."""
    return tuple(CONTEXT_WEIGHT if signal in CONTEXT_SIGNALS else 1.0 for signal in signals)


def strength_of(matrix: GroupMatrix, calibration: Calibration, windows: IntArray | None = None) -> Strength:
    """The strength of every signal of every group; `matrix` has the calibration's signals in its order.

    The groups are all judged groups of one run, or of the `windows` (n_groups,) that tell several apart: each run's own
    shift is taken off (see `shift`), which a part of its groups would not show.
    """
    return measure(matrix, calibration.curves, calibration.ranks, windows)


def measure(
    matrix: GroupMatrix, curves: Sequence[Curve], ranks: Sequence[Ranks], windows: IntArray | None = None
) -> Strength:
    """The strength by these curves and ranks; `windows` as in `strength_of`."""
    return _ranked(settled_residuals(matrix, curves, windows), matrix, ranks)


def strength_under(matrix: GroupMatrix, calibration: Calibration, shifts: Iterable[Shift]) -> Strength:
    """The strength of some groups of a run whose shifts are known, as `strength_of` gives it for all of them."""
    residuals = take_off(standardise(matrix, calibration.curves), matrix.families, matrix.signals, shifts)
    return _ranked(residuals, matrix, calibration.ranks)


def _ranked(residuals: FloatArray, matrix: GroupMatrix, ranks: Sequence[Ranks]) -> Strength:
    found = p_values(residuals, matrix, ranks)
    return Strength(matrix.families, residuals, found, matrix.sizes, matrix.volumes, np.log10(matrix.n_tests))


def settled_residuals(matrix: GroupMatrix, curves: Sequence[Curve], windows: IntArray | None = None) -> FloatArray:
    """Standardised values less each window's own shift, (n_groups, n_signals); remainders are not counted for it."""
    known = np.zeros(len(matrix.sizes), dtype=np.int64) if windows is None else windows
    return settle(standardise(matrix, curves), matrix.families, matrix.signals, known, ~matrix.is_remainder)


def run_shifts(matrix: GroupMatrix, calibration: Calibration) -> tuple[Shift, ...]:
    """What is taken off the residuals of a run, by signal and family: how far its population lies above honest ones."""
    counted = matrix.take(~matrix.is_remainder)
    return population_shifts(standardise(counted, calibration.curves), counted.families, counted.signals)


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


def volume_bands(volumes: FloatArray) -> IntArray:
    """Volume band of each group by exchanges per account: 0 below 4, 1 below 32, 2 from there on."""
    return np.searchsorted(VOLUME_BANDS, volumes, side="right").astype(np.int64)


def p_values(residuals: FloatArray, matrix: GroupMatrix, ranks: Sequence[Ranks]) -> FloatArray:
    """Conformal p-value of each of the matrix' standardised values, (n_groups, n_signals).

    Null hypothesis: the value is exchangeable with those of honest groups of its family and volume band, of all
    families or bands where the calibration has too few.
    """
    known = {(rank.signal, rank.family, rank.band): rank.rank_reference() for rank in ranks}
    bands = volume_bands(matrix.volumes)
    found = np.ones(residuals.shape)
    for family, band in sorted({*zip(matrix.families.tolist(), bands.tolist(), strict=True)}):
        rows = (matrix.families == family) & (bands == band)
        for column, signal in enumerate(matrix.signals):
            places = ((signal, family, band), (signal, ALL_FAMILIES, band), (signal, ALL_FAMILIES, ALL_BANDS))
            reference = next(known[place] for place in places if place in known)
            found[rows, column] = reference.p_values(residuals[rows, column])
    return found


def measured(residuals: FloatArray) -> NDArray[np.bool_]:
    """Which signals at least one group had, (n_signals,)."""
    return np.asarray(~np.isnan(residuals).all(axis=0))
