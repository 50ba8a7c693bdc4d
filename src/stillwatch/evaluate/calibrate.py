"""Calibrations from simulated honest worlds, and how well they hold for a class that they never saw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import scoring
from stillwatch.config import Config
from stillwatch.engines import Engine
from stillwatch.evaluate.worlds import Proposed, build_scene, propose
from stillwatch.model.tier import Tier
from stillwatch.scoring import Calibration, FitOptions, HonestGroups, fit
from stillwatch.simulate import HonestMix, World
from stillwatch.simulate.lookalikes import LOOKALIKES

MANAGED_SHARE: Final = 0.9
"""Groups of which so many members have a verified owner or contract go to an account manager: no part of the null."""
WINDOW_LENGTHS: Final = (45, 45, 45, 21, 7)
"""Days of the windows in turn: a new deployment has less than a whole window, and its honest groups look different."""

Progress = Callable[[str, int, int], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Which honest windows a calibration is fitted on; the two lists of seeds must be disjoint."""

    reference_seeds: tuple[int, ...]
    threshold_seeds: tuple[int, ...]
    n_accounts: int = 100_000
    window_lengths: tuple[int, ...] = WINDOW_LENGTHS

    def __post_init__(self) -> None:
        common = sorted(set(self.reference_seeds) & set(self.threshold_seeds))
        if common:
            raise ValueError(f"reference and threshold windows must be disjoint, both have the seeds {common}")

    def world(self, seed: int) -> World:
        """The quiet world of a seed: honest accounts and every look-alike class."""
        honest = HonestMix(n_accounts=self.n_accounts, lookalikes=LOOKALIKES, n_frameworks=self.n_frameworks)
        return World(honest=honest, n_days=self.window_lengths[seed % len(self.window_lengths)])

    @property
    def n_frameworks(self) -> int:
        """Frameworks in use: as in the scenarios, one for each 60 accounts up to 300."""
        return max(12, min(300, self.n_accounts // 60))

    @property
    def origin(self) -> str:
        """What the calibration was fitted on, in words."""
        n_reference, n_threshold = len(self.reference_seeds), len(self.threshold_seeds)
        return (
            f"simulated honest windows of {self.n_accounts} accounts and {sorted(set(self.window_lengths))} days with "
            f"{len(LOOKALIKES)} look-alike classes: {n_reference} for reference, {n_threshold} for the threshold"
        )


@dataclass(frozen=True, slots=True)
class HonestWindows:
    """Honest groups of several windows, and the accounts that sent anything in them, summed over the windows."""

    honest: HonestGroups
    n_account_windows: int


def honest_window(proposed: Proposed, window_no: int) -> HonestWindows:
    """The groups of one quiet window that take part in a calibration: judged, without an owner, not one customer."""
    labels = proposed.labels
    free = labels.filter(pc.less(labels["managed_share"], MANAGED_SHARE)).select(["group_id", "honest_class"])
    judged = proposed.groups.filter(pc.invert(proposed.groups["is_whole_popular"]))
    columns = ["group_id", "token_kind", "proposal", "n_accounts", "n_exchanges", "n_tests"]
    judged = judged.filter(pc.invert(pc.is_in(judged["group_id"], value_set=proposed.customers)))
    groups = judged.select(columns).join(free, "group_id", join_type="inner").sort_by("group_id")
    values = proposed.signals.select(["group_id", "signal", "conservative_value"])
    values = values.filter(pc.is_in(values["group_id"], value_set=groups["group_id"].combine_chunks()))
    groups = groups.append_column("window_no", pa.array([window_no] * groups.num_rows, pa.int64()))
    return HonestWindows(HonestGroups(_prefixed(groups, window_no), _prefixed(values, window_no)), proposed.n_accounts)


def join_windows(windows: Sequence[HonestWindows]) -> HonestWindows:
    """Several windows as one sample."""
    groups = pa.concat_tables([window.honest.groups for window in windows])
    signals = pa.concat_tables([window.honest.signals for window in windows])
    return HonestWindows(HonestGroups(groups, signals), sum(window.n_account_windows for window in windows))


def collect(plan: Plan, seeds: Sequence[int], *, engine: Engine, config: Config, progress: Progress) -> HonestWindows:
    """The honest groups of the plan's quiet windows with these seeds."""
    found = []
    for done, seed in enumerate(seeds):
        progress("honest windows", done, len(seeds))
        scene = build_scene(plan.world(seed), seed=seed)
        found.append(honest_window(propose(scene, engine=engine, config=config), seed))
    progress("honest windows", len(seeds), len(seeds))
    return join_windows(found)


def fit_shipped(plan: Plan, *, engine: Engine, config: Config, progress: Progress) -> Calibration:
    """The calibration that comes with the package, from the plan's simulated windows."""
    reference = collect(plan, plan.reference_seeds, engine=engine, config=config, progress=progress)
    threshold = collect(plan, plan.threshold_seeds, engine=engine, config=config, progress=progress)
    return fit_windows(reference, threshold, origin=plan.origin)


def fit_windows(reference: HonestWindows, threshold: HonestWindows, *, origin: str) -> Calibration:
    """The shipped kind of calibration from collected windows."""
    options = FitOptions(kind="shipped", origin=origin, n_account_windows=threshold.n_account_windows)
    return fit(reference.honest, threshold.honest, options)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How groups of a class are judged by a calibration that never saw the class."""

    honest_class: str
    n_groups: int
    n_accused: int
    n_reviewed: int
    n_people: int
    n_people_accused: int


def leave_one_class_out(
    reference: HonestWindows, threshold: HonestWindows, *, alpha: float, settings: scoring.Settings
) -> list[LeftOut]:
    """For each class of the threshold windows: fit without it in either sample, then judge its threshold groups."""
    return [
        _left_out(name, reference, threshold, alpha=alpha, settings=settings)
        for name in sorted(pc.unique(threshold.honest.groups["honest_class"]).to_pylist())
    ]


def _left_out(
    name: str, reference: HonestWindows, threshold: HonestWindows, *, alpha: float, settings: scoring.Settings
) -> LeftOut:
    others = [without_class(windows, name) for windows in (reference, threshold)]
    calibration = fit_windows(others[0], others[1], origin=f"without {name}")
    groups = threshold.honest.groups
    own = HonestGroups(groups.filter(pc.equal(groups["honest_class"], name)), threshold.honest.signals)
    matrix = own.matrix(calibration.signals)
    tiers = scoring.score_groups(matrix, calibration, alpha=alpha, settings=settings)["tier"]
    is_accused = np.array([tier == Tier.ACCUSE.value for tier in tiers.to_pylist()], dtype=bool)
    is_reviewed = np.array([tier == Tier.REVIEW.value for tier in tiers.to_pylist()], dtype=bool)
    return LeftOut(
        honest_class=name,
        n_groups=len(is_accused),
        n_accused=int(is_accused.sum()),
        n_reviewed=int(is_reviewed.sum()),
        n_people=int(matrix.sizes.sum()),
        n_people_accused=int(matrix.sizes[is_accused].sum()),
    )


def without_class(windows: HonestWindows, name: str) -> HonestWindows:
    """The windows less the groups of one class."""
    groups = windows.honest.groups
    kept = groups.filter(pc.not_equal(groups["honest_class"], name))
    return HonestWindows(HonestGroups(kept, windows.honest.signals), windows.n_account_windows)


def _prefixed(rows: pa.Table, window_no: int) -> pa.Table:
    """`rows` with group ids that are unique over windows."""
    ids = pc.binary_join_element_wise(pa.scalar(str(window_no)), rows["group_id"], "/")
    return rows.set_column(rows.schema.get_field_index("group_id"), "group_id", ids)
