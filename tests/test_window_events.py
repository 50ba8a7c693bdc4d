"""Which account events a detection run may see."""

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillwatch import pipeline
from stillwatch.engines import open_engine
from stillwatch.model.tables import ACCOUNT_EVENTS, JUDGEMENTS
from tests.small_world import CONFIG, END, FIRST, START, copied, found_world, small_world

__all__ = ["found_world", "small_world"]


@pytest.fixture(scope="module")
def events(small_world: Path, found_world: Path, tmp_path_factory: pytest.TempPathFactory):
    """A function from a question to the account events that its run reads; all were ingested at FIRST."""
    with copied(found_world, tmp_path_factory.mktemp("events") / "lake", small_world, clock=FIRST) as watch:
        watch.ingest_account_events([small_world / "account_events.parquet"])
        snapshot = watch.workspace.lake.snapshot()
    engine = open_engine("duckdb", CONFIG.engines)

    def asked(question: pipeline.Question) -> pa.Table:
        run = question.resolve(snapshot, CONFIG)
        inputs = pipeline.run_inputs(snapshot, JUDGEMENTS.empty(), question, run, engine=engine, config=CONFIG)
        return engine.to_arrow(inputs[ACCOUNT_EVENTS.name])

    yield asked
    engine.close()


def times(rows: pa.Table) -> list[datetime]:
    return sorted(rows["event_time"].to_pylist())


def test_events_of_the_window_are_read(events) -> None:
    found = events(pipeline.Question())
    assert START <= times(found)[0] < times(found)[-1] < END
    assert "suspended" in pc.unique(found["event_name"]).to_pylist()


def test_events_after_the_asked_time_are_not_seen(events) -> None:
    as_of = START + timedelta(days=3, hours=5)
    found = times(events(pipeline.Question(as_of=as_of)))
    assert as_of - timedelta(days=2) < found[-1] < as_of
    assert [at for at in found if at >= START] == [at for at in times(events(pipeline.Question())) if at < as_of]


def test_events_that_were_ingested_later_are_not_known(events) -> None:
    assert len(events(pipeline.Question(known_at=FIRST + timedelta(microseconds=1)))) > 0
    assert len(events(pipeline.Question(known_at=FIRST))) == 0
