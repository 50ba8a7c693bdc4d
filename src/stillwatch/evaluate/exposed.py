"""The suite `exposure`: whether what a campaign took lies in the interval that is printed for it."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.config import Config
from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.recall import world_seed
from stillwatch.evaluate.report import Bar, Body, Table
from stillwatch.evaluate.suite import Bench, Suite
from stillwatch.exposure import ALL
from stillwatch.python_api import Stillwatch
from stillwatch.simulate import Campaign, HonestMix, World, simulate
from stillwatch.simulate.build import populate
from stillwatch.simulate.traffic import draw_day
from stillwatch.stats.intervals import wilson
from stillwatch.store.workspace import Workspace

N_DAYS: Final = 7
N_ACCOUNTS: Final = 400
"""Honest accounts: the suite looks at single exchanges, so its worlds are small."""
ALPHA: Final = 5e-3
"""A few hundred people cannot resolve the default alpha; at this one the campaigns are found."""
GOAL: Final = 0.95
OK: Final = 200
QUANTITIES: Final = ("exchanges", "output_tokens")


@dataclass(frozen=True, slots=True)
class Case:
    """A planted campaign, and whether its interval has a goal."""

    campaign: Campaign
    has_goal: bool = True


def _campaign(name: str, *, rate: float, dilution: float, paraphrase: float = 0.0) -> Campaign:
    return Campaign(
        name=name, n_accounts=80, exchanges_per_day=rate, dilution=dilution, paraphrase=paraphrase, p_share=0.3
    )


CASES: Final = (
    Case(_campaign("undiluted", rate=8.0, dilution=0.0)),
    Case(_campaign("diluted50", rate=16.0, dilution=0.5)),
    Case(_campaign("diluted95", rate=40.0, dilution=0.95)),
    Case(_campaign("paraphrased50", rate=8.0, dilution=0.0, paraphrase=0.5), has_goal=False),
)
_READING: Final = (
    f"Worlds of {N_ACCOUNTS} honest accounts and one campaign of 80 over {N_DAYS} days, ingested exchange by exchange "
    f"and detected at alpha {ALPHA:g}. The truth is what the campaign's queue sent and was answered, not cover. The "
    "interval is that of the found campaign which holds most planted accounts; a campaign that is not found has none."
)


def measure(seed: int, bench: Bench) -> Part:
    """One world for each case."""
    values: dict[str, float] = {}
    for number, case in enumerate(CASES):
        bench.progress("worlds", number, len(CASES))
        found = _measured(case.campaign, world_seed(seed, number), bench.config)
        values |= {f"{case.campaign.name} {name}": value for name, value in found.items()}
    bench.progress("worlds", len(CASES), len(CASES))
    return Part(seed=seed, values=values, n_windows=len(CASES))


def _measured(campaign: Campaign, seed: int, config: Config) -> dict[str, float]:
    """Truth and printed interval of each quantity; no interval where the campaign was not found."""
    honest = HonestMix(n_accounts=N_ACCOUNTS, n_frameworks=12, power_share=0.005)
    world = World(honest=honest, campaigns=(campaign,), n_days=N_DAYS, release_day=4)
    values = {f"{name} truth": value for name, value in taken(world, seed).items()}
    with tempfile.TemporaryDirectory(prefix="stillwatch-evaluate-") as folder:
        made = simulate(world, seed=seed, out_dir=Path(folder) / "world")
        row = _printed(Path(folder), made.exchanges, made.accounts, _planted(made.truth), config)
    if row is not None:
        values |= {f"{name}{end}": float(row[f"{name}{end}"]) for name in QUANTITIES for end in ("_low", "", "_high")}
    return values


def taken(world: World, seed: int) -> dict[str, float]:
    """Exchanges that the planted queue sent, and output tokens of those that were answered."""
    population = populate(world, seed=seed)
    n_exchanges, n_tokens = 0, 0
    for day in range(world.n_days):
        exchanges = draw_day(world, population, seed=seed, day=day)
        is_queue = population.streams["from_queue"][exchanges.stream].astype(bool)
        n_exchanges += int(is_queue.sum())
        n_tokens += int(exchanges.output_tokens[is_queue & (exchanges.status == OK)].sum())
    return {"exchanges": float(n_exchanges), "output_tokens": float(n_tokens)}


def _planted(truth: Path) -> pa.Array:
    rows = pq.read_table(truth)
    return rows.filter(rows["is_campaign"])["account_id"].combine_chunks()


def _printed(
    folder: Path, exchanges: Path, accounts: Path, planted: pa.Array, config: Config
) -> Mapping[str, int] | None:
    """The printed sums of the found campaign with most planted accounts; None where there is none."""
    detect = msgspec.structs.replace(config.detect, window_days=N_DAYS, alpha=ALPHA)
    workspace = Workspace.init(folder / "workspace", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
    with Stillwatch(workspace, msgspec.structs.replace(config, detect=detect)) as watch:
        watch.ingest_accounts([accounts])
        watch.ingest([exchanges])
        found = watch.detect().findings
        own = found.filter(pc.is_in(found["account_id"], value_set=planted))["campaign_id"].drop_null()
        if not len(own):
            return None
        sizes = own.value_counts()
        best = sizes.field("values")[int(np.argmax(sizes.field("counts").to_numpy()))].as_py()
        [total] = [row for row in watch.expose().of(best).sums.to_pylist() if row["capability"] == ALL]
        return dict(total)


def report(parts: Sequence[Part], bench: Bench) -> Body:  # noqa: ARG001 - shape of a suite
    """How often the truth lay inside, how wide the interval was, and how far off the value."""
    rows, failures, bars = [], [], []
    for case in CASES:
        name = case.campaign.name
        for quantity in QUANTITIES:
            runs = [_Run.of(part, f"{name} {quantity}") for part in parts]
            known = [run for run in runs if run is not None]
            held = sum(run.holds for run in known)
            share = held / len(known) if known else 0.0
            low, high = wilson(held, len(known))
            widths = float(np.median([run.width for run in known])) if known else 0.0
            ratio = float(np.median([run.ratio for run in known])) if known else 0.0
            rows.append(
                (name, quantity.replace("_", " "), len(runs), len(known), held, share, low, high, widths, ratio)
            )
            goal = GOAL if case.has_goal else None
            bars.append(Bar(name=f"{name}: {quantity}", value=share, low=low, high=high, goal=goal))
            if goal is not None and share < goal:
                failures.append(
                    f"{name}: {quantity} inside the interval in {share:.3f} of the runs, fewer than {goal:g}"
                )
    columns = (
        "campaign", "quantity", "runs", "found", "inside", "share", "low", "high", "width / truth, median",
        "value / truth, median",
    )  # fmt: skip
    return Body(
        tables=(Table("Truth inside of the printed interval", columns, tuple(rows)),),
        failures=tuple(failures),
        notes=(_READING,),
        bars=tuple(bars),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """One printed interval against the truth."""

    holds: bool
    width: float
    ratio: float

    @classmethod
    def of(cls, part: Part, name: str) -> "_Run | None":
        if f"{name}_low" not in part.values:
            return None
        truth, low, value, high = (part.values[f"{name}{end}"] for end in (" truth", "_low", "", "_high"))
        return cls(low <= truth <= high, (high - low) / truth, value / truth)


SUITE: Final = Suite(
    name="exposure",
    question="Does what a campaign really took lie in the interval that is printed for it?",
    measure=measure,
    report=report,
    seeds=tuple(range(9001, 9021)),
    alpha=ALPHA,
    n_accounts=N_ACCOUNTS,
)
