"""The processes of the crash test: a writer that says where it is, and a reader that checks every snapshot."""

import time
from collections.abc import Callable
from datetime import date, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.model.table import Partition, Table, column
from stillwatch.store.lake import Lake, Snapshot
from stillwatch.store.storage import LocalStorage

ROWS = Table(
    name="crash_rows",
    made_by="tests",
    key=("batch", "row"),
    partition=Partition.DAY,
    schema=pa.schema(
        [
            column("day", pa.date32(), required=True),
            column("batch", pa.int64(), required=True),
            column("row", pa.int64(), required=True),
        ]
    ),
)
TOTALS = Table(
    name="crash_totals",
    made_by="tests",
    key=("n_batches",),
    schema=pa.schema([column("n_batches", pa.int64(), required=True)]),
)

BATCH_ROWS = 60
N_DAYS = 3
FIRST_DAY = date(2026, 4, 22)
MOST_SEGMENTS = 6
READER_PAUSE_SECONDS = 0.005

POINTS = (
    "segment half written",
    "segment written",
    "segment synced",
    "folder synced",
    "manifest half written",
    "manifest written",
    "manifest synced",
    "before rename",
    "after rename",
    "before delete",
    "after delete",
    "committed",
)
"""Where a writer can be killed: all that happens between two commits, in order."""


class ReportingStorage(LocalStorage):
    """A local storage that calls `reach` with the name of each step."""

    def __init__(self, root: Path, reach: Callable[[str], None]) -> None:
        super().__init__(root)
        self._reach = reach

    def delete(self, path: str) -> None:
        self._reach("before delete")
        super().delete(path)
        self._reach("after delete")

    def _pour(self, handle: BinaryIO, body: Any) -> None:
        view = memoryview(body)
        half = len(view) // 2
        for part, done in ((view[:half], "half written"), (view[half:], "written")):
            handle.write(part)
            handle.flush()
            self._reach(f"{_kind(handle)} {done}")

    def _sync(self, handle: BinaryIO) -> None:
        super()._sync(handle)
        self._reach(f"{_kind(handle)} synced")

    def _rename(self, draft: Path, target: Path) -> None:
        self._reach("before rename")
        super()._rename(draft, target)
        self._reach("after rename")

    def _sync_folder(self, folder: Path) -> None:
        super()._sync_folder(folder)
        self._reach("folder synced")


def _kind(handle: BinaryIO) -> str:
    return "segment" if str(handle.name).endswith(".parquet") else "manifest"


def rows_of(batch: int) -> pa.Table:
    """All rows of one batch: BATCH_ROWS of them, spread over N_DAYS days."""
    numbers = list(range(BATCH_ROWS))
    days = [FIRST_DAY + timedelta(days=number % N_DAYS) for number in numbers]
    return pa.table({"day": days, "batch": [batch] * BATCH_ROWS, "row": numbers}, schema=ROWS.schema)


def totals(n_batches: int) -> pa.Table:
    return pa.table({"n_batches": [n_batches]}, schema=TOTALS.schema)


def checked_batches(snapshot: Snapshot) -> int:
    """How many batches a snapshot holds, after checking that it holds each row of 0..n-1 once and no other."""
    files = snapshot.files(ROWS)
    found = pa.concat_tables([ROWS.empty(), *(pq.ParquetFile(file).read() for file in files)])
    stated = [pq.ParquetFile(file).read()["n_batches"][0].as_py() for file in snapshot.files(TOTALS)]
    n_batches = stated[0] if stated else 0
    keys = pc.add(pc.multiply(found["batch"], BATCH_ROWS), found["row"])
    expected = n_batches * BATCH_ROWS
    assert len(stated) <= 1, f"version {snapshot.version} has {len(stated)} totals"
    assert found.num_rows == expected, f"version {snapshot.version}: {found.num_rows} rows, totals say {expected}"
    assert pc.count_distinct(keys).as_py() == expected, f"version {snapshot.version}: rows are there twice"
    assert expected == 0 or pc.max(keys).as_py() == expected - 1, f"version {snapshot.version}: rows of no commit"
    assert snapshot.n_rows(ROWS) == expected, f"version {snapshot.version}: manifest counts other rows"
    return n_batches


def write_until_killed(root: str, pipe: Connection, waits: bool) -> None:
    """Add batch after batch. Sends each point's name; where `waits`, goes on only when told to."""

    def reach(point: str) -> None:
        pipe.send(point)
        if waits:
            pipe.recv()

    lake = Lake.open(ReportingStorage(Path(root), reach))
    with lake.write() as writer:
        batch = checked_batches(lake.snapshot())
        while True:
            writer.append(ROWS, rows_of(batch))
            writer.replace(TOTALS, "", totals(batch + 1))
            for number in range(N_DAYS):
                day = str(FIRST_DAY + timedelta(days=number))
                if writer.n_segments(ROWS, day) > MOST_SEGMENTS:
                    writer.compact(ROWS, day)
            writer.commit()
            batch += 1
            reach("committed")


def read_until_told(root: str, pipe: Connection) -> None:
    """Check snapshot after snapshot; sends (snapshots read, distinct versions, last version) or what was wrong."""
    lake = Lake.open(root)
    versions: list[int] = []
    n_batches = 0
    try:
        while not pipe.poll():
            snapshot = lake.snapshot()
            found = checked_batches(snapshot)
            assert found >= n_batches, f"version {snapshot.version} lost batches: {found} after {n_batches}"
            assert not versions or snapshot.version >= versions[-1], "the version went back"
            n_batches = found
            versions.append(snapshot.version)
            time.sleep(READER_PAUSE_SECONDS)
    except Exception as error:
        pipe.send(repr(error))
        raise
    pipe.send((len(versions), len(set(versions)), versions[-1]))
