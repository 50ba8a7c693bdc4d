"""From scores to verdicts: thresholds that count people, p- and q-values, the nearest honest class."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch.model.tier import Tier
from stillwatch.scoring.calibration import Calibration
from stillwatch.scoring.matrix import ALPHA_SHARES, NEVER_ACCUSED
from stillwatch.scoring.scorer import Evidence, scorer_of, tail_evidence
from stillwatch.scoring.settings import REVIEW_FACTOR, Settings
from stillwatch.scoring.strength import Strength
from stillwatch.stats.conformal import FloatArray, IntArray, conformal_p
from stillwatch.stats.intervals import poisson_upper
from stillwatch.stats.multiple_testing import monotone_q

RESIDUAL_CAP: Final = 6.0
"""Distances to a class count at most this many spreads a signal: one wild signal must not choose the class."""


@dataclass(frozen=True, slots=True)
class HonestTail:
    """The highest-scoring honest groups, by falling score, with only the signals that the run measured.

    `people` are accounts times the group's weight. Every honest group above `floor` is in it, below some are missing.
    """

    scores: FloatArray
    people: FloatArray
    windows: IntArray
    families: NDArray[np.str_]
    is_accusable: NDArray[np.bool_]
    floor: float

    def take(self, rows: NDArray[np.bool_]) -> "HonestTail":
        """The groups where `rows` is true."""
        return HonestTail(
            self.scores[rows],
            self.people[rows],
            self.windows[rows],
            self.families[rows],
            self.is_accusable[rows],
            self.floor,
        )


def honest_tail(calibration: Calibration, is_measured: NDArray[np.bool_], *, settings: Settings) -> HonestTail:
    """The calibration's tail rescored with the signals that the run measured.

    A deployment without account records has no youth signal; honest groups are then judged without it as well, so that
    the threshold is not held up by evidence that nobody in this run can have. No score rises by losing a signal, so
    that groups outside of the tail stay below the lowest score that the tail has with every signal.
    """
    scorer = scorer_of(calibration)
    full = tail_evidence(calibration.tail, n_signals=len(calibration.signals))
    seen = full.only(is_measured)
    scores = scorer.scores(seen)
    families = np.array([group.family for group in calibration.tail], dtype=np.str_)
    order = np.argsort(-scores, kind="stable")
    return HonestTail(
        scores[order],
        np.array([group.n_accounts * group.weight for group in calibration.tail])[order],
        np.array([group.window_no for group in calibration.tail], dtype=np.int64)[order],
        families[order],
        accusable(seen, families, settings)[order],
        float(scorer.scores(full).min(initial=np.inf)),
    )


def accusable(evidence: Evidence, families: NDArray[np.str_], settings: Settings) -> NDArray[np.bool_]:
    """Which groups can be accused: not for a network alone, and with enough strong signals and exchanges."""
    n_strong = (evidence.log10s >= -np.log10(settings.strong_p)).sum(axis=1)
    is_enough = (n_strong >= settings.min_strong_signals) & (evidence.volumes >= settings.min_volume)
    return np.asarray(is_enough & ~np.isin(families, list(NEVER_ACCUSED)), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A score that a verdict must exceed, and whether the calibration has enough people to vouch for it."""

    score: float
    is_resolved: bool


def threshold_in_people(tail: HonestTail, *, budget: float) -> Threshold:
    """The smallest t such that honest groups above t hold at most `budget` people.

    `budget` is alpha x the calibration's account-windows. People of groups that overlap in part count once for each
    group, which errs to the strict side. It is resolved when the budget could hold one honest group of the median size
    of those that ten times the budget reaches: people are accused in blocks, and below one block the threshold is
    merely the highest score that was ever seen, which says nothing about the rate above it. It is never below the
    tail's floor; without any honest group no score exceeds it.
    """
    spent = np.cumsum(tail.people)
    if spent.size == 0:
        return Threshold(np.inf, is_resolved=False)
    over = np.flatnonzero(spent > budget)
    score = max(tail.scores[int(over[0])] if over.size else tail.scores[-1], tail.floor)
    n_near = int(np.searchsorted(spent, REVIEW_FACTOR * budget, side="right")) + 1
    return Threshold(float(score), is_resolved=budget >= float(np.median(tail.people[:n_near])))


def tiers(
    strength: Strength, scores: FloatArray, tail: HonestTail, *, people: int, alpha: float, settings: Settings
) -> pa.Array:
    """The verdict on each group: accuse, review or none.

    Families have thresholds of their own, at their share of alpha (ALPHA_SHARES, together less than one): (1) above the
    one at ten times alpha: review. (2) Also above the one at alpha, accusable at all, and by a calibration that
    resolves alpha: accuse. Of (2) honest groups that are not accusable do not hold the threshold up, but that of (1)
    they do, so that a group which is merely more accusable than theirs is not accused.
    """
    found = np.full(len(scores), Tier.NONE.value, dtype=object)
    is_accusable = accusable(strength.evidence, strength.families, settings)
    for families, share in ALPHA_SHARES:
        own, rows = tail.take(np.isin(tail.families, families)), np.isin(strength.families, families)
        review = threshold_in_people(own, budget=REVIEW_FACTOR * share * alpha * people)  # (1)
        accuse = threshold_in_people(own.take(own.is_accusable), budget=share * alpha * people)  # (2)
        is_reviewed = rows & (scores > review.score)
        found[is_reviewed] = Tier.REVIEW.value
        if accuse.is_resolved:
            found[is_reviewed & (scores > accuse.score) & is_accusable] = Tier.ACCUSE.value
    return pa.array(found.tolist(), pa.string())


def window_p_values(scores: FloatArray, tail: HonestTail, *, n_windows: int) -> FloatArray:
    """Rank of each score among the best scores of honest provider-windows: (1 + #{best >= score}) / (1 + n_windows).

    Null hypothesis: the run's best group is exchangeable with the best group of an honest window of a like provider.
    The best of a window is already a selection over all its overlapping groups, so no further correction is due. A
    window without a group in the tail counts as having its best at the floor.
    """
    numbers = np.unique(tail.windows)
    best = np.full(max(n_windows, numbers.size), tail.floor)
    for place, number in enumerate(numbers):
        best[place] = tail.scores[tail.windows == number].max()
    return conformal_p(scores, best)


def people_q_values(scores: FloatArray, sizes: IntArray, tail: HonestTail, *, n_group_people: int) -> FloatArray:
    """Estimated share of honest people among all people in groups at this score or above, made monotone.

    Honest people above a score come from the calibration, scaled by the people in judged groups here and there, plus
    one person, so that no share is ever zero. From the tail's floor down every honest person counts as above.
    """
    order = np.argsort(-scores, kind="stable")
    at_or_above = np.searchsorted(-tail.scores, -scores[order], side="right")
    spent = np.append(0, np.cumsum(tail.people))[at_or_above].astype(np.float64)
    honest = np.where(scores[order] <= tail.floor, n_group_people, spent) + 1.0
    ties = np.searchsorted(-scores[order], -scores[order], side="right")
    people = np.cumsum(sizes[order])[ties - 1]
    scale = sizes.sum() / max(n_group_people, 1)
    q = np.empty(scores.size)
    q[order] = monotone_q(honest * scale / people)
    return q


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
