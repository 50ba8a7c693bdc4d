"""A shipped calibration fitted to a deployment's own history."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stillwatch.scoring.calibration import Calibration, Lookalike, TailGroup
from stillwatch.scoring.fit import centroid_of, lookalike, mix_of, size_bands, tail_groups
from stillwatch.scoring.matrix import GroupMatrix
from stillwatch.scoring.scorer import scorer_of
from stillwatch.scoring.strength import Strength, strength_of
from stillwatch.scoring.verdict import nearest_lookalikes

WEIGHT_LIMITS: Final = (0.25, 4.0)
"""A history may hide campaigns, and its cells may be nearly empty: it moves a weight by a factor of four at most."""
JUDGED_CLASS: Final = "judged_honest"
"""Class of groups that a person judged honest."""
MIN_GROUPS_FOR_MISFIT: Final = 30
"""A class with fewer own groups near it says nothing about its fit."""
EXPECTED_SHARE: Final = 0.01
"""Share of a class above its own 0.99 quantile."""


@dataclass(frozen=True, slots=True)
class Refit:
    """A calibration fitted to a deployment, and how far the shipped one was from it.

    `misfit` maps a look-alike class to the share of own groups near it that score above its 0.99 quantile: 0.01 where
    the shipped class fits, more where the deployment has such groups that look more suspicious, or campaigns.
    """

    calibration: Calibration
    n_groups: int
    n_judged_honest: int
    misfit: Mapping[str, float]

    def summary(self) -> dict[str, object]:
        """The refit in words and numbers for people."""
        worst = sorted(self.misfit.items(), key=lambda pair: (-pair[1], pair[0]))
        return {
            "calibration_id": self.calibration.calibration_id,
            "groups_of_own_history": self.n_groups,
            "groups_judged_honest": self.n_judged_honest,
            "expected_share_above_class_quantile": EXPECTED_SHARE,
            "share_above_class_quantile": {name: round(share, 4) for name, share in worst},
        }


def refit(shipped: Calibration, own: GroupMatrix, is_honest: NDArray[np.bool_], *, n_accounts: int) -> Refit:
    """The shipped calibration with the deployment's mix of families and sizes, and its groups that were judged honest.

    (1) Each honest tail group is weighted by how much more common its family and size band are in the deployment, for
    each account. (2) Groups that a person judged honest join the tail and become a class of their own. What honest
    signals look like stays as shipped: an unlabelled history that hides a campaign must not teach it as honest.
    Assumes that the history is mostly honest and that `own` has the calibration's signals.
    """
    strength = strength_of(own, shipped)
    whole, *less = (
        _fitted(seen, own, strength, is_honest, n_accounts=n_accounts)
        for seen in (shipped, *map(shipped.without, shipped.reduced))
    )
    reduced = tuple(
        msgspec.structs.replace(one, tail=seen.tail, lookalikes=seen.lookalikes)
        for one, seen in zip(shipped.reduced, less, strict=True)
    )
    origin = f"{shipped.origin}; fitted to {len(own.sizes)} own groups"
    fitted = msgspec.structs.replace(whole, kind="fitted", origin=origin, reduced=reduced)
    misfit = _misfit(shipped, strength)
    return Refit(fitted, n_groups=len(own.sizes), n_judged_honest=int(is_honest.sum()), misfit=misfit)


def _fitted(
    seen: Calibration, own: GroupMatrix, strength: Strength, is_honest: NDArray[np.bool_], *, n_accounts: int
) -> Calibration:
    """`seen`, whole or as a run sees it that lacks signals, with its tail and classes fitted to the deployment."""
    tail, classes = _reweighted(seen, own, n_accounts=n_accounts), seen.lookalikes  # (1)
    if is_honest.any():  # (2)
        tail, classes = _with_judged(seen, tail, own, strength, is_honest)
    return msgspec.structs.replace(seen, tail=tail, lookalikes=classes)


def _reweighted(shipped: Calibration, own: GroupMatrix, *, n_accounts: int) -> tuple[TailGroup, ...]:
    here = {(cell.family, cell.band): cell.n_groups / max(n_accounts, 1) for cell in mix_of(own)}
    there = {(cell.family, cell.band): cell.n_groups / shipped.n_account_windows for cell in shipped.mix}
    low, high = WEIGHT_LIMITS
    bands = size_bands(np.array([group.n_accounts for group in shipped.tail], dtype=np.int64)).tolist()
    cells = [(group.family, band) for group, band in zip(shipped.tail, bands, strict=True)]
    weights = [min(max(here.get(cell, 0.0) / there[cell], low), high) for cell in cells]
    return tuple(
        msgspec.structs.replace(group, weight=round(weight, 4))
        for group, weight in zip(shipped.tail, weights, strict=True)
    )


def _with_judged(
    shipped: Calibration,
    tail: tuple[TailGroup, ...],
    own: GroupMatrix,
    strength: Strength,
    is_honest: NDArray[np.bool_],
) -> tuple[tuple[TailGroup, ...], tuple[Lookalike, ...]]:
    """Tail and classes with the groups that a person judged honest; their window is one more than the shipped ones."""
    judged = strength.take(is_honest)
    scores = scorer_of(shipped).scores(judged.evidence)
    sizes = judged.sizes
    label = np.full(len(sizes), len(shipped.lookalikes), dtype=np.int64)
    window = np.full(len(sizes), -1, dtype=np.int64)
    added = tail_groups(judged.evidence, scores, own.families[is_honest], label, window)
    name = lookalike(JUDGED_CLASS, centroid_of(judged.residuals), scores, sizes)
    return (*tail, *added), (*shipped.lookalikes, name)


def _misfit(shipped: Calibration, strength: Strength) -> dict[str, float]:
    """Share of own groups near each class above its 0.99 quantile, where at least thirty are near."""
    nearest = nearest_lookalikes(strength.residuals, shipped)
    all_scores = scorer_of(shipped).scores(strength.evidence)
    found = {}
    for place, one in enumerate(shipped.lookalikes):
        scores = all_scores[nearest == place]
        if scores.size >= MIN_GROUPS_FOR_MISFIT:
            found[one.name] = float(np.mean(scores > one.score_q99))
    return found
