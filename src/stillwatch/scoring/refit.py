"""A calibration fitted to a deployment's own, unlabelled history.

The history may hide campaigns, so its groups never become honest references by themselves. They only say how common
each honest class is here (weights of the honest tail) and how far this deployment lies from what was calibrated
(misfit). Groups of people whom a person judged honest do join the honest tail.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stillwatch.errors import CalibrationError
from stillwatch.scoring.calibration import Calibration, Lookalike, TailGroup
from stillwatch.scoring.matrix import GroupMatrix
from stillwatch.scoring.strength import strength_of
from stillwatch.scoring.verdict import RESIDUAL_CAP, nearest_lookalikes

WEIGHT_RANGE: Final = (0.5, 5.0)
"""A class is taken as at least half and at most five times as common as calibrated: less trust in one window."""

MISFIT_LIMIT: Final = 2.0
"""Mean distance, in honest spreads a signal, from which a class is reported as not fitting."""

JUDGED_HONEST: Final = "judged_honest"


@dataclass(frozen=True, slots=True)
class Refit:
    """The fitted calibration, how much more common each class is here, and how far each lies from its calibration."""

    calibration: Calibration
    weights: dict[str, float]
    misfit: dict[str, float]
    n_judged_honest: int

    def summary(self) -> dict[str, object]:
        """What to tell the operator."""
        return {
            "calibration_id": self.calibration.calibration_id,
            "n_judged_honest_groups": self.n_judged_honest,
            "class_weights": {name: round(value, 2) for name, value in sorted(self.weights.items())},
            "classes_that_do_not_fit": sorted(name for name, value in self.misfit.items() if value > MISFIT_LIMIT),
        }


def refit(base: Calibration, own: GroupMatrix, is_honest: NDArray[np.bool_], *, n_accounts: int) -> Refit:
    """`base` with its honest tail weighted by the mix of classes in `own`, and judged-honest groups added to it.

    `is_honest` marks groups whose people a person judged honest; `n_accounts` sent anything in the window of `own`.
    Assumes that a group's nearest class is its class: a campaign counts as the class that it imitates, which makes
    that class weightier, and so the threshold stricter, never looser than half.

    Raises:
        CalibrationError: there is no group to fit to.
    """
    if not own.sizes.size or n_accounts < 1:
        raise CalibrationError("the window has no group of accounts: ingest more traffic, or keep the shipped one")
    strength = strength_of(own, base)
    nearest = nearest_lookalikes(strength.residuals, base)
    names = [one.name for one in base.lookalikes]
    weights = _weights(base, nearest, n_accounts)
    tail = [_weighted(group, weights[group.class_no]) for group in base.tail]
    share = base.n_account_windows / n_accounts
    log10s = np.round(strength.log10s, 2)
    judged = [
        TailGroup(
            window_no=0,
            class_no=len(names),
            n_accounts=max(1, round(int(own.sizes[row]) * share)),
            log10_tests=float(strength.log10_tests[row]),
            strengths=tuple(log10s[row].tolist()),
        )
        for row in np.flatnonzero(is_honest)
    ]
    lookalikes = base.lookalikes + ((_judged_class(strength.residuals[is_honest], base),) if judged else ())
    fitted = msgspec.structs.replace(
        base,
        kind="fitted",
        origin=f"{base.origin}; weighted by {own.sizes.size} own groups, {len(judged)} judged honest",
        lookalikes=lookalikes,
        tail=(*tail, *judged),
    )
    return Refit(
        calibration=fitted,
        weights=dict(zip(names, weights.tolist(), strict=True)),
        misfit=_misfit(base, strength.residuals, nearest),
        n_judged_honest=len(judged),
    )


def _weights(base: Calibration, nearest: NDArray[np.int64], n_accounts: int) -> NDArray[np.float64]:
    here = np.bincount(nearest, minlength=len(base.lookalikes)) / n_accounts
    calibrated = np.array([one.n_groups for one in base.lookalikes]) / base.n_account_windows
    return np.clip(here / np.maximum(calibrated, 1e-12), *WEIGHT_RANGE)


def _weighted(group: TailGroup, weight: float) -> TailGroup:
    return msgspec.structs.replace(group, n_accounts=max(1, round(group.n_accounts * weight)))


def _judged_class(residuals: NDArray[np.float64], base: Calibration) -> Lookalike:
    capped = np.clip(residuals, -RESIDUAL_CAP, RESIDUAL_CAP)
    has = ~np.isnan(capped).all(axis=0)
    centroid = tuple(float(np.nanmean(capped[:, k])) if has[k] else None for k in range(len(base.signals)))
    return Lookalike(name=JUDGED_HONEST, n_groups=len(residuals), centroid=centroid, score_q99=0.0, largest=0)


def _misfit(base: Calibration, residuals: NDArray[np.float64], nearest: NDArray[np.int64]) -> dict[str, float]:
    capped = np.clip(residuals, -RESIDUAL_CAP, RESIDUAL_CAP)
    found: dict[str, float] = {}
    for place, one in enumerate(base.lookalikes):
        centroid = np.array([np.nan if value is None else value for value in one.centroid])
        gaps = np.abs(capped[nearest == place] - centroid)
        if gaps.size and not np.isnan(gaps).all():
            found[one.name] = float(np.nanmean(gaps))
    return found
