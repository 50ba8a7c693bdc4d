"""The boosting fitted to groups of planted campaigns against honest groups of the same simulated windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.errors import CalibrationError
from stillwatch.scoring.boosting import RISING, Boosting, fit_boosting
from stillwatch.scoring.calibration import SCALE_FEATURES, Curve, Ranks
from stillwatch.scoring.matrix import GroupMatrix, group_matrix
from stillwatch.scoring.scorer import SCALE_DIRECTIONS
from stillwatch.scoring.strength import measure
from stillwatch.stats.conformal import FloatArray, IntArray

FlagArray = NDArray[np.bool_]

MAJORITY: Final = 0.5
"""A group with more members of campaigns than this share is one to find; one without any is honest."""
CAMPAIGN_WEIGHT: Final = 0.1
"""All campaign groups together weigh a tenth of all honest ones: the threshold lies far out in the honest tail."""
LEFT_TO_REVIEWERS: Final = frozenset({"rate_limit_hugging", "youth"})
"""Signals that a boosting must not lean on. Most planted campaigns are young, so that age alone would take a third of
all gain, and accounts that were bought old would pass. How steadily an account sends is a fact about all of its
traffic: honest accounts with steady programs make any token steady that they share; docs/calibration.md has both."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """A kind of evidence that some deployments do not have: the signals that it `lacks` and the `families` it has.

    Without prompts there are no groups of one template, whose many must then not set what is learned and what is kept.
    """

    lacks: tuple[str, ...]
    families: tuple[str, ...]

    def keeps(self, families: NDArray[np.str_]) -> FlagArray:
        """Which groups of these families a deployment without the evidence has."""
        return np.asarray(np.isin(families, self.families), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class PlantedGroups:
    """Judged groups of simulated windows in which campaigns are planted.

    `groups`: as in HonestGroups, and campaign (of the majority, else null), campaign_share (of members, 0 to 1) and
    campaign_accounts (of that campaign, null without one).
    `signals`: group_id, signal, conservative_value.
    """

    groups: pa.Table
    signals: pa.Table

    def matrix(self, signals: Sequence[str]) -> GroupMatrix:
        """The groups as a matrix, ordered by group id."""
        return group_matrix(self.groups, self.signals, signals)

    def column(self, name: str) -> pa.ChunkedArray:
        """A column of `groups`, ordered by group id."""
        return self.groups.sort_by("group_id")[name]

    @property
    def windows(self) -> IntArray:
        """Window of each group, ordered by group id."""
        return np.asarray(self.column("window_no").to_numpy(), dtype=np.int64)


def train(
    planted: PlantedGroups,
    signals: Sequence[str],
    curves: Sequence[Curve],
    ranks: Sequence[Ranks],
    reduction: Reduction | None = None,
) -> Boosting:
    """The boosting over the strengths that these curves and ranks give, for runs with all signals or a reduction.

    Honest groups weigh by the square root of their accounts, because the threshold counts people; groups of both kinds
    of people take no part.

    Raises:
        CalibrationError: there is no group of a campaign or no honest one.
    """
    strength = measure(planted.matrix(signals), curves, ranks, planted.windows)
    share = planted.column("campaign_share").to_numpy()
    is_left = np.full(share.shape, fill_value=True) if reduction is None else reduction.keeps(strength.families)
    is_campaign, is_honest = is_left & (share > MAJORITY), is_left & (share == 0.0)
    if not is_campaign.any() or not is_honest.any():
        raise CalibrationError("a boosting needs groups of campaigns and honest ones, got one kind only; add windows")
    rows = is_campaign | is_honest
    unused = LEFT_TO_REVIEWERS.union(() if reduction is None else reduction.lacks)
    is_used = np.array([signal not in unused for signal in signals])
    return fit_boosting(
        strength.evidence.only(is_used).features()[rows],
        is_campaign[rows],
        _weights(planted, strength.sizes, is_campaign, is_honest)[rows],
        names=(*signals, *SCALE_FEATURES),
        directions=[RISING] * len(signals) + list(SCALE_DIRECTIONS),
    )


def _weights(planted: PlantedGroups, sizes: IntArray, is_campaign: FlagArray, is_honest: FlagArray) -> FloatArray:
    """Weights with mean 1 over honest groups; those of each campaign's groups add up to the same.

    A group of a campaign weighs by the share of the campaign that it would name: rewritten prompts leave hundreds of
    fragments of five accounts, on which nothing depends and which look like anybody's.
    """
    found = np.sqrt(sizes.astype(np.float64))
    found /= found[is_honest].mean()
    _, place = np.unique(_campaigns(planted)[is_campaign], return_inverse=True)
    of_campaign = sizes[is_campaign] / np.bincount(place, sizes[is_campaign])[place]
    found[is_campaign] = of_campaign * CAMPAIGN_WEIGHT * is_honest.sum() / of_campaign.sum()
    return found


def _campaigns(planted: PlantedGroups) -> NDArray[np.str_]:
    """Window and name of each group's campaign, ordered by group id; groups of several campaigns share one name."""
    names = pc.fill_null(planted.column("campaign"), "")
    windows = pc.cast(planted.column("window_no"), pa.string())
    return np.array(pc.binary_join_element_wise(windows, names, ":").to_pylist(), dtype=np.str_)
