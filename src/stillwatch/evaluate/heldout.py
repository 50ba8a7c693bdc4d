"""How well a calibration finds planted campaigns in windows that it was not fitted to, group by group."""

from collections.abc import Mapping

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch import scoring
from stillwatch.evaluate.calibrate import HonestWindows, fit_windows
from stillwatch.evaluate.labels import MAJORITY
from stillwatch.evaluate.training import EVASIONS
from stillwatch.model.tier import Tier
from stillwatch.scoring import Calibration, HonestGroups, PlantedGroups


class CampaignFound(msgspec.Struct, frozen=True, kw_only=True):
    """One planted campaign of one window: its groups, those accused, and its accounts in the largest accused one."""

    window_no: int
    campaign: str
    n_accounts: int
    n_groups: int
    n_groups_accused: int
    n_accounts_accused: int

    @property
    def recall(self) -> float:
        """Share of the accounts in the largest accused group: findings unite groups, so that this is a lower bound."""
        return self.n_accounts_accused / self.n_accounts

    @property
    def kind(self) -> str:
        """The evasions of a random campaign, or the name of a benchmark campaign."""
        return self.campaign.rpartition(":")[2]


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """What a calibration does in windows with planted campaigns; honest groups have no member of a campaign."""

    campaigns: tuple[CampaignFound, ...]
    n_windows: int
    n_honest_groups: int
    n_honest_accused: int
    n_honest_people_accused: int

    def recall(self, kind: str | None = None) -> float:
        """Mean recall of the campaigns that have this evasion or name, of all when None; NaN without any."""
        known = [one.recall for one in self.campaigns if kind is None or kind in one.kind.split("+")]
        return float(np.mean(known)) if known else float("nan")

    def kinds(self) -> list[str]:
        """Evasions and names of campaigns, each once: benchmark campaigns, then evasions."""
        found = {kind for one in self.campaigns for kind in one.kind.split("+")}
        return sorted(found - EVASIONS.keys()) + [kind for kind in EVASIONS if kind in found]


def judge_planted(
    planted: PlantedGroups, calibration: Calibration, *, alpha: float, settings: scoring.Settings
) -> HeldOut:
    """The verdicts of `calibration` on the groups of `planted`, counted.

    A campaign of which no group has a majority is not proposed at all and not counted: grouping misses it, not scoring.
    """
    matrix = planted.matrix(calibration.signals)
    strength = scoring.strength_of(matrix, calibration, planted.windows)
    scored = scoring.scored(matrix.group_ids, strength, calibration, alpha=alpha, settings=settings)
    is_accused = np.asarray(pc.equal(scored["tier"], Tier.ACCUSE.value).to_numpy(), dtype=bool)
    groups = planted.groups.sort_by("group_id")
    share = groups["campaign_share"].to_numpy()
    is_honest = share == 0.0
    return HeldOut(
        campaigns=_campaigns(groups, is_accused, share),
        n_windows=len(np.unique(planted.windows)),
        n_honest_groups=int(is_honest.sum()),
        n_honest_accused=int((is_honest & is_accused).sum()),
        n_honest_people_accused=int(matrix.sizes[is_honest & is_accused].sum()),
    )


def _campaigns(
    groups: pa.Table, is_accused: NDArray[np.bool_], share: NDArray[np.float64]
) -> tuple[CampaignFound, ...]:
    """The campaigns of the groups, by window and name; `groups`, `is_accused` and `share` are in one order."""
    inside = share * groups["n_accounts"].to_numpy()
    rows = groups.select(["window_no", "campaign", "campaign_accounts"])
    rows = rows.append_column("accused", pa.array(is_accused.astype(np.int64)))
    rows = rows.append_column("inside", pa.array(np.where(is_accused, inside, 0.0)))
    rows = rows.filter(pa.array(share > MAJORITY)).drop_null()
    counted = rows.group_by(["window_no", "campaign", "campaign_accounts"]).aggregate(
        [([], "count_all"), ("accused", "sum"), ("inside", "max")]
    )
    return tuple(
        CampaignFound(
            window_no=row["window_no"],
            campaign=row["campaign"],
            n_accounts=row["campaign_accounts"],
            n_groups=row["count_all"],
            n_groups_accused=row["accused_sum"],
            n_accounts_accused=round(row["inside_max"]),
        )
        for row in counted.sort_by([("window_no", "ascending"), ("campaign", "ascending")]).to_pylist()
    )


def without_each_signal(
    reference: HonestWindows,
    threshold: HonestWindows,
    training: PlantedGroups,
    heldout: PlantedGroups,
    *,
    alpha: float,
    settings: scoring.Settings,
) -> Mapping[str, HeldOut]:
    """What is left of the recall when one signal is taken away everywhere and the calibration is fitted again."""
    found = {}
    for name in reference.honest.signal_names():
        less = [
            HonestWindows(HonestGroups(w.honest.groups, _less(w.honest.signals, name)), w.n_account_windows)
            for w in (reference, threshold)
        ]
        taught, asked = (PlantedGroups(sample.groups, _less(sample.signals, name)) for sample in (training, heldout))
        calibration = fit_windows(less[0], less[1], taught, origin=f"without {name}")
        found[name] = judge_planted(asked, calibration, alpha=alpha, settings=settings)
    return found


def _less(signals: pa.Table, name: str) -> pa.Table:
    return signals.filter(pc.not_equal(signals["signal"], name))


def comparison_table(found: Mapping[str, HeldOut]) -> list[str]:
    """Lines of a Markdown table: mean recall by benchmark campaign and evasion, one column for each calibration."""
    columns = list(found.values())
    campaigns = columns[0].campaigns
    counts = {kind: sum(kind in one.kind.split("+") for one in campaigns) for kind in columns[0].kinds()}
    rows: list[list[object]] = [
        ["campaign or evasion", "campaigns", *found],
        ["---", *["---:"] * (1 + len(columns))],
        *([kind, n, *(f"{one.recall(kind):.2f}" for one in columns)] for kind, n in counts.items()),
        ["all campaigns", len(campaigns), *(f"{one.recall():.2f}" for one in columns)],
        ["honest groups accused", f"of {columns[0].n_honest_groups}", *(one.n_honest_accused for one in columns)],
        ["people in them", "", *(one.n_honest_people_accused for one in columns)],
    ]
    return [f"| {' | '.join(map(str, row))} |" for row in rows]
