"""Calibrations from simulated honest worlds, and how well they hold for a class that they never saw."""

from collections import Counter
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
from stillwatch.model.signal import EvidenceKind
from stillwatch.model.tier import Tier
from stillwatch.scoring import Calibration, FitOptions, HonestGroups, PlantedGroups, Reduction, fit
from stillwatch.signals.catalog import catalog
from stillwatch.simulate import HonestMix, World
from stillwatch.simulate.lookalikes import LOOKALIKES

MANAGED_SHARE: Final = 0.9
"""Groups of which so many members have a verified owner or contract go to an account manager: no part of the null."""
WINDOW_LENGTHS: Final = (45, 45, 45, 21, 7)
"""Days of the windows in turn: a new deployment has less than a whole window, and its honest groups look different."""

MATERIAL_SCALES: Final = (1.0, 3.0, 10.0, 30.0)
"""How much material of their own accounts have, by world in turn: how often honest people return to it is not known."""

Progress = Callable[[str, int, int], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Which windows a calibration is made of; the lists of seeds must be disjoint.

    Reference windows say what honest signals look like, threshold windows what honest scores reach. Campaigns are
    planted in the training windows, to which the boosting is fitted, and in the held-out ones, on which it is tested;
    in those that `begun_seeds` names they have just begun.
    """

    reference_seeds: tuple[int, ...]
    threshold_seeds: tuple[int, ...]
    training_seeds: tuple[int, ...] = ()
    heldout_seeds: tuple[int, ...] = ()
    begun_seeds: tuple[int, ...] = ()
    n_accounts: int = 100_000
    window_lengths: tuple[int, ...] = WINDOW_LENGTHS
    material_scales: tuple[float, ...] = MATERIAL_SCALES

    def __post_init__(self) -> None:
        counts = Counter((*self.reference_seeds, *self.threshold_seeds, *self.training_seeds, *self.heldout_seeds))
        common = sorted(seed for seed, n in counts.items() if n > 1)
        if common:
            raise ValueError(f"the windows of a plan must be disjoint, more than one list has the seeds {common}")

    def world(self, seed: int) -> World:
        """The quiet world of a seed: honest accounts and every look-alike class."""
        honest = HonestMix(
            n_accounts=self.n_accounts,
            lookalikes=LOOKALIKES,
            n_frameworks=self.n_frameworks,
            material_scale=self.material_scales[seed % len(self.material_scales)],
        )
        return World(honest=honest, n_days=self.window_lengths[seed % len(self.window_lengths)])

    @property
    def n_frameworks(self) -> int:
        """Frameworks in use: as in the scenarios, one for each 60 accounts up to 300."""
        return max(12, min(300, self.n_accounts // 60))

    @property
    def origin(self) -> str:
        """What the calibration was fitted on, in words."""
        return (
            f"simulated windows of {self.n_accounts} accounts and {sorted(set(self.window_lengths))} days with "
            f"{len(LOOKALIKES)} look-alike classes: {len(self.reference_seeds)} for reference, "
            f"{len(self.threshold_seeds)} for the threshold, {len(self.training_seeds)} with campaigns for training"
        )


@dataclass(frozen=True, slots=True)
class HonestWindows:
    """Honest groups of several windows, and the accounts that sent anything in them, summed over the windows."""

    honest: HonestGroups
    n_account_windows: int


def honest_window(proposed: Proposed, window_no: int) -> HonestWindows:
    """The groups of one quiet window that take part in a calibration: without an owner, not one customer."""
    groups, signals = labelled_groups(proposed, window_no, ["honest_class"])
    return HonestWindows(HonestGroups(groups, signals), proposed.n_accounts)


def labelled_groups(proposed: Proposed, window_no: int, labels: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """Groups without an owner that are not one customer, with these labels, and their signals, by group id.

    Group ids and `window_no` tell the groups of different windows apart.
    """
    known = proposed.labels
    free = known.filter(pc.less(known["managed_share"], MANAGED_SHARE)).select(["group_id", *labels])
    columns = ["group_id", "token_kind", "proposal", "n_accounts", "n_exchanges", "n_tests"]
    several = proposed.groups.filter(pc.invert(pc.is_in(proposed.groups["group_id"], value_set=proposed.customers)))
    groups = several.select(columns).join(free, "group_id", join_type="inner").sort_by("group_id")
    values = proposed.signals.select(["group_id", "signal", "conservative_value"])
    values = values.filter(pc.is_in(values["group_id"], value_set=groups["group_id"].combine_chunks()))
    groups = groups.append_column("window_no", pa.array([window_no] * groups.num_rows, pa.int64()))
    return _prefixed(groups, window_no), _prefixed(values, window_no)


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


def reductions() -> tuple[Reduction, ...]:
    """What a deployment may lack: prompts, and with them all groups but those of accounts and networks; or times."""
    lacking = {kind: tuple(one.name for one in catalog() if one.evidence == kind) for kind in EvidenceKind}
    return (
        Reduction(lacks=lacking[EvidenceKind.PROMPTS], families=("identity", "network")),
        Reduction(lacks=lacking[EvidenceKind.TIMES], families=("content", "identity", "network", "stratum", "linked")),
    )


def fit_windows(
    reference: HonestWindows,
    threshold: HonestWindows,
    planted: PlantedGroups | None = None,
    *,
    origin: str,
    reductions: tuple[Reduction, ...] = (),
) -> Calibration:
    """The shipped kind of calibration from collected windows."""
    options = FitOptions(
        kind="shipped", origin=origin, n_account_windows=threshold.n_account_windows, reductions=reductions
    )
    return fit(reference.honest, threshold.honest, options, planted)


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
    reference: HonestWindows,
    threshold: HonestWindows,
    planted: PlantedGroups | None = None,
    *,
    alpha: float,
    settings: scoring.Settings,
) -> list[LeftOut]:
    """For each class of the threshold windows: fit without it in any sample, then judge its threshold groups.

    The population shift is taken off with the class in place, as in a deployment that has it.
    """
    names = sorted(pc.unique(threshold.honest.groups["honest_class"]).to_pylist())
    found = []
    for name in names:
        others = [without_class(windows, name) for windows in (reference, threshold)]
        taught = None if planted is None else PlantedGroups(_without(planted.groups, name), planted.signals)
        calibration = fit_windows(others[0], others[1], taught, origin=f"without {name}")
        found.append(_left_out(name, threshold.honest, calibration, alpha=alpha, settings=settings))
    return found


def _left_out(
    name: str, honest: HonestGroups, calibration: Calibration, *, alpha: float, settings: scoring.Settings
) -> LeftOut:
    groups = honest.groups.sort_by("group_id")
    rows = np.asarray(pc.equal(groups["honest_class"], name).to_numpy(), dtype=bool)
    strength = scoring.strength_of(honest.matrix(calibration.signals), calibration, honest.windows).take(rows)
    ids = groups["group_id"].combine_chunks().filter(pa.array(rows))
    tiers = scoring.scored(ids, strength, calibration, alpha=alpha, settings=settings)["tier"]
    is_accused = np.asarray(pc.equal(tiers, Tier.ACCUSE.value).to_numpy(), dtype=bool)
    return LeftOut(
        honest_class=name,
        n_groups=len(is_accused),
        n_accused=int(is_accused.sum()),
        n_reviewed=int(pc.sum(pc.equal(tiers, Tier.REVIEW.value)).as_py() or 0),
        n_people=int(strength.sizes.sum()),
        n_people_accused=int(strength.sizes[is_accused].sum()),
    )


def without_class(windows: HonestWindows, name: str) -> HonestWindows:
    """The windows less the groups of one class."""
    honest = windows.honest
    return HonestWindows(HonestGroups(_without(honest.groups, name), honest.signals), windows.n_account_windows)


def _without(groups: pa.Table, name: str) -> pa.Table:
    return groups.filter(pc.not_equal(groups["honest_class"], name))


def _prefixed(rows: pa.Table, window_no: int) -> pa.Table:
    """`rows` with group ids that are unique over windows."""
    ids = pc.binary_join_element_wise(pa.scalar(str(window_no)), rows["group_id"], "/")
    return rows.set_column(rows.schema.get_field_index("group_id"), "group_id", ids)
