"""Two simulated weeks from telemetry to findings, held against the planted truth."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch import pipeline, simulate
from stillwatch.config import Config
from stillwatch.python_api import Stillwatch
from stillwatch.store.workspace import Workspace

DEMO_CLOCK = datetime(2026, 7, 1, tzinfo=UTC)
"""Ingest time of the demonstration, after its traffic, fixed so that equal seeds give equal bytes."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What was planted and what was found.

    `found` has one row a planted campaign (`campaign, n_accounts, n_accused, n_review`), `honest` one row a class of
    honest accounts (`honest_class, n_accounts, n_accused, n_review`), all in people.
    """

    watch: Stillwatch
    outcome: pipeline.Outcome
    found: pa.Table
    honest: pa.Table
    n_exchanges: int


def demonstrate(
    folder: Path,
    *,
    seed: int,
    config: Config,
    step: Callable[[str], None],
    progress: pipeline.Progress = pipeline.silent,
) -> Demonstration:
    """Simulate, ingest, detect and compare, all below `folder`; the caller closes `watch`."""
    step("simulating two weeks of a provider, with two campaigns among honest look-alikes")
    world = simulate.simulate("demo", seed=seed, out_dir=folder / "world")
    workspace = Workspace.init(folder / "workspace", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
    watch = Stillwatch(workspace, config, clock=lambda: DEMO_CLOCK)
    step(f"ingesting {world.n_exchanges:,} exchanges of {world.n_accounts:,} accounts")
    watch.ingest([world.exchanges])
    watch.ingest_accounts([world.accounts])
    watch.ingest_account_events([world.account_events])
    step("detecting")
    outcome = watch.detect(progress=progress)
    truth = pq.read_table(world.truth)
    return Demonstration(watch, outcome, *compare(truth, watch.accounts().table), world.n_exchanges)


def compare(truth: pa.Table, accounts: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Planted campaigns and honest classes beside the tiers that their accounts got, counted in people."""
    both = truth.join(accounts.select(["account_id", "tier"]), "account_id", join_type="left outer")
    tier = pc.fill_null(both["tier"], "none")
    both = both.append_column("accused", pc.cast(pc.equal(tier, "accuse"), pa.int64()))
    both = both.append_column("reviewed", pc.cast(pc.equal(tier, "review"), pa.int64()))
    planted = both.filter(both["is_campaign"])
    honest = both.filter(pc.invert(both["is_campaign"]))
    return _counted(planted, "campaign_name", "campaign"), _counted(honest, "honest_class", "honest_class")


def _counted(rows: pa.Table, key: str, name: str) -> pa.Table:
    counts = rows.group_by(key).aggregate([("account_id", "count"), ("accused", "sum"), ("reviewed", "sum")])
    counts = counts.select([key, "account_id_count", "accused_sum", "reviewed_sum"]).rename_columns(
        [name, "n_accounts", "n_accused", "n_review"]
    )
    return counts.sort_by([("n_accused", "descending"), ("n_review", "descending"), (name, "ascending")])
