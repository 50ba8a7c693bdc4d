"""The suite `delay`: how much of a campaign was served when it was first seen, and when its accounts were named."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.report import Bar, Body, Table
from stillwatch.evaluate.suite import Bench, Suite
from stillwatch.evaluate.worlds import Scene, build_scene, judge
from stillwatch.model.tier import Tier
from stillwatch.model.window import Window
from stillwatch.simulate import Campaign

HISTORY_DAYS: Final = 45
"""The campaigns begin here, so that the first run has a whole window of honest traffic behind it."""
CAMPAIGN_DAYS: Final = 45
RUN_DAYS: Final = (1, 2, 3, 4, 5, 7, 10, 15, 25, 45)
"""Days after the start at whose end a run looks back; dense where the goals are."""
SIZES: Final = (50, 500)
ALARM_GOAL, MOST_GOAL, NEARLY_ALL_GOAL = 0.01, 0.05, 0.20
MIN_SIZE_WITH_GOALS: Final = 500
"""Goals are for campaigns of so many accounts or more (issue 3, what it must show)."""
MOST, NEARLY_ALL = 0.8, 0.95
NEVER: Final = 1.0
"""Share served at an event that did not happen: the whole campaign went through."""
EVENTS: Final = (
    ("first_review", "first account flagged", None),
    ("first_accusation", "first account accused", ALARM_GOAL),
    ("most_named", "80 % of accounts accused", MOST_GOAL),
    ("nearly_all_named", "95 % of accounts accused", NEARLY_ALL_GOAL),
)
"""Key, what is said of it, and the share served by which it must have happened."""

_READING: Final = (
    f"Runs at the end of the days {', '.join(map(str, RUN_DAYS))} of each campaign; an event between two runs is dated "
    f"at the later one, and {NEVER:g} stands for never. Accounts of a campaign begin over its first days. Shares are "
    "of the campaign's exchanges, cover included."
)


def campaigns() -> tuple[Campaign, ...]:
    """The campaigns of the suite, all beginning after the history."""
    return tuple(Campaign(name=f"base{n}", n_accounts=n, start_day=HISTORY_DAYS) for n in SIZES)


def measure(seed: int, bench: Bench) -> Part:
    """Runs at growing ends of one long world; an account stays named once a run has named it."""
    scene = build_scene(bench.world(campaigns(), n_days=HISTORY_DAYS + CAMPAIGN_DAYS), seed=seed)
    found = []
    for done, day in enumerate(RUN_DAYS):
        bench.progress("runs", done, len(RUN_DAYS))
        judged = judge(scene_at(scene, day), bench.calibration, engine=bench.engine, config=bench.config)
        found.append(judged.findings.select(["account_id", "tier"]))
    bench.progress("runs", len(RUN_DAYS), len(RUN_DAYS))
    values: dict[str, float] = {}
    for campaign in campaigns():
        own = members(scene, campaign.name)
        events = times_of_events(own, found, served_shares(scene, own))
        values |= {f"{campaign.name} {event}": share for event, share in events.items()}
    honest = [honest_accused(scene, rows) for rows in found]
    return Part(seed=seed, values=values, n_windows=len(found), n_honest_accused=sum(honest))


def scene_at(scene: Scene, day: int) -> Scene:
    """What a run at the end of the campaigns' `day`-th day sees: the 45 days before."""
    end = scene.window.start + timedelta(days=HISTORY_DAYS + day)
    start = end - timedelta(days=HISTORY_DAYS)
    tables = {name: _between(getattr(scene, name), start, end) for name in ("token_uses", "account_days")}
    return replace(scene, window=Window(start, end), **tables)


def _between(rows: pa.Table, start: object, end: object) -> pa.Table:
    day = pc.cast(rows["day"], pa.timestamp("us", tz="UTC"))
    return rows.filter(pc.and_(pc.greater_equal(day, pa.scalar(start)), pc.less(day, pa.scalar(end))))


def members(scene: Scene, campaign: str) -> pa.Array:
    """Ids of the accounts of a planted campaign."""
    planted = scene.truth.campaigns
    return planted.filter(pc.equal(planted["campaign"], campaign))["account_id"].combine_chunks()


def served_shares(scene: Scene, accounts: pa.Array) -> list[float]:
    """Share of these accounts' exchanges of the whole world that lies before the end of each run."""
    rows = scene.account_days.filter(pc.is_in(scene.account_days["account_id"], value_set=accounts))
    days = pc.cast(pc.cast(rows["day"], pa.timestamp("s")), pa.int64()).to_numpy() // 86_400
    first = int(scene.window.start.timestamp()) // 86_400 + HISTORY_DAYS
    n = rows["n"].to_numpy()
    return [float(n[days < first + day].sum() / max(n.sum(), 1)) for day in RUN_DAYS]


def times_of_events(accounts: pa.Array, found: Sequence[pa.Table], served: Sequence[float]) -> dict[str, float]:
    """Share served at the first run by whose end each event had happened; `NEVER` for those that did not.

    `found` holds the account findings of each run, `served` the share served at each.
    """
    accused = np.zeros(len(accounts), dtype=bool)
    times: dict[str, float] = {}
    for rows, share in zip(found, served, strict=True):
        accused |= _named(accounts, rows.filter(pc.equal(rows["tier"], Tier.ACCUSE.value)))
        happened = {
            "first_review": _named(accounts, rows).any(),
            "first_accusation": accused.any(),
            "most_named": accused.mean() >= MOST,
            "nearly_all_named": accused.mean() >= NEARLY_ALL,
        }
        times = {event: share for event, yes in happened.items() if yes} | times
    return {event: times.get(event, NEVER) for event, _, _ in EVENTS}


def _named(accounts: pa.Array, rows: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(pc.is_in(accounts, value_set=rows["account_id"].combine_chunks()))


def honest_accused(scene: Scene, findings: pa.Table) -> int:
    """How many accused accounts belong to no campaign."""
    planted = scene.truth.campaigns["account_id"].combine_chunks()
    accused = findings.filter(pc.equal(findings["tier"], Tier.ACCUSE.value))["account_id"]
    return int(pc.sum(pc.invert(pc.is_in(accused, value_set=planted))).as_py() or 0)


def report(parts: Sequence[Part], bench: Bench) -> Body:  # noqa: ARG001 - shape of a suite
    """Shares served at each event, against the goals."""
    rows, failures, bars = [], [], []
    for campaign in campaigns():
        for event, said, limit in EVENTS:
            shares = [part.values[f"{campaign.name} {event}"] for part in parts]
            middle, worst = float(np.median(shares)), max(shares)
            goal = limit if campaign.n_accounts >= MIN_SIZE_WITH_GOALS else None
            rows.append((campaign.name, said, middle, worst, "report" if goal is None else f"{goal:g}"))
            bars.append(
                Bar(
                    name=f"{campaign.name}: {said}", value=middle, low=min(shares), high=worst, goal=goal,
                    is_ceiling=True,
                )
            )  # fmt: skip
            if goal is not None and middle > goal:
                failures.append(f"{campaign.name}: {said} after {middle:.3f} of the campaign, later than {goal:g}")
    n_accused, n_runs = sum(part.n_honest_accused for part in parts), sum(part.n_windows for part in parts)
    columns = ("campaign", "event", "served, median of seeds", "worst seed", "goal")
    return Body(
        tables=(Table("Share of the campaign served at each event", columns, tuple(rows)),),
        failures=tuple(failures),
        notes=(
            _READING,
            f"Honest people accused: {n_accused} over {n_runs} runs, which overlap.",
        ),
        bars=tuple(bars),
    )


SUITE: Final = Suite(
    name="delay",
    question="How much of a campaign is served before it is seen, and before its accounts are named?",
    measure=measure,
    report=report,
)
