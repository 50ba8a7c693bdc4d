"""The suite `alarm`: how often a detection that runs every day accuses a campaign that is none.

A run looks back 45 days and remembers what earlier runs found; it alarms when a campaign is first accused. Runs of one
provider overlap almost wholly, so that nothing but a count over many quiet days says how often that happens.
"""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import scoring
from stillwatch.evaluate.blocks import side_by_side
from stillwatch.evaluate.delay import CAMPAIGN_DAYS, HISTORY_DAYS, scene_at
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
    INDICATORS,
    JUDGEMENTS,
    TOKEN_USES,
)
from stillwatch.model.tier import Tier
from stillwatch.pipeline import run_stages
from stillwatch.stats.intervals import poisson_upper

N_ACCOUNTS: Final = 4_000
"""Honest accounts of a world: a run costs seconds even for few, and a thousand days are needed."""
N_WORLDS: Final = 13
"""Quiet worlds of a seed, put into one run (see `blocks`)."""
SEEDS_APART: Final = 1_000
"""World n of seed s is drawn with seed 1000 s + n."""
YEAR: Final = 365
"""Quiet provider-days for each of which at most one false campaign is allowed (issue 3, step 4)."""
MIN_QUIET_DAYS: Final = 3 * YEAR
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
            **{table: table.empty() for table in (JUDGEMENTS, INDICATORS)},
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


def quiet_worlds(seed: int, bench: Bench) -> list[Scene]:
    """The quiet worlds of a seed, each with its history before the days that are judged."""
    seeds = [SEEDS_APART * seed + number for number in range(N_WORLDS)]
    return [build_scene(bench.world((), n_days=N_DAYS), seed=world) for world in seeds]


def measure(seed: int, bench: Bench) -> Part:
    """How many campaigns daily runs on quiet worlds found over all their days, each counted once, by tier."""
    watch = Watch(side_by_side(quiet_worlds(seed, bench)), bench)
    found: dict[Tier, set[str]] = {Tier.REVIEW: set(), Tier.ACCUSE: set()}
    for day in range(1, CAMPAIGN_DAYS + 1):
        bench.progress("quiet days", day - 1, CAMPAIGN_DAYS)
        campaigns, _ = watch.run(day)
        for tier, seen in found.items():
            seen.update(campaigns.filter(pc.equal(campaigns["tier"], tier.value))["campaign_id"].to_pylist())
    values = {f"campaigns {tier.value}": float(len(ids)) for tier, ids in found.items()}
    return Part(seed=seed, values=values, n_windows=N_WORLDS * CAMPAIGN_DAYS)


def rate_row(name: str, n_seen: int, n_days: int) -> tuple[str, int, float, float]:
    """An event, how often it was seen, how often that is in a year, and the 95 % upper bound on it."""
    return name, n_seen, n_seen * YEAR / n_days, poisson_upper(n_seen) * YEAR / n_days


RATE_COLUMNS: Final = ("event", "seen", f"in {YEAR} days", "95 % upper bound")


def report(parts: Sequence[Part], bench: Bench) -> Body:  # noqa: ARG001 - shape of a suite
    """False campaigns a year."""
    n_days = sum(part.n_windows for part in parts)
    counts = {
        said: sum(int(part.values[f"campaigns {tier.value}"]) for part in parts)
        for tier, said in ((Tier.ACCUSE, "campaign accused"), (Tier.REVIEW, "campaign sent to review"))
    }
    rows = tuple(rate_row(name, n, n_days) for name, n in counts.items())
    _, _, rate, bound = rows[0]
    failures = []
    if n_days < MIN_QUIET_DAYS:
        failures.append(f"{n_days} quiet provider-days are fewer than {MIN_QUIET_DAYS}")
    if rate > 1:
        failures.append(f"daily runs accuse {rate:.2f} false campaigns in {YEAR} quiet days, more than 1")
    bar = Bar(
        name=f"false campaigns accused in {YEAR} days", value=rate, low=0.0, high=bound, goal=1.0, is_ceiling=True
    )
    reading = (
        "A campaign that several runs accuse is one. The bound takes false campaigns as a Poisson count; runs of one "
        f"world overlap and share their people, so that {N_WORLDS * len(parts)} worlds say less than as many days."
    )
    table = Table(f"Quiet worlds: {n_days} provider-days", RATE_COLUMNS, rows)
    return Body(tables=(table,), failures=tuple(failures), notes=(reading,), bars=(bar,))


SUITE: Final = Suite(
    name="alarm",
    question="How often does a detection that runs every day accuse a campaign that is none?",
    measure=measure,
    report=report,
    seeds=(9501, 9502),
    n_accounts=N_ACCOUNTS,
)
