"""Account events at the aggregate level are those that the event level writes and ingest stores."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.config import Config
from stillwatch.ingest import ingest_account_events
from stillwatch.model.tables import ACCOUNT_EVENTS
from stillwatch.simulate import Campaign, HonestMix, World
from stillwatch.simulate.build import populate
from stillwatch.simulate.identity import account_events
from stillwatch.simulate.snapshots import stored_account_events
from stillwatch.store.workspace import Workspace

WORLD = World(
    honest=HonestMix(n_accounts=300, n_frameworks=5),
    campaigns=(Campaign(n_accounts=20, generations=3),),
    n_days=12,
)
FACTS = ["day", "event_id", "account_id", "event_time", "event_name"]


@pytest.fixture(scope="module")
def stored() -> pa.Table:
    return stored_account_events(WORLD, populate(WORLD, seed=5), seed=5)


def test_both_levels_hold_the_same_events(stored: pa.Table, tmp_path: Path) -> None:
    pq.write_table(account_events(WORLD, populate(WORLD, seed=5), seed=5), tmp_path / "events.parquet")
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "keys")}
    with Workspace.init(tmp_path / "workspace", environ=environ) as workspace:
        ingest_account_events(
            [tmp_path / "events.parquet"], lake=workspace.lake, keys=workspace.keys, vault=None,
            settings=Config().ingest, clock=lambda: datetime(2026, 6, 30, tzinfo=UTC),
        )  # fmt: skip
        files = workspace.lake.snapshot().files(ACCOUNT_EVENTS)
        ingested = pa.concat_tables([pq.ParquetFile(path).read() for path in files])
    order = [("event_time", "ascending"), ("event_id", "ascending")]
    assert stored.select(FACTS).sort_by(order).equals(ingested.select(FACTS).sort_by(order))


def test_banned_generations_are_suspended_and_never_reinstated(stored: pa.Table) -> None:
    named = {
        name: stored.filter(pc.equal(stored["event_name"], name))["account_id"] for name in ("suspended", "reinstated")
    }
    assert len(named["suspended"]) >= 40
    assert len(named["reinstated"]) < 20


def test_events_have_the_shape_of_their_table(stored: pa.Table) -> None:
    assert stored.schema.equals(ACCOUNT_EVENTS.schema)
    assert stored["event_id"].combine_chunks().null_count == 0
    assert pc.count_distinct(stored["event_id"]).as_py() == len(stored)
