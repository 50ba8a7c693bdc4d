"""Guard against a deployment whose honest groups lie elsewhere than the calibration's: a run is centred on itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stillwatch.scoring.calibration import ALL_FAMILIES
from stillwatch.stats.conformal import NORMAL_HALF_RANGE, FloatArray, IntArray

MIN_GROUPS_FOR_SHIFT: Final = 1000
"""Fewer groups of a run may be one campaign's, which would then be centred on itself: a campaign that makes up a third
of a provider of 500 accounts holds most groups of a family. The price: so small a provider has no guard."""
TOLERATED_CENTRE: Final = 0.25
TOLERATED_SPREAD: Final = 1.25
"""What honest windows like the calibration's stay below (docs/calibration.md): only the excess is taken off."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one signal's residuals of a run lie above and beside honest ones, in honest spreads.

    `centre` is their median, `spread` half their central 68 % range. `family` is "all" for the correction of families
    that have too few groups for one of their own.
    """

    signal: str
    family: str
    n_groups: int
    centre: float
    spread: float

    def settled(self, residuals: FloatArray) -> FloatArray:
        """The residuals less the centre and over the spread as far as these are beyond tolerance, never raised."""
        excess = max(self.centre - TOLERATED_CENTRE, 0.0)
        width = max(self.spread / TOLERATED_SPREAD, 1.0)
        return np.minimum(residuals, (residuals - excess) / width)

    @property
    def is_corrected(self) -> bool:
        """Whether the run's population is beyond tolerance."""
        return self.centre > TOLERATED_CENTRE or self.spread > TOLERATED_SPREAD


def population_shifts(residuals: FloatArray, families: NDArray[np.str_], signals: tuple[str, ...]) -> tuple[Shift, ...]:
    """Where the residuals of one run lie, by signal and family; nothing where too few groups have the signal.

    `residuals` are (n_groups, n_signals), NaN where a group lacks the signal. A honest population that differs as a
    whole moves median and quantiles; campaigns move them far only from half of a family's groups on, the upper quantile
    from a sixth on, so that they cannot hide behind their own shift while they are fewer.
    """
    found = []
    for column, signal in enumerate(signals):
        for family in (ALL_FAMILIES, *np.unique(families).tolist()):
            own = residuals[:, column] if family == ALL_FAMILIES else residuals[families == family, column]
            own = own[~np.isnan(own)]
            if own.size >= MIN_GROUPS_FOR_SHIFT:
                low, centre, high = np.quantile(own, (NORMAL_HALF_RANGE[0], 0.5, NORMAL_HALF_RANGE[1])).tolist()
                found.append(Shift(signal, family, int(own.size), centre, (high - low) / 2))
    return tuple(found)


def settle(
    residuals: FloatArray,
    families: NDArray[np.str_],
    signals: tuple[str, ...],
    windows: IntArray,
    is_counted: NDArray[np.bool_],
) -> FloatArray:
    """The residuals with each window's own excess shift taken off, (n_groups, n_signals).

    `windows` and `is_counted`, whether a group is part of its window's population, are (n_groups,).
    """
    found = residuals.copy()
    for window in np.unique(windows).tolist():
        inside = windows == window
        counted = inside & is_counted
        shifts = population_shifts(residuals[counted], families[counted], signals)
        found[inside] = take_off(residuals[inside], families[inside], signals, shifts)
    return found


def take_off(
    residuals: FloatArray, families: NDArray[np.str_], signals: tuple[str, ...], shifts: Iterable[Shift]
) -> FloatArray:
    """The residuals of one run's groups with these shifts taken off: that of the family, or that of all families."""
    known = {(shift.signal, shift.family): shift for shift in shifts}
    found = residuals.copy()
    for family in np.unique(families).tolist():
        rows = families == family
        for column, signal in enumerate(signals):
            shift = known.get((signal, family)) or known.get((signal, ALL_FAMILIES))
            if shift is not None:
                found[rows, column] = shift.settled(residuals[rows, column])
    return found
