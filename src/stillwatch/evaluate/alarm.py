"""The suite `alarm`: how often a detection that runs every day accuses nobody's campaign, and what certainty costs.

Two alarms watch the same quiet days. The *daily run* is the product: every day a run looks back 45 days, remembers what
earlier runs found, and alarms when a campaign is first accused. Runs overlap, so nothing but a count says how often
that happens. The *e-detector* looks at each day once: the best score of a group that could be accused, from that day's
exchanges alone, ranked among quiet days of other worlds (see `stats.e_process`). Null hypothesis: given the days
before, a day of this provider is exchangeable with those. That leaves out what persists in one provider, whose days are
then not fresh draws; how much this matters is what the quiet days measure.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import scoring
from stillwatch.evaluate.blocks import MARK_DIGITS, best_scores, side_by_side
from stillwatch.evaluate.delay import CAMPAIGN_DAYS, HISTORY_DAYS, NEVER, members, scene_at
from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.report import Bar, Body, Table
from stillwatch.evaluate.suite import Bench, Suite
from stillwatch.evaluate.worlds import Scene, build_scene
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_EVENTS,
    ACCOUNT_FINDINGS,
    ACCOUNTS,
    CALIBRATIONS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    JUDGEMENTS,
    TOKEN_USES,
)
from stillwatch.model.tier import Tier
from stillwatch.pipeline import run_stages
from stillwatch.simulate import Campaign
from stillwatch.stats.conformal import FloatArray, conformal_p
from stillwatch.stats.e_process import alarms, e_values
from stillwatch.stats.intervals import poisson_upper

N_ACCOUNTS: Final = 4_000
"""Honest accounts: a run costs seconds even for few, and a thousand are needed."""
N_WORLDS: Final = 13
"""Quiet worlds of a seed, put into one run (see `blocks`)."""
N_PLANTED: Final = 5
"""Worlds of a seed with a campaign, for the delay."""
SEEDS_APART: Final = 1_000
"""World n of seed s is drawn with seed 1000 s + n."""
YEAR: Final = 365
"""Quiet provider-days for each of which at most one false campaign is allowed (issue 3, step 4)."""
MIN_QUIET_DAYS: Final = 3 * YEAR
CAMPAIGN: Final = Campaign(name="base500", n_accounts=500, start_day=HISTORY_DAYS)
N_DAYS: Final = HISTORY_DAYS + CAMPAIGN_DAYS


class Watch:
    """Detection run day after day, with the memory of its earlier runs; `scene` is the whole world."""

    def __init__(self, scene: Scene, bench: Bench) -> None:
        self._scene, self._bench = scene, bench
        row = scoring.calibration_row(bench.calibration, created_at=scene.window.start)
        self._calibration = pa.Table.from_pylist([row | {"kind": "fitted"}], schema=CALIBRATIONS.schema)
        self._memory = {table: table.empty() for table in (CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS)}

    def run(self, day: int) -> tuple[pa.Table, pa.Table]:
        """CAMPAIGNS and ACCOUNT_FINDINGS of the run at the end of the `day`-th day after the history."""
        cut, engine = scene_at(self._scene, day), self._bench.engine
        inputs = {
            TOKEN_USES: cut.token_uses,
            ACCOUNT_DAYS: cut.account_days,
            ACCOUNTS: cut.accounts,
            ACCOUNT_EVENTS: cut.account_events,
            CALIBRATIONS: self._calibration,
            JUDGEMENTS: JUDGEMENTS.empty(),
            **self._memory,
        }
        with engine.scope():
            tables = run_stages(
                {table.name: engine.from_arrow(table, rows) for table, rows in inputs.items()},
                cut.run(self._bench.config.detect.alpha), engine=engine, config=self._bench.config,
            )  # fmt: skip
            made = {table: engine.to_arrow(tables[table.name]) for table in (CAMPAIGNS, *self._memory)}
        self._memory = {
            table: pa.concat_tables([rows, made[table].cast(table.schema)]) for table, rows in self._memory.items()
        }
        return made[CAMPAIGNS], made[ACCOUNT_FINDINGS]


def measure(seed: int, bench: Bench) -> Part:
    """Quiet worlds, run every day; and worlds with a campaign each, run until all are accused."""
    seeds = [SEEDS_APART * seed + number for number in range(N_WORLDS)]
    quiet = [build_scene(bench.world((), n_days=N_DAYS), seed=world) for world in seeds]
    planted = [build_scene(bench.world((CAMPAIGN,), n_days=N_DAYS), seed=world) for world in seeds[:N_PLANTED]]
    values = quiet_days(quiet, bench) | days_to_accusation(planted, bench)
    for name, scenes in (("quiet", quiet), ("planted", planted)):
        for number, scene in enumerate(scenes):
            bench.progress(f"{name} blocks", number, len(scenes))
            values |= day_scores(f"{name} {number}", scene, bench)
    return Part(seed=seed, values=values, n_windows=N_WORLDS * CAMPAIGN_DAYS)


def quiet_days(scenes: Sequence[Scene], bench: Bench) -> dict[str, float]:
    """How many campaigns daily runs on quiet worlds found over all their days, each counted once, by tier."""
    watch = Watch(side_by_side(scenes), bench)
    found: dict[Tier, set[str]] = {Tier.REVIEW: set(), Tier.ACCUSE: set()}
    for day in range(1, CAMPAIGN_DAYS + 1):
        bench.progress("quiet days", day - 1, CAMPAIGN_DAYS)
        campaigns, _ = watch.run(day)
        for tier, seen in found.items():
            seen.update(campaigns.filter(pc.equal(campaigns["tier"], tier.value))["campaign_id"].to_pylist())
    return {f"campaigns {tier.value}": len(ids) for tier, ids in found.items()}


def days_to_accusation(scenes: Sequence[Scene], bench: Bench) -> dict[str, float]:
    """Share of each world's campaign served at the first daily run that reviewed, and that accused, a member.

    Keys `NUMBER review`, `NUMBER accuse`, and `NUMBER served DAY` for the share served by the end of each day.
    """
    together = side_by_side(scenes)
    watch, waiting = Watch(together, bench), set(range(len(scenes)))
    served = [served_by_day(scene, members(scene, CAMPAIGN.name)) for scene in scenes]
    values = {
        f"{number} served {day}": share
        for number, shares in enumerate(served)
        for day, share in enumerate(shares, start=1)
    }
    planted = members(together, CAMPAIGN.name)
    for day in range(1, CAMPAIGN_DAYS + 1):
        bench.progress("planted days", day - 1, CAMPAIGN_DAYS)
        _, findings = watch.run(day)
        named = findings.filter(pc.is_in(findings["account_id"], value_set=planted))
        for number, tier in set(zip(_numbers(named), named["tier"].to_pylist(), strict=True)):
            values.setdefault(f"{number} {tier}", served[number][day - 1])
            waiting -= {number} if tier == Tier.ACCUSE.value else set()
        if not waiting:
            break
    return values


def _numbers(rows: pa.Table) -> list[int]:
    """The number of the scene that each account is of."""
    return [int(name[:MARK_DIGITS]) for name in rows["account_id"].to_pylist()]


def served_by_day(scene: Scene, accounts: pa.Array) -> list[float]:
    """Share of these accounts' exchanges that lies before the end of each day from the campaign's start on."""
    rows = scene.account_days.filter(pc.is_in(scene.account_days["account_id"], value_set=accounts))
    ends = [scene.window.start.date() + timedelta(days=HISTORY_DAYS + day) for day in range(1, CAMPAIGN_DAYS + 1)]
    total = max(pc.sum(rows["n"]).as_py() or 0, 1)
    return [(pc.sum(rows.filter(pc.less(rows["day"], end))["n"]).as_py() or 0) / total for end in ends]


def day_scores(name: str, scene: Scene, bench: Bench) -> dict[str, float]:
    """Best score of each day from the first day after the history on; the lowest float stands for "no group"."""
    days = range(HISTORY_DAYS, N_DAYS)
    best = best_scores(scene, days, bench.calibration, engine=bench.engine, config=bench.config)
    finite = np.maximum(best, np.finfo(np.float64).min).tolist()
    return {f"{name} day {day - HISTORY_DAYS + 1}": value for day, value in zip(days, finite, strict=True)}


def detector_alarms(parts: Sequence[Part], name: str) -> list[tuple[FloatArray, list[int]]]:
    """E-values of each world's days, and the days (from 1) of the detector's alarms, in the order of parts and worlds.

    Days are ranked among the quiet days of all other worlds; those of the quiet world with the same seed are left out.
    """
    quiet = _worlds(parts, "quiet")
    found = []
    for world, scores in _worlds(parts, name).items():
        reference = np.concatenate([np.zeros(0), *(days for other, days in quiet.items() if other != world)])
        evidence = e_values(conformal_p(scores, reference))
        found.append((evidence, (alarms(evidence, mean_blocks=YEAR) + 1).tolist()))
    return found


def _worlds(parts: Sequence[Part], name: str) -> dict[tuple[int, int], FloatArray]:
    """The kept scores of each world's days, in order, by seed and number."""
    return {
        (part.seed, number): np.array(
            [part.values[f"{name} {number} day {day}"] for day in range(1, CAMPAIGN_DAYS + 1)]
        )
        for part in parts
        for number in range(N_WORLDS)
        if f"{name} {number} day 1" in part.values
    }


def report(parts: Sequence[Part], bench: Bench) -> Body:  # noqa: ARG001 - shape of a suite
    """False campaigns a year of both alarms, and what each costs in delay."""
    n_days = sum(part.n_windows for part in parts)
    counts = {
        "daily run: campaigns accused": sum(int(part.values["campaigns accuse"]) for part in parts),
        "daily run: campaigns sent to review": sum(int(part.values["campaigns review"]) for part in parts),
        "e-detector: alarms": sum(len(days) for _, days in detector_alarms(parts, "quiet")),
    }
    rates = [(name, n, n * YEAR / n_days, poisson_upper(n) * YEAR / n_days) for name, n in counts.items()]
    accused = rates[0]
    failures = []
    if n_days < MIN_QUIET_DAYS:
        failures.append(f"{n_days} quiet provider-days are fewer than {MIN_QUIET_DAYS}")
    if accused[2] > 1:
        failures.append(f"the daily run accuses {accused[2]:.2f} false campaigns in {YEAR} quiet days, more than 1")
    bar = Bar(
        name=f"false campaigns accused in {YEAR} days", value=accused[2], low=0.0, high=accused[3], goal=1.0,
        is_ceiling=True,
    )  # fmt: skip
    columns = ("alarm", "seen", f"in {YEAR} days", "95 % upper bound")
    rate_table = Table(f"Quiet worlds: {n_days} provider-days", columns, tuple(rates))
    return Body(
        tables=(rate_table, delay_table(parts)), failures=tuple(failures), notes=notes(parts), bars=(bar,)
    )  # fmt: skip


def delay_table(parts: Sequence[Part]) -> Table:
    """Share of the campaign served at each alarm, over the worlds that have one."""
    worlds = [(part, number) for part in parts for number in range(N_WORLDS) if f"{number} served 1" in part.values]
    shares = {
        f"daily run: first account {said}": [
            part.values.get(f"{number} {tier.value}", NEVER) for part, number in worlds
        ]
        for tier, said in ((Tier.REVIEW, "flagged"), (Tier.ACCUSE, "accused"))
    }
    shares["e-detector"] = [
        part.values[f"{number} served {days[0]}"] if days else NEVER
        for (part, number), (_, days) in zip(worlds, detector_alarms(parts, "planted"), strict=True)
    ]
    return Table(
        f"{CAMPAIGN.name}: share served at the first alarm, {len(worlds)} worlds",
        ("alarm", "median of worlds", "worst world"),
        tuple((name, float(np.median(served)), max(served)) for name, served in shares.items()),
    )


def notes(parts: Sequence[Part]) -> tuple[str, ...]:
    """How to read the tables."""
    quiet = np.concatenate([evidence for evidence, _ in detector_alarms(parts, "quiet")])
    counted = (
        "A campaign that several runs accuse is one. The bound takes false campaigns as a Poisson count; runs of one "
        f"world overlap and share their people, so that {N_WORLDS * len(parts)} worlds say less than as many days."
    )
    detector = (
        f"E-values of quiet days have a mean of {quiet.mean():.2f} (at most 1 where days are exchangeable). The "
        f"detector alarms at {YEAR}: where they are, so many quiet days or more lie between two alarms on average."
    )
    return counted, detector


SUITE: Final = Suite(
    name="alarm",
    question="How often does a detection that runs every day accuse a campaign that is none, and how soon a real one?",
    measure=measure,
    report=report,
    seeds=(9501, 9502),
    n_accounts=N_ACCOUNTS,
)
