"""Scores that a verdict must exceed: per family of tokens, such that honest people above them stay within a budget."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillwatch.scoring.calibration import Calibration
from stillwatch.scoring.matrix import ALPHA_SHARES, NEVER_ACCUSED
from stillwatch.scoring.scorer import Evidence, scorer_of, tail_evidence
from stillwatch.scoring.settings import NAMED_FACTOR, REVIEW_FACTOR, Settings
from stillwatch.stats.conformal import FloatArray, IntArray


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
    tail's floor, which it is where no honest group reaches the tail; without any honest group the floor is infinite.
    """
    spent = np.cumsum(tail.people)
    if spent.size == 0:
        return Threshold(tail.floor, is_resolved=False)
    over = np.flatnonzero(spent > budget)
    score = max(tail.scores[int(over[0])] if over.size else tail.scores[-1], tail.floor)
    n_near = int(np.searchsorted(spent, REVIEW_FACTOR * budget, side="right")) + 1
    return Threshold(float(score), is_resolved=budget >= float(np.median(tail.people[:n_near])))


@dataclass(frozen=True, slots=True)
class FamilyThresholds:
    """What review and accusation take in a family of tokens, at its share of alpha."""

    family: str
    review: Threshold
    accuse: Threshold
    named: Threshold
    """For review of what a peer's indicator names; at most as high as `review`."""

    @property
    def to_accuse(self) -> float:
        """The score that an accusation must exceed, that for review as well.

        Honest groups that cannot be accused do not hold `accuse` up, but they do hold up `review`: a group that is
        merely more accusable than they are is not accused.
        """
        return max(self.review.score, self.accuse.score)


def family_thresholds(tail: HonestTail, *, people: int, alpha: float) -> tuple[FamilyThresholds, ...]:
    """Thresholds of every family: review at ten times alpha over all honest groups, accuse at alpha over the accusable.

    Families share alpha out (ALPHA_SHARES, together less than one). `people` are the calibration's account-windows.
    """
    found = []
    for family, share in ALPHA_SHARES.items():
        own = tail.take(tail.families == family)
        review = threshold_in_people(own, budget=REVIEW_FACTOR * share * alpha * people)
        accuse = threshold_in_people(own.take(own.is_accusable), budget=share * alpha * people)
        named = threshold_in_people(own, budget=NAMED_FACTOR * share * alpha * people)
        found.append(FamilyThresholds(family, review, accuse, named))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where groups stand on the one scale on which groups of different families compare, in their order.

    `margins` are scores less what accuses in the group's family, -inf in a family whose threshold is infinite.
    `may_accuse` says to which groups an accusation is open: accusable ones, of a family in which the calibration
    resolves alpha.
    """

    margins: FloatArray
    may_accuse: NDArray[np.bool_]


def standing(
    scores: FloatArray,
    families: NDArray[np.str_],
    is_accusable: NDArray[np.bool_],
    thresholds: tuple[FamilyThresholds, ...],
) -> Standing:
    """The standing of groups with these scores."""
    margins, may_accuse = np.full(len(scores), -np.inf), np.zeros(len(scores), dtype=np.bool_)
    for one in thresholds:
        rows = families == one.family
        margins[rows] = scores[rows] - one.to_accuse
        may_accuse[rows] = is_accusable[rows] & one.accuse.is_resolved
    return Standing(margins, may_accuse)
