"""Two ways to make one score of a group's signals, behind one interface: a fitted boosting and a label-free sum."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from stillwatch.scoring.boosting import FALLING_OR_RISING, RISING, Boosting
from stillwatch.scoring.calibration import Calibration, TailGroup
from stillwatch.stats.conformal import FloatArray, IntArray

SCALE_DIRECTIONS: Final = (RISING, FALLING_OR_RISING)
"""Of SCALE_FEATURES: the same evidence over more accounts is never less of it, over more exchanges it may be either."""
DECIMALS: Final = 2
"""Decimals of -log10 p and of volumes as a boosting sees them: those in which a calibration keeps its tail."""
MAX_SIZE: Final = 100
"""Accounts above which a group's size is no evidence: conservative ends are sharp there, and an honest crowd of 400
must not outweigh its own weak signals by being large."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a scorer sees of each group.

    `log10s` are -log10 p, (n_groups, n_signals), 0 where a group lacks the signal. `sizes` are in accounts, `volumes`
    in exchanges per account, `log10_tests` the log10 of the tests that the group is one of.
    """

    log10s: FloatArray
    sizes: IntArray
    volumes: FloatArray
    log10_tests: FloatArray

    def only(self, is_measured: NDArray[np.bool_]) -> "Evidence":
        """The same groups without the signals that were not measured."""
        return Evidence(np.where(is_measured, self.log10s, 0.0), self.sizes, self.volumes, self.log10_tests)

    def take(self, rows: NDArray[np.bool_]) -> "Evidence":
        """The groups where `rows` is true."""
        return Evidence(self.log10s[rows], self.sizes[rows], self.volumes[rows], self.log10_tests[rows])

    def features(self) -> FloatArray:
        """The columns that a boosting is fitted to: signals, then SCALE_FEATURES."""
        volumes = np.log(np.maximum(np.round(self.volumes, DECIMALS), 1.0))
        sizes = np.log(np.minimum(self.sizes, MAX_SIZE))
        return np.column_stack([np.round(self.log10s, DECIMALS), sizes, volumes])


def tail_evidence(tail: tuple[TailGroup, ...], *, n_signals: int) -> Evidence:
    """The evidence of a calibration's tail groups, in their order."""
    return Evidence(
        np.array([group.strengths for group in tail], dtype=np.float64).reshape(-1, n_signals),
        np.array([group.n_accounts for group in tail], dtype=np.int64),
        np.array([group.volume for group in tail], dtype=np.float64),
        np.array([group.log10_tests for group in tail], dtype=np.float64),
    )


class Scorer(Protocol):
    """Evidence to scores: stronger evidence in any signal never lowers the score, more tests of a token never raise it.

    A score has no meaning of its own; it comes from the scores that honest groups reach.
    """

    def scores(self, evidence: Evidence) -> FloatArray:
        """The score of each group, (n_groups,)."""
        ...

    def contributions(self, evidence: Evidence) -> FloatArray:
        """What each signal adds to the score, in its unit, (n_groups, n_signals)."""
        ...


@dataclass(frozen=True, slots=True)
class LabelFreeSum:
    """The weighted sum of -log10 p, less the log10 of the tests that the group is one of; never negative.

    Null hypothesis: the group's standardised signals are exchangeable with those of honest groups. The sum is no
    p-value, because signals depend on each other.
    """

    weights: FloatArray

    def scores(self, evidence: Evidence) -> FloatArray:
        """The corrected sum (Bonferroni within the strata of one token)."""
        return np.asarray(np.maximum(self.contributions(evidence).sum(axis=1) - evidence.log10_tests, 0.0))

    def contributions(self, evidence: Evidence) -> FloatArray:
        """Weight times -log10 p."""
        return evidence.log10s * self.weights


@dataclass(frozen=True, slots=True)
class Boosted:
    """The boosting's log odds, less the natural log of the tests that the group is one of; may be negative.

    Assumes that campaigns to come resemble the planted ones in which signals are strong together; false accusations
    do not rest on it, because the threshold comes from honest groups alone.
    """

    boosting: Boosting

    def scores(self, evidence: Evidence) -> FloatArray:
        """The corrected log odds (Bonferroni within the strata of one token)."""
        return np.asarray(self.boosting.decision(evidence.features()) - np.log(10.0) * evidence.log10_tests)

    def contributions(self, evidence: Evidence) -> FloatArray:
        """Path attribution of each signal; what size and volume add is left out."""
        return self.boosting.contributions(evidence.features())[:, : evidence.log10s.shape[1]]


def scorer_of(calibration: Calibration) -> Scorer:
    """The scorer that the calibration names: its boosting, or the sum where it has none."""
    if calibration.boosting is None:
        return LabelFreeSum(np.array(calibration.weights))
    return Boosted(calibration.boosting)
