"""The suite `successors`: are accounts that replace banned ones linked to their campaign at once?"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.evaluate.delay import HISTORY_DAYS, members, scene_at
from stillwatch.evaluate.outcomes import Fate, Part, fate_of
from stillwatch.evaluate.recall import bootstrap_interval, fates_of
from stillwatch.evaluate.report import Bar, Body, Table
from stillwatch.evaluate.suite import Bench, Suite
from stillwatch.evaluate.worlds import Scene, build_scene, judge
from stillwatch.simulate import Campaign

GENERATIONS: Final = 3
CAMPAIGN_DAYS: Final = 36
RUN_DAYS: Final = (11, 13, 22, 24, 26)
"""Days after the campaign's start at whose end a run looks back. Bans come around the 12th and the 24th; accounts of
the first generation began in the first days, so that those who begin on these days replace others."""
COUNTS: Final = ("n_accounts", "n_accused", "n_flagged")
WANTED: Final = 0.8
"""Share of replacements that must be linked within 24 hours (issue 3, what it must show)."""
READING: Final = (
    "Linked is accused or sent to review. Runs are at midnight, so a replacement had up to 24 hours; it begins a few "
    "hours after the ban, and may have sent a single exchange."
)
CAMPAIGNS: Final = (
    Campaign(name="churn", n_accounts=300, generations=GENERATIONS, start_day=HISTORY_DAYS),
    Campaign(name="churn, diluted", n_accounts=300, generations=GENERATIONS, start_day=HISTORY_DAYS, dilution=0.9),
)


def measure(seed: int, bench: Bench) -> Part:
    """Runs at the ends of several days; each looks at the accounts that began on that day."""
    scene = build_scene(bench.world(CAMPAIGNS, n_days=HISTORY_DAYS + CAMPAIGN_DAYS), seed=seed)
    found: dict[str, list[Fate]] = {campaign.name: [] for campaign in CAMPAIGNS}
    for done, day in enumerate(RUN_DAYS):
        bench.progress("runs", done, len(RUN_DAYS))
        judged = judge(scene_at(scene, day), bench.calibration, engine=bench.engine, config=bench.config)
        for campaign in CAMPAIGNS:
            fresh = began_on(scene, members(scene, campaign.name), day)
            found[campaign.name].append(fate_of(campaign.name, fresh, judged.findings))
    bench.progress("runs", len(RUN_DAYS), len(RUN_DAYS))
    return Part(seed=seed, fates=tuple(_sum(name, fates) for name, fates in found.items()), n_windows=len(RUN_DAYS))


def began_on(scene: Scene, accounts: pa.Array, day: int) -> pa.Array:
    """Those of the accounts that sent their first exchange on the last day that a run at the end of `day` sees."""
    days = scene.account_days.filter(pc.is_in(scene.account_days["account_id"], value_set=accounts))
    first = days.group_by("account_id").aggregate([("day", "min")])
    wanted = scene.window.start.date() + timedelta(days=HISTORY_DAYS + day - 1)
    chosen = first.filter(pc.equal(first["day_min"], pa.scalar(wanted, pa.date32())))
    return chosen["account_id"].combine_chunks()


def _sum(name: str, fates: Sequence[Fate]) -> Fate:
    n, n_accused, n_flagged = (sum(getattr(fate, field) for fate in fates) for field in COUNTS)
    return Fate(case=name, n_accounts=n, n_accused=n_accused, n_flagged=n_flagged)


def report(parts: Sequence[Part], bench: Bench) -> Body:  # noqa: ARG001 - shape of a suite
    """Share of the replacements that the first run after their first exchange links to their campaign."""
    rows, failures, bars = [], [], []
    for campaign in CAMPAIGNS:
        fates = fates_of(parts, campaign.name)
        linked = float(np.mean([fate.flagged for fate in fates]))
        low, high = bootstrap_interval([fate.flagged for fate in fates])
        accused = float(np.mean([fate.recall for fate in fates]))
        n = sum(fate.n_accounts for fate in fates)
        rows.append((campaign.name, n, linked, f"{low:.3f} to {high:.3f}", accused, str(WANTED)))
        bars.append(Bar(name=campaign.name, value=linked, low=low, high=high, goal=WANTED))
        if linked < WANTED:
            failures.append(f"{campaign.name}: {linked:.3f} of the replacements linked, fewer than {WANTED}")
    columns = ("campaign", "replacements", "linked, mean of seeds", "95 % interval", "accused", "goal")
    return Body(
        tables=(Table("Replacement accounts at the first run after their first exchange", columns, tuple(rows)),),
        failures=tuple(failures),
        notes=(READING,),
        bars=tuple(bars),
    )


SUITE: Final = Suite(
    name="successors",
    question="Are accounts that replace banned ones linked to their campaign within a day?",
    measure=measure,
    report=report,
)
