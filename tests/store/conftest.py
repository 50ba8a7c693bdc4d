"""Small lakes, states and rows for the tests of the store."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from stillwatch.store.lake import Lake
from stillwatch.store.state import State

NOON = datetime(2026, 4, 22, 12, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def events(days: list[date], *, first: int = 0, ingested_at: datetime = NOON) -> pa.Table:
    """One account event for each of `days`, numbered from `first`."""
    n = len(days)
    times = pa.array([ingested_at] * n, pa.timestamp("us", "UTC"))
    return pa.table(
        {
            "day": pa.array(days, pa.date32()),
            "event_id": pa.array([f"e{first + i}" for i in range(n)], pa.string()),
            "account_id": pa.array(["a1"] * n, pa.string()),
            "event_time": times,
            "event_name": pa.array(["signup"] * n, pa.string()),
            "ingest_batch_id": pa.array(["b1"] * n, pa.string()),
            "ingested_at": times,
        }
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lake(tmp_path: Path, clock: Clock) -> Lake:
    return Lake.create(tmp_path / "lake", clock=clock)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.create(f"sqlite:///{tmp_path / 'state.sqlite'}", workspace_id="w1") as opened:
        yield opened
