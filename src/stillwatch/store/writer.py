"""The lake's one writer: buffers rows, writes segments, and makes them count by publishing a manifest."""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.errors import LakeCorrupt, LakeError, LakeLocked, SchemaMismatch
from stillwatch.model.table import Home, Table
from stillwatch.store import manifest as manifests
from stillwatch.store import segments
from stillwatch.store.buffers import Buffer, Buffers
from stillwatch.store.manifest import Manifest, PartitionEntry, Retired, Segment
from stillwatch.store.settings import Settings
from stillwatch.store.storage import Storage

MANIFEST = "manifest.json"

LOCK_PAUSE_SECONDS = 0.05
"""Between two looks at a lock that another writer holds: a drained spool file holds it for about a second."""

COMPRESSION = 4
"""Arrow bytes taken for one byte of zstd Parquet when merges are planned: an estimate; it moves only their size."""


class Writer:
    """Changes to a lake that count together at `commit`, or not at all. Made by `Lake.write`; use in a `with`.

    Rows given to `append` are held in memory until a partition reaches the size of a segment, all partitions together
    reach `Settings.buffer_bytes`, or `commit`.
    """

    def __init__(self, storage: Storage, *, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._storage = storage
        self._settings = settings
        self._clock = clock
        self._held = contextlib.ExitStack()
        self._base: Manifest | None = None
        self._base_body = b""
        self._notes: dict[str, object] = {}
        self._staged: dict[tuple[str, str], PartitionEntry] = {}
        self._buffers = Buffers()
        self._written: set[str] = set()
        self._token = secrets.token_hex(4)  # no other writer's files have our names, even without a lock between us

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as held:
            self._lock(held)
            started_at = self._clock()
            self._load()
            self._sweep(started_at)
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            self.discard()
            self._base = None

    def _lock(self, held: contextlib.ExitStack) -> None:
        """Take the lock, waiting for another writer up to `Settings.lock_seconds`."""
        until = time.monotonic() + self._settings.lock_seconds
        while True:
            try:
                held.enter_context(self._storage.lock())
                return
            except LakeLocked:
                if time.monotonic() >= until:
                    raise
                time.sleep(LOCK_PAUSE_SECONDS)

    def append(self, table: Table, rows: pa.Table | pa.RecordBatch) -> None:
        """Add rows, each to the partition that its partition column names.

        Raises:
            SchemaMismatch: the rows do not have the exact shape of the table; none of them is added.
        """
        self._check_stored(table)
        for partition, part in segments.split(table, segments.conform(table, rows)):
            segments.folder_of(table, partition)
            buffer = self._buffers.add(table, partition, part)
            if buffer.n_rows >= self._settings.segment_rows or buffer.n_bytes >= self._settings.segment_bytes:
                self._flush(buffer)
        while self._buffers.n_bytes > self._settings.buffer_bytes:
            self._flush(self._buffers.largest())

    def replace(self, table: Table, partition: str, rows: pa.Table | Iterable[pa.RecordBatch]) -> None:
        """Put `rows` in place of all rows of one partition, appended ones that are not committed included.

        No rows leave an empty partition whose generation says that it was computed.

        Raises:
            SchemaMismatch: the rows do not have the shape of the table or belong to another partition; the partition
                stays as it was.
        """
        self._check_stored(table)
        folder = segments.folder_of(table, partition)
        fresh: list[Segment] = []
        buffer = Buffer(table, partition)
        for piece in segments.tables_of(rows):
            for name, part in segments.split(table, segments.conform(table, piece)):
                if name != partition:
                    raise SchemaMismatch(
                        f"table {table.name}: rows for {folder} hold {table.partition.value} {name!r}; "
                        "replace one partition at a time"
                    )
                buffer.add(part)
                if buffer.n_rows >= self._settings.segment_rows or buffer.n_bytes >= self._settings.segment_bytes:
                    fresh += self._write(table, partition, buffer.drain())
        fresh += self._write(table, partition, buffer.drain())
        self._buffers.forget(table, partition)
        self._stage(table, partition, tuple(fresh))

    def drop(self, table: Table, partition: str) -> None:
        """Remove all rows of one partition. Not an error when it has none."""
        self._check_stored(table)
        segments.folder_of(table, partition)
        had_rows = self._buffers.forget(table, partition) or self._entry(table, partition).segments
        if had_rows:
            self._stage(table, partition, ())

    def compact(self, table: Table, partition: str) -> int:
        """Merge neighbouring segments of one partition up to the size of a segment; returns how many fewer there are.

        Rows and their order stay as they are, so the generation does too.

        Raises:
            LakeCorrupt: a segment's file is missing or is not the one that was committed.
        """
        self._check_stored(table)
        segments.folder_of(table, partition)
        self._flush_partition(table, partition)
        entry = self._entry(table, partition)
        merged: list[Segment] = []
        for run in _runs(entry.segments, self._settings):
            merged += self._merge(table, partition, run) if len(run) > 1 else run
        n_fewer = len(entry.segments) - len(merged)
        if n_fewer:
            self._staged[table.name, partition] = msgspec.structs.replace(entry, segments=tuple(merged))
        return n_fewer

    def rewrite(
        self, table: Table, partition: str, change: Callable[[pa.Table], pa.Table], *, says_the_same: bool = False
    ) -> int:
        """Put `change` of each segment's rows in place of the segment; returns how many segments changed.

        A segment of which `change` returns the very object that it got stays as it is. At most one segment is in
        memory. Where none changed the generation stays, and also where the new rows say the same in other words.

        Raises:
            SchemaMismatch: the rows do not have the shape of the table.
            LakeCorrupt: a segment's file is missing or is not the one that was committed.
        """
        self._check_stored(table)
        self._flush_partition(table, partition)
        kept: list[Segment] = []
        n_changed = 0
        entry = self._entry(table, partition)
        for segment in entry.segments:
            rows = self._read(table, segment)
            fresh = change(rows)
            n_changed += fresh is not rows
            kept += [segment] if fresh is rows else self._write(table, partition, segments.conform(table, fresh))
        if n_changed:
            self._stage(table, partition, tuple(kept))
        if n_changed and says_the_same:
            self._staged[table.name, partition] = PartitionEntry(entry.generation, tuple(kept))
        return n_changed

    def set_key(self, key_id: str) -> None:
        """Say under which pseudonym key all rows are from the next commit on."""
        self._notes["key_id"] = key_id

    def set_sketch_version(self, version: int) -> None:
        """Say of which sketches daily aggregates are made from the next commit on."""
        self._notes["sketch_version"] = version

    def n_segments(self, table: Table, partition: str) -> int:
        """Segments of one partition, those staged by this writer included: what `compact` would look at."""
        return len(self._entry(table, partition).segments)

    def sweep(self) -> None:
        """Delete at once every file that is no segment of the last commit: no grace for readers of earlier ones."""
        self._load()
        named = {
            segment.path
            for table in self._manifest.tables.values()
            for entry in table.values()
            for segment in entry.segments
        }
        for path, _ in list(self._storage.segments()):
            if path not in named:
                self._storage.delete(path)

    def discard(self) -> None:
        """Forget everything since the last commit."""
        self._buffers = Buffers()
        self._staged.clear()
        while self._written:
            self._storage.delete(self._written.pop())

    def commit(self) -> int:
        """Make all changes count at once; returns the version that holds them (the present one without changes).

        On return they survive a loss of power. When this raises, the lake has either all of them or none; look at a
        new snapshot to know which, and open a new writer.

        Raises:
            LakeLocked: another writer committed meanwhile (only possible on an object store).
            LakeError: the manifest could not be written.
        """
        for buffer in self._buffers.all():
            self._flush(buffer)
        base = self._manifest
        noted = msgspec.structs.replace(base, **self._notes)
        if not self._staged and noted == base:
            return base.version
        if self._storage.read(MANIFEST) != self._base_body:
            raise LakeLocked(f"another writer committed to lake {self._storage.root}; run one writer, then start again")
        following = _successor(noted, self._staged, now=self._clock())
        body = manifests.encode(following)
        unused = self._written - following.paths()
        self._written.clear()  # whatever happens from here on, the next writer's sweep decides by the manifest
        self._base = None
        try:
            self._storage.publish(MANIFEST, body)
        except OSError as error:
            raise LakeError(f"manifest of lake {self._storage.root} could not be written: {error}") from error
        self._base, self._base_body = following, body
        self._staged.clear()
        for path in unused:
            self._storage.delete(path)
        return following.version

    @property
    def _manifest(self) -> Manifest:
        if self._base is None:
            raise LakeError(f"this writer of lake {self._storage.root} is closed; open a new one with `lake.write()`")
        return self._base

    def _check_stored(self, table: Table) -> None:
        _ = self._manifest
        if table.home is not Home.LAKE:
            raise SchemaMismatch(f"table {table.name} lives in {table.home.value}, not in the lake")

    def _load(self) -> None:
        body = self._storage.read(MANIFEST)
        if body is None:
            raise LakeError(f"there is no lake at {self._storage.root}; create one with `stillwatch init`")
        base = manifests.decode(body, root=self._storage.root)
        if base.schema_version != manifests.SCHEMA_VERSION:
            raise LakeError(
                f"lake {self._storage.root} has schema_version {base.schema_version} and can only be read; "
                "run `stillwatch migrate`"
            )
        self._base, self._base_body, self._notes = base, body, {}

    def _sweep(self, started_at: datetime) -> None:
        """Remove what dead writers left behind and what no reader may still need."""
        base = self._manifest
        grace = timedelta(seconds=self._settings.grace_seconds)
        over = {retired.path for retired in base.retired if retired.retired_at + grace <= started_at}
        named = base.paths() - over
        for path, modified_at in list(self._storage.segments()):
            if path not in named and (path in over or modified_at < started_at):
                self._storage.delete(path)
        kept = tuple(retired for retired in base.retired if retired.path not in over)
        self._base = msgspec.structs.replace(base, retired=kept)

    def _entry(self, table: Table, partition: str) -> PartitionEntry:
        staged = self._staged.get((table.name, partition))
        return self._manifest.entry(table.name, partition) if staged is None else staged

    def _stage(self, table: Table, partition: str, held: tuple[Segment, ...]) -> None:
        self._staged[table.name, partition] = PartitionEntry(self._manifest.version + 1, held)

    def _flush(self, buffer: Buffer) -> None:
        held = self._entry(buffer.table, buffer.partition).segments
        fresh = self._write(buffer.table, buffer.partition, self._buffers.drain(buffer))
        self._stage(buffer.table, buffer.partition, (*held, *fresh))

    def _flush_partition(self, table: Table, partition: str) -> None:
        buffer = self._buffers.get(table, partition)
        if buffer is not None:
            self._flush(buffer)

    def _write(self, table: Table, partition: str, rows: pa.Table | None) -> list[Segment]:
        """Write `rows` as segments of at most `segment_rows`; none for no rows."""
        if rows is None or not rows.num_rows:
            return []
        folder = segments.folder_of(table, partition)
        n_files = max(-(-rows.num_rows // self._settings.segment_rows), -(-rows.nbytes // self._settings.segment_bytes))
        n_each = -(-rows.num_rows // n_files)
        return [self._put(folder, rows.slice(start, n_each)) for start in range(0, rows.num_rows, n_each)]

    def _put(self, folder: str, rows: pa.Table) -> Segment:
        body = segments.encode(rows)
        name = f"{self._manifest.version + 1:08d}-{len(self._written):05d}-{self._token}.parquet"
        segment = segments.describe(f"{folder}/{name}", rows, body)
        self._written.add(segment.path)
        try:
            self._storage.write(segment.path, body)
        except OSError as error:
            raise LakeError(
                f"segment {segment.path} of lake {self._storage.root} could not be written: {error}"
            ) from error
        return segment

    def _merge(self, table: Table, partition: str, run: list[Segment]) -> list[Segment]:
        pieces = [self._read(table, segment) for segment in run]
        fresh = self._write(table, partition, pa.concat_tables(pieces))
        return fresh if len(fresh) < len(run) else run

    def _read(self, table: Table, segment: Segment) -> pa.Table:
        body = self._storage.read(segment.path)
        if body is None or segments.digest(body) != segment.digest:
            state = "is missing" if body is None else "is not the file that was committed"
            raise LakeCorrupt(f"segment {segment.path} of lake {self._storage.root} {state}; restore it from a backup")
        return segments.conform(table, segments.completed(table, pq.read_table(pa.BufferReader(body))))


def _successor(base: Manifest, staged: dict[tuple[str, str], PartitionEntry], *, now: datetime) -> Manifest:
    tables = {name: dict(entries) for name, entries in base.tables.items()}
    for (name, partition), entry in staged.items():
        tables.setdefault(name, {})[partition] = entry
    following = msgspec.structs.replace(base, version=base.version + 1, committed_at=now, tables=tables)
    gone = sorted(base.paths() - following.paths())
    return msgspec.structs.replace(following, retired=(*base.retired, *(Retired(path, now) for path in gone)))


def _runs(held: tuple[Segment, ...], settings: Settings) -> list[list[Segment]]:
    """Neighbours that together stay near the size of one segment, so that a merge needs no more memory than one."""
    most_bytes = settings.segment_bytes // COMPRESSION
    runs: list[list[Segment]] = []
    n_rows = n_bytes = 0
    for segment in held:
        fits = n_rows + segment.n_rows <= settings.segment_rows and n_bytes + segment.n_bytes <= most_bytes
        if runs and fits:
            runs[-1].append(segment)
            n_rows, n_bytes = n_rows + segment.n_rows, n_bytes + segment.n_bytes
        else:
            runs.append([segment])
            n_rows, n_bytes = segment.n_rows, segment.n_bytes
    return runs
