"""The suite `quick`: recall of planted campaigns and false accusations in people, on worlds not calibrated on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import scoring
from stillwatch.config import Config
from stillwatch.engines import Engine, open_engine
from stillwatch.evaluate.calibrate import MANAGED_SHARE
from stillwatch.evaluate.labels import MAJORITY, ORDINARY
from stillwatch.evaluate.worlds import Judged, build_scene, judge
from stillwatch.model.tier import Tier
from stillwatch.pipeline import Progress, silent
from stillwatch.scoring.verdict import false_people_bound
from stillwatch.simulate import Campaign, HonestMix, World
from stillwatch.simulate.lookalikes import LOOKALIKES
from stillwatch.stats.intervals import clopper_pearson

SEEDS: Final = (9001, 9002, 9003, 9004, 9005)
"""Disjoint from the seeds of the shipped calibration (`evaluate.ship`)."""
N_ACCOUNTS: Final = 20_000
MANAGER_QUEUE: Final = "account_manager"
MAX_CLASS_SHARE: Final = 0.02
"""A class of look-alikes may have this share of its groups accused (issue 2, what it must show)."""
WHOLE_TOKEN_SHARE: Final = 0.5
"""A popular token is accused as a whole when so many of its adopters are."""


@dataclass(frozen=True, slots=True)
class Case:
    """One planted campaign and the recall that it must reach in the mean over seeds."""

    campaign: Campaign
    wanted: float


CASES: Final = (
    Case(Campaign(name="base50", n_accounts=50), 0.99),
    Case(Campaign(name="base500", n_accounts=500), 0.99),
    Case(Campaign(name="diluted50", n_accounts=50, dilution=0.9), 0.95),
    Case(Campaign(name="diluted500", n_accounts=500, dilution=0.9), 0.95),
)


class CampaignRow(msgspec.Struct, frozen=True):
    """Members of one planted campaign in one world: how many there are, were accused, and were flagged at all."""

    seed: int
    campaign: str
    n_accounts: int
    n_accused: int
    n_flagged: int

    @property
    def recall(self) -> float:
        """Share of the members that were accused."""
        return self.n_accused / max(self.n_accounts, 1)


class ClassRow(msgspec.Struct, frozen=True):
    """Honest groups and people of one class in one world.

    `n_groups` were judged and are not under owners or contracts; `n_managed` people went to an account manager.
    """

    seed: int
    honest_class: str
    n_groups: int
    n_groups_accused: int
    n_groups_reviewed: int
    n_people: int
    n_people_accused: int
    n_people_reviewed: int
    n_managed: int


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What the suite measured."""

    alpha: float
    calibration_id: str
    seeds: tuple[int, ...]
    campaigns: tuple[CampaignRow, ...]
    classes: tuple[ClassRow, ...]
    popular_tokens: int
    popular_tokens_accused: int
    size_q95: float


def quick(*, seeds: Sequence[int], config: Config, progress: Progress = silent) -> Measured:
    """The suite over these seeds, one world each, judged by the shipped calibration."""
    calibration = scoring.shipped()
    campaigns: list[CampaignRow] = []
    classes: list[ClassRow] = []
    n_popular = n_popular_accused = 0
    engine = open_engine("duckdb", config.engines)
    try:
        for done, seed in enumerate(seeds):
            progress("worlds", done, len(seeds))
            judged = _judged(seed, calibration, engine=engine, config=config)
            campaigns += [campaign_row(judged, case.campaign.name, seed) for case in CASES]
            classes += class_rows(judged, seed)
            accused = popular_tokens_accused(judged)
            n_popular, n_popular_accused = n_popular + len(accused), n_popular_accused + int(accused.sum())
    finally:
        engine.close()
    progress("worlds", len(seeds), len(seeds))
    return Measured(
        alpha=config.detect.alpha,
        calibration_id=calibration.calibration_id,
        seeds=tuple(seeds),
        campaigns=tuple(campaigns),
        classes=tuple(classes),
        popular_tokens=n_popular,
        popular_tokens_accused=n_popular_accused,
        size_q95=calibration.size_q95,
    )


def _judged(seed: int, calibration: scoring.Calibration, *, engine: Engine, config: Config) -> Judged:
    honest = HonestMix(n_accounts=N_ACCOUNTS, n_frameworks=max(12, min(300, N_ACCOUNTS // 60)), lookalikes=LOOKALIKES)
    world = World(honest=honest, campaigns=tuple(case.campaign for case in CASES))
    return judge(build_scene(world, seed=seed), calibration, engine=engine, config=config)


def campaign_row(judged: Judged, name: str, seed: int) -> CampaignRow:
    """How the members of the campaign `name` fared."""
    planted = judged.truth.campaigns
    own = planted.filter(pc.equal(planted["campaign"], name))["account_id"].combine_chunks()
    found = judged.findings.filter(pc.is_in(judged.findings["account_id"], value_set=own))
    tiers = found["tier"].to_pylist()
    return CampaignRow(
        seed=seed,
        campaign=name,
        n_accounts=len(own),
        n_accused=tiers.count(Tier.ACCUSE.value),
        n_flagged=tiers.count(Tier.ACCUSE.value) + tiers.count(Tier.REVIEW.value),
    )


def class_rows(judged: Judged, seed: int) -> list[ClassRow]:
    """How each honest class fared, in groups and in people."""
    groups = judged.scores.select(["group_id", "tier"]).join(judged.labels, "group_id", join_type="inner")
    is_honest = pc.and_(pc.less(groups["campaign_share"], MAJORITY), pc.less(groups["managed_share"], MANAGED_SHARE))
    groups = groups.filter(is_honest)
    people = _honest_people(judged)
    names = sorted({*groups["honest_class"].to_pylist(), *people["honest_class"].to_pylist()})
    return [_class_row(name, seed, groups, people) for name in names]


def _honest_people(judged: Judged) -> pa.Table:
    """account_id, honest_class, tier, queue of every honest account; an account of two classes has two rows."""
    known = judged.truth.memberships
    planted = judged.truth.campaigns["account_id"].combine_chunks()
    honest = known.filter(pc.invert(pc.is_in(known["account_id"], value_set=planted)))
    return honest.join(judged.findings.select(["account_id", "tier", "queue"]), "account_id")


def _class_row(name: str, seed: int, groups: pa.Table, people: pa.Table) -> ClassRow:
    group_tiers = groups.filter(pc.equal(groups["honest_class"], name))["tier"].to_pylist()
    own = people.filter(pc.equal(people["honest_class"], name))
    fates = list(zip(own["tier"].to_pylist(), own["queue"].to_pylist(), strict=True))
    return ClassRow(
        seed=seed,
        honest_class=name,
        n_groups=len(group_tiers),
        n_groups_accused=group_tiers.count(Tier.ACCUSE.value),
        n_groups_reviewed=group_tiers.count(Tier.REVIEW.value),
        n_people=len(fates),
        n_people_accused=sum(tier == Tier.ACCUSE.value for tier, _ in fates),
        n_people_reviewed=sum(tier == Tier.REVIEW.value and queue != MANAGER_QUEUE for tier, queue in fates),
        n_managed=sum(queue == MANAGER_QUEUE for _, queue in fates),
    )


def popular_tokens_accused(judged: Judged) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """For each whole popular token: whether half of its adopters or more were accused."""
    popular = judged.groups.filter(judged.groups["is_whole_popular"])["group_id"].combine_chunks()
    members = judged.members.filter(pc.is_in(judged.members["group_id"], value_set=popular))
    accused = judged.findings.filter(pc.equal(judged.findings["tier"], Tier.ACCUSE.value))["account_id"]
    hit = pc.cast(pc.is_in(members["account_id"], value_set=accused.combine_chunks()), pa.float64())
    shares = members.append_column("hit", hit).group_by("group_id").aggregate([("hit", "mean")])
    return np.asarray(shares["hit_mean"].to_numpy() >= WHOLE_TOKEN_SHARE)


def passes(measured: Measured) -> bool:
    """Whether every demand of the suite is met."""
    return not failures(measured)


def failures(measured: Measured) -> list[str]:
    """The demands that are not met, as sentences."""
    found = []
    for case in CASES:
        recall = _mean_recall(measured, case.campaign.name)
        if recall < case.wanted:
            found.append(f"{case.campaign.name}: mean recall {recall:.3f} is below {case.wanted}")
    for name, rows in _by_class(measured).items():
        n, hit = sum(row.n_groups for row in rows), sum(row.n_groups_accused for row in rows)
        if name != ORDINARY and hit > MAX_CLASS_SHARE * n:
            found.append(f"{name}: {hit} of {n} groups accused, above {MAX_CLASS_SHARE:.0%}")
    if measured.popular_tokens_accused:
        found.append(f"{measured.popular_tokens_accused} popular tokens were accused as a whole")
    return found


def to_json(measured: Measured) -> str:
    """All rows and the failed demands as JSON."""
    body = {"measured": msgspec.to_builtins(measured), "failures": failures(measured)}
    return msgspec.json.format(msgspec.json.encode(body)).decode()


def render(measured: Measured) -> str:
    """The suite as Markdown tables: campaigns, honest classes in groups and people, and what fails."""
    n_seeds = len(measured.seeds)
    title = (
        f"Suite quick: alpha {measured.alpha:g}, seeds {', '.join(map(str, measured.seeds))}, {N_ACCOUNTS} honest "
        f"accounts and 45 days each, calibration {measured.calibration_id[:12]}."
    )
    lines = [
        title,
        "",
        "| campaign | accounts | accused, mean of seeds | worst seed | flagged at all | wanted |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(_campaign_line(measured, case) for case in CASES),
        "",
        "| honest class | groups | accused | 95 % interval | reviewed | people | accused | reviewed | managed |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
        *(_class_line(name, rows) for name, rows in _by_class(measured).items()),
        "",
        _totals(measured, n_seeds),
        "",
        *(f"FAILS: {sentence}" for sentence in failures(measured)),
    ]
    return "\n".join(lines) if failures(measured) else "\n".join([*lines, "All demands of the suite are met."])


def _campaign_line(measured: Measured, case: Case) -> str:
    rows = [row for row in measured.campaigns if row.campaign == case.campaign.name]
    flagged = sum(row.n_flagged for row in rows) / max(sum(row.n_accounts for row in rows), 1)
    mean, worst = _mean_recall(measured, case.campaign.name), min((row.recall for row in rows), default=0.0)
    name = case.campaign.name
    return f"| {name} | {case.campaign.n_accounts} | {mean:.3f} | {worst:.3f} | {flagged:.3f} | {case.wanted} |"


def _class_line(name: str, rows: Sequence[ClassRow]) -> str:
    n, hit = sum(row.n_groups for row in rows), sum(row.n_groups_accused for row in rows)
    low, high = clopper_pearson(hit, n)
    reviewed, people = sum(row.n_groups_reviewed for row in rows), sum(row.n_people for row in rows)
    fates = [
        sum(getattr(row, field) for row in rows) for field in ("n_people_accused", "n_people_reviewed", "n_managed")
    ]
    cells = [name, n, hit, f"{low:.4f} to {high:.4f}", reviewed, people, *fates]
    return f"| {' | '.join(map(str, cells))} |"


def _totals(measured: Measured, n_windows: int) -> str:
    """False accusations over all classes, and the bound on them for one window."""
    n_groups = sum(row.n_groups_accused for row in measured.classes)
    n_people = sum(row.n_people_accused for row in measured.classes)
    bound = false_people_bound(n_groups, n_windows, measured.size_q95)
    return (
        f"Honest people accused: {n_people} in {n_windows} windows ({n_groups} groups); at most {bound:.0f} a window "
        f"with 95 % confidence (Poisson bound on groups x {measured.size_q95:.0f} accounts). Popular tokens accused "
        f"as a whole: {measured.popular_tokens_accused} of {measured.popular_tokens}."
    )


def _mean_recall(measured: Measured, name: str) -> float:
    return float(np.mean([row.recall for row in measured.campaigns if row.campaign == name] or [0.0]))


def _by_class(measured: Measured) -> dict[str, list[ClassRow]]:
    names = sorted({row.honest_class for row in measured.classes})
    return {name: [row for row in measured.classes if row.honest_class == name] for name in names}
