"""From scores to verdicts: tiers, p- and q-values, the nearest honest class."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch.model.tier import Tier
from stillwatch.scoring.calibration import Calibration
from stillwatch.scoring.threshold import FamilyThresholds, HonestTail, Standing, standing
from stillwatch.stats.conformal import FloatArray, IntArray, conformal_p
from stillwatch.stats.intervals import poisson_upper
from stillwatch.stats.multiple_testing import monotone_q

RESIDUAL_CAP: Final = 6.0
"""Distances to a class count at most this many spreads a signal: one wild signal must not choose the class."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdict on each group.

    `is_near` are groups that a peer's word would bring to review, flagged ones included; `is_lifted` those that it did.
    """

    tiers: pa.Array
    is_near: NDArray[np.bool_]
    is_lifted: NDArray[np.bool_]


def tiers(
    scores: FloatArray,
    families: NDArray[np.str_],
    groups: Standing,
    thresholds: tuple[FamilyThresholds, ...],
    *,
    is_named: NDArray[np.bool_] | None = None,
) -> Verdicts:
    """The verdict on each group: accuse, review or none.

    Above its family's review threshold: review. Above what accuses there as well, where an accusation is open: accuse.
    A group that an indicator of a peer names (None: none does) is reviewed from the lower threshold for these on, and
    accused as any other: what a peer says never accuses.
    """
    found = np.full(len(scores), Tier.NONE.value, dtype=object)
    is_near = np.zeros(len(scores), dtype=np.bool_)
    for one in thresholds:
        rows = families == one.family
        found[rows & (scores > one.review.score)] = Tier.REVIEW.value
        is_near |= rows & (scores > one.named.score)
    found[groups.may_accuse & (groups.margins > 0)] = Tier.ACCUSE.value
    is_lifted = np.zeros_like(is_near) if is_named is None else is_near & is_named & (found == Tier.NONE.value)
    found[is_lifted] = Tier.REVIEW.value
    return Verdicts(pa.array(found.tolist(), pa.string()), is_near, is_lifted)


@dataclass(frozen=True, slots=True)
class HonestStanding:
    """The tail on the scale of margins, in the tail's order; every honest group above `floor` is in it."""

    margins: FloatArray
    may_accuse: NDArray[np.bool_]
    people: FloatArray
    windows: IntArray
    floor: float


def honest_standing(tail: HonestTail, thresholds: tuple[FamilyThresholds, ...]) -> HonestStanding:
    """Where the honest groups of the tail stand."""
    found = standing(tail.scores, tail.families, tail.is_accusable, thresholds)
    floor = tail.floor - min(one.to_accuse for one in thresholds) if tail.scores.size else np.inf
    return HonestStanding(found.margins, found.may_accuse, tail.people, tail.windows, floor)


def window_p_values(groups: Standing, honest: HonestStanding, *, n_windows: int) -> FloatArray:
    """Rank of each margin among the best of honest provider-windows: (1 + #{best >= margin}) / (1 + n_windows).

    Null hypothesis: the run's best group is exchangeable with the best group of an honest window of a like provider.
    Groups to which an accusation is open are ranked among the honest ones to which it is open too, the others among
    all. So p of an accusation is at most (1 + honest windows with a false one) / (1 + n_windows). The best of a window
    is already a selection over its overlapping groups and families, so no further correction is due. A window
    without a group in the tail counts as having its best at the floor.
    """
    among_open = conformal_p(groups.margins, _best(honest, honest.may_accuse, n_windows=n_windows))
    among_all = conformal_p(groups.margins, _best(honest, np.ones_like(honest.may_accuse), n_windows=n_windows))
    return np.where(groups.may_accuse, among_open, among_all)


def _best(honest: HonestStanding, rows: NDArray[np.bool_], *, n_windows: int) -> FloatArray:
    """The best margin of each honest window among `rows`."""
    numbers, places = np.unique(honest.windows[rows], return_inverse=True)
    best = np.full(max(n_windows, numbers.size), honest.floor)
    np.maximum.at(best, places, honest.margins[rows])
    return best


@dataclass(frozen=True, slots=True)
class Crowd:
    """People in a run's judged groups by margin, falling; what lies at or below the calibration's tail is one entry.

    Of that entry, at -inf, only its people count: every honest person is taken to be above it, however far down it is.
    """

    margins: FloatArray
    people: IntArray

    @classmethod
    def of(cls, margins: FloatArray, sizes: IntArray, floor: float) -> "Crowd":
        """The crowd of groups with these margins and accounts; `floor` is that of the honest tail."""
        falling, places = np.unique(-np.where(margins > floor, margins, -np.inf), return_inverse=True)
        people = np.zeros(falling.size, dtype=np.int64)
        np.add.at(people, places, sizes)
        return cls(-falling, people)


def crowd_q_values(margins: FloatArray, crowd: Crowd, honest: HonestStanding, *, n_group_people: int) -> FloatArray:
    """Estimated share of honest people among all people of `crowd` at this margin or above, made monotone.

    Honest people above a margin come from the calibration, scaled by the people in judged groups here and there, plus
    one person, so that no share is ever zero. From the floor down every honest person counts as above. The groups with
    these margins are themselves in the crowd.
    """
    down = np.argsort(-honest.margins, kind="stable")
    at_or_above = np.searchsorted(-honest.margins[down], -crowd.margins, side="right")
    spent = np.append(0, np.cumsum(honest.people[down]))[at_or_above].astype(np.float64)
    n_honest = np.where(crowd.margins <= honest.floor, n_group_people, spent) + 1.0
    scale = crowd.people.sum() / max(n_group_people, 1)
    q = monotone_q(n_honest * scale / np.cumsum(crowd.people))
    return np.asarray(q[np.searchsorted(-crowd.margins, -margins)])


def nearest_lookalikes(residuals: FloatArray, calibration: Calibration) -> IntArray:
    """Position of the honest class whose centroid is nearest: root mean square over the signals that both have.

    A group without any signal goes to the first class.
    """
    centroids = np.array([[np.nan if x is None else x for x in one.centroid] for one in calibration.lookalikes])
    capped = np.clip(residuals, -RESIDUAL_CAP, RESIDUAL_CAP)
    distances = np.empty((len(residuals), len(centroids)))
    for place, centroid in enumerate(centroids):
        gaps = (capped - centroid) ** 2
        n_common = (~np.isnan(gaps)).sum(axis=1)
        distances[:, place] = np.where(n_common > 0, np.nansum(gaps, axis=1) / np.maximum(n_common, 1), np.inf)
    return np.asarray(distances.argmin(axis=1), dtype=np.int64)


def false_people_bound(n_false_groups: int, n_windows: int, size_q95: float, *, confidence: float = 0.95) -> float:
    """Upper bound on honest people accused in one window: groups by an exact Poisson bound, times a large group's size.

    `size_q95` is the 95 % quantile of honest group sizes. Assumes that false groups come independently at one rate per
    window; people come in blocks, so a bound on people directly would pretend to know more than it does.
    """
    return poisson_upper(n_false_groups, confidence=confidence) / n_windows * size_q95
