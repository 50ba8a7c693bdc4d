"""What a score takes from a run as a whole: how its groups lie beside honest ones, and how many people stand where.

Both are kept with the run, so that the scores of a few groups can be computed again without all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch.model.tables import SCORE_CROWD, SCORE_SHIFTS
from stillwatch.scoring.calibration import ALL_FAMILIES, Calibration
from stillwatch.scoring.scorer import scorer_of
from stillwatch.scoring.settings import Settings
from stillwatch.scoring.shift import Shift
from stillwatch.scoring.strength import Strength, measured
from stillwatch.scoring.threshold import (
    FamilyThresholds,
    Standing,
    accusable,
    family_thresholds,
    honest_tail,
    standing,
)
from stillwatch.scoring.verdict import Crowd, HonestStanding, false_people_bound, honest_standing
from stillwatch.stats.conformal import FloatArray


@dataclass(frozen=True, slots=True)
class Placed:
    """Groups among honest ones: their scores and standing, the thresholds, the honest tail, and the run's people.

    `seen` is the calibration as the run sees it that has measured what this one has.
    """

    seen: Calibration
    scores: FloatArray
    groups: Standing
    thresholds: tuple[FamilyThresholds, ...]
    honest: HonestStanding
    crowd: Crowd


@dataclass(frozen=True, slots=True)
class Population:
    """What is kept of a run's groups: `is_measured`, which signals at least one of them had; shifts; people."""

    is_measured: NDArray[np.bool_]
    shifts: tuple[Shift, ...]
    crowd: Crowd

    @classmethod
    def of(cls, shifts: pa.Table, crowd: pa.Table, signals: Sequence[str]) -> "Population":
        """The population of SCORE_SHIFTS and SCORE_CROWD rows of one run; `signals` are the calibration's."""
        margins = np.array([-np.inf if margin is None else margin for margin in crowd["margin"].to_pylist()])
        order = np.argsort(-margins, kind="stable")
        people = crowd["n_people"].to_numpy().astype(np.int64)
        return cls(measured_signals(shifts, signals), tuple(shifts_of(shifts)), Crowd(margins[order], people[order]))


def place(
    strength: Strength,
    calibration: Calibration,
    *,
    alpha: float,
    settings: Settings,
    population: Population | None = None,
) -> Placed:
    """Where groups stand: all judged groups of a run, or some of a run whose `population` is known."""
    is_measured = measured(strength.residuals) if population is None else population.is_measured
    seen = calibration.seen_by(is_measured)
    tail = honest_tail(seen, is_measured, settings=settings)
    thresholds = family_thresholds(tail, people=calibration.n_account_windows, alpha=alpha)
    scores = scorer_of(seen).scores(strength.evidence)
    groups = standing(scores, strength.families, accusable(strength.evidence, strength.families, settings), thresholds)
    honest = honest_standing(tail, thresholds)
    crowd = Crowd.of(groups.margins, strength.sizes, honest.floor) if population is None else population.crowd
    return Placed(seen, scores, groups, thresholds, honest, crowd)


def shift_rows(run_id: str, shifts: Sequence[Shift], strength: Strength, signals: Sequence[str]) -> pa.Table:
    """SCORE_SHIFTS rows: every shift, and each other signal that some group had."""
    n_groups = (~np.isnan(strength.residuals)).sum(axis=0)
    rows: list[dict[str, object]] = [
        {"signal": s.signal, "family": s.family, "n_groups": s.n_groups, "centre": s.centre, "spread": s.spread}
        for s in shifts
    ]
    shifted = {shift.signal for shift in shifts if shift.family == ALL_FAMILIES}
    rows += [
        {"signal": signal, "family": ALL_FAMILIES, "n_groups": int(n)}
        for signal, n in zip(signals, n_groups, strict=True)
        if n and signal not in shifted
    ]
    named = [{"run_id": run_id, **row} for row in rows]
    order = [("signal", "ascending"), ("family", "ascending")]
    return pa.Table.from_pylist(named, schema=SCORE_SHIFTS.schema).sort_by(order)


def crowd_rows(run_id: str, crowd: Crowd) -> pa.Table:
    """SCORE_CROWD rows."""
    margins = pa.array(crowd.margins, pa.float64(), mask=np.isneginf(crowd.margins))
    columns = [pa.array([run_id] * len(margins), pa.string()), margins, pa.array(crowd.people, pa.int64())]
    return pa.Table.from_arrays(columns, schema=SCORE_CROWD.schema)


def measured_signals(rows: pa.Table, signals: Sequence[str]) -> NDArray[np.bool_]:
    """Which of the signals the run of these SCORE_SHIFTS rows measured; all of them where it kept no row."""
    known = set(rows["signal"].to_pylist())
    return np.array([not known or signal in known for signal in signals], dtype=np.bool_)


def shifts_of(rows: pa.Table) -> list[Shift]:
    """The shifts among SCORE_SHIFTS rows."""
    return [
        Shift(row["signal"], row["family"], row["n_groups"], row["centre"], row["spread"])
        for row in rows.to_pylist()
        if row["centre"] is not None
    ]


@dataclass(frozen=True, slots=True)
class FalseAccusations:
    """Honest groups of a calibration's own windows that would be accused at some alpha, and the people in them.

    `bound` is an upper bound, 95 %, on such people in one window. The windows are those that set the thresholds: on
    others it is somewhat more (docs/calibration.md, Limits).
    """

    n_groups: int
    n_people: int
    n_windows: int
    bound: float


def false_accusations(
    calibration: Calibration, is_measured: NDArray[np.bool_], *, alpha: float, settings: Settings
) -> FalseAccusations:
    """What the calibration says about false accusations at this alpha, of a run that measured these signals."""
    tail = honest_tail(calibration.seen_by(is_measured), is_measured, settings=settings)
    thresholds = family_thresholds(tail, people=calibration.n_account_windows, alpha=alpha)
    honest = honest_standing(tail, thresholds)
    is_accused = honest.may_accuse & (honest.margins > 0)
    n_groups, n_windows = int(is_accused.sum()), calibration.n_windows
    bound = false_people_bound(n_groups, n_windows, calibration.size_q95)
    return FalseAccusations(n_groups, round(float(honest.people[is_accused].sum())), n_windows, bound)
