"""Any sequence of writes leaves the lake as it leaves a dictionary of lists."""

import shutil
import tempfile
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stillwatch.model.tables import ACCOUNT_EVENTS
from stillwatch.store.lake import Lake, Snapshot
from stillwatch.store.settings import Settings
from tests.store.conftest import events

DAYS = [date(2026, 4, 22) + timedelta(days=i) for i in range(3)]
Contents = dict[str, list[str]]


def contents(snapshot: Snapshot) -> Contents:
    return {
        day: [
            name
            for file in snapshot.files(ACCOUNT_EVENTS, [day])
            for name in pq.ParquetFile(file).read()["event_id"].to_pylist()
        ]
        for day in snapshot.partitions(ACCOUNT_EVENTS)
    }


class LakeMachine(RuleBasedStateMachine):
    """Small bounds make segments, buffers and merges happen within a few rows."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        settings = Settings(segment_rows=4, buffer_bytes=600)
        self.lake = Lake.create(self.folder / "lake", settings=settings)
        self.writer = self.lake.write().__enter__()
        self.committed: Contents = {}
        self.staged: Contents = {}
        self.generations: dict[str, int] = {}
        self.changed: set[str] = set()
        self.n_rows = 0
        self.seen: list[tuple[Snapshot, Contents]] = []

    def fresh(self, days: list[date]) -> pa.Table:
        rows = events(days, first=self.n_rows)
        self.n_rows += len(days)
        return rows

    @rule(days=st.lists(st.sampled_from(DAYS), max_size=9))
    def append(self, days: list[date]) -> None:
        rows = self.fresh(days)
        self.writer.append(ACCOUNT_EVENTS, rows)
        for day, name in zip(days, rows["event_id"].to_pylist(), strict=True):
            self.staged.setdefault(str(day), []).append(name)
            self.changed.add(str(day))

    @rule(day=st.sampled_from(DAYS), n=st.integers(0, 9))
    def replace(self, day: date, n: int) -> None:
        rows = self.fresh([day] * n)
        self.writer.replace(ACCOUNT_EVENTS, str(day), iter(rows.to_batches(max_chunksize=2)))
        self.staged[str(day)] = rows["event_id"].to_pylist()
        self.changed.add(str(day))

    @rule(day=st.sampled_from(DAYS))
    def drop(self, day: date) -> None:
        self.writer.drop(ACCOUNT_EVENTS, str(day))
        if self.staged.pop(str(day), None):
            self.changed.add(str(day))

    @rule(day=st.sampled_from(DAYS))
    def compact(self, day: date) -> None:
        self.writer.compact(ACCOUNT_EVENTS, str(day))

    @rule()
    def commit(self) -> None:
        version = self.writer.commit()
        self.committed = {day: list(names) for day, names in self.staged.items() if names}
        self.staged = {day: list(names) for day, names in self.committed.items()}
        self.generations |= dict.fromkeys(self.changed, version)
        self.changed.clear()
        self.seen.append((self.lake.snapshot(), self.committed))

    @rule(leave=st.booleans())
    def discard(self, leave: bool) -> None:
        if leave:
            self.writer.__exit__(None, None, None)
            self.writer = self.lake.write().__enter__()
        else:
            self.writer.discard()
        self.staged = {day: list(names) for day, names in self.committed.items()}
        self.changed.clear()

    @invariant()
    def the_lake_holds_what_was_committed(self) -> None:
        snapshot = self.lake.snapshot()
        assert contents(snapshot) == self.committed
        assert snapshot.n_rows(ACCOUNT_EVENTS) == sum(map(len, self.committed.values()))
        assert {str(day): snapshot.generation(ACCOUNT_EVENTS, str(day)) for day in DAYS} == {
            str(day): self.generations.get(str(day), 0) for day in DAYS
        }

    def teardown(self) -> None:
        for snapshot, expected in self.seen:
            assert contents(snapshot) == expected
        self.writer.__exit__(None, None, None)
        named = {file for snapshot, _ in self.seen for file in snapshot.files(ACCOUNT_EVENTS)}
        on_disk = {str(path) for path in self.folder.rglob("*.parquet")}
        assert on_disk == named, "a file of no commit stayed, or one of a commit went"
        shutil.rmtree(self.folder)


TestLakeMachine = LakeMachine.TestCase
TestLakeMachine.settings = hypothesis_settings(max_examples=25, stateful_step_count=25, deadline=None, derandomize=True)
