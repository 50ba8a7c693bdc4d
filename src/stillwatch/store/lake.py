"""The lake: immutable Parquet segments by table and partition, and one manifest that says which of them count."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from stillwatch.errors import LakeError
from stillwatch.model.table import Table
from stillwatch.store import manifest as manifests
from stillwatch.store.keys import FIRST_KEY_ID
from stillwatch.store.manifest import Manifest, Segment
from stillwatch.store.settings import Settings
from stillwatch.store.storage import Storage, storage_at
from stillwatch.store.writer import MANIFEST, Writer

__all__ = ["Lake", "Segment", "Snapshot", "Writer"]


def _now() -> datetime:
    return datetime.now(UTC)


class Snapshot:
    """The lake as one commit left it. It never changes, and its files stay readable for the grace period."""

    __slots__ = ("_locate", "_manifest")

    def __init__(self, manifest: Manifest, locate: Callable[[str], str]) -> None:
        self._manifest = manifest
        self._locate = locate

    @property
    def version(self) -> int:
        """How many commits led here; 0 for a new lake."""
        return self._manifest.version

    @property
    def schema_version(self) -> int:
        """The layout of the tables."""
        return self._manifest.schema_version

    @property
    def key_id(self) -> str:
        """The pseudonym key under which all rows are."""
        return self._manifest.key_id

    @property
    def sketch_version(self) -> int:
        """The version of the sketches that daily aggregates were made of; 0 where nobody said."""
        return self._manifest.sketch_version

    @property
    def committed_at(self) -> datetime:
        """When this version was committed (UTC)."""
        return self._manifest.committed_at

    def partitions(self, table: Table) -> list[str]:
        """Names of the partitions that hold rows, ascending: days as `2026-04-22`, run ids, or `''` for no cut."""
        entries = self._manifest.tables.get(table.name, {})
        return sorted(name for name, entry in entries.items() if entry.segments)

    def segments(self, table: Table, partition: str) -> tuple[Segment, ...]:
        """The segments of one partition in the order of their writing, with absolute paths or URLs."""
        entry = self._manifest.entry(table.name, partition)
        return tuple(msgspec.structs.replace(segment, path=self._locate(segment.path)) for segment in entry.segments)

    def files(self, table: Table, partitions: Collection[str] | None = None) -> list[str]:
        """Absolute paths or URLs of the Parquet files of `partitions` (None: all), by partition, then by writing."""
        return [self._locate(segment.path) for segment in self._chosen(table, partitions)]

    def n_rows(self, table: Table, partitions: Collection[str] | None = None) -> int:
        """Rows in `partitions` (None: all), from the manifest alone."""
        return sum(segment.n_rows for segment in self._chosen(table, partitions))

    def n_bytes(self, table: Table, partitions: Collection[str] | None = None) -> int:
        """Bytes on disk of `partitions` (None: all), from the manifest alone."""
        return sum(segment.n_bytes for segment in self._chosen(table, partitions))

    def generation(self, table: Table, partition: str) -> int:
        """The version that last changed the rows of a partition, dropping it included; 0 when none ever did.

        Merging segments changes no rows, so it leaves the generation as it is.
        """
        return self._manifest.entry(table.name, partition).generation

    def _chosen(self, table: Table, partitions: Collection[str] | None) -> list[Segment]:
        entries = self._manifest.tables.get(table.name, {})
        names = entries.keys() if partitions is None else set(partitions) & entries.keys()
        return [segment for name in sorted(names) for segment in entries[name].segments]


class Lake:
    """One folder or bucket of tables: any number of readers, one writer at a time.

    `clock` returns the current UTC time; it dates commits and ends grace periods.
    """

    def __init__(self, storage: Storage, *, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._storage = storage
        self._settings = settings
        self._clock = clock

    @classmethod
    def create(
        cls,
        root: str | Path | Storage,
        *,
        settings: Settings | None = None,
        clock: Callable[[], datetime] = _now,
        key_id: str = FIRST_KEY_ID,
    ) -> "Lake":
        """A new, empty lake at a path, a URL or a storage, for rows under the pseudonym key `key_id`.

        Raises:
            LakeError: there is a lake already.
        """
        storage = storage_at(root) if isinstance(root, str | Path) else root
        if storage.read(MANIFEST) is not None:
            raise LakeError(f"there is a lake at {storage.root} already; open it, or choose another folder")
        empty = Manifest(manifests.SCHEMA_VERSION, version=0, committed_at=clock(), key_id=key_id)
        storage.publish(MANIFEST, manifests.encode(empty))
        return cls(storage, settings=settings or Settings(), clock=clock)

    @classmethod
    def open(
        cls,
        root: str | Path | Storage,
        *,
        settings: Settings | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> "Lake":
        """The lake at a path, a URL or a storage.

        Raises:
            LakeError: there is none, or another release wrote it.
            LakeCorrupt: its manifest is damaged.
        """
        storage = storage_at(root) if isinstance(root, str | Path) else root
        lake = cls(storage, settings=settings or Settings(), clock=clock)
        lake.snapshot()
        return lake

    @property
    def root(self) -> str:
        """The absolute path or URL of the lake."""
        return self._storage.root

    @property
    def settings(self) -> Settings:
        """The bounds, grace and retention that writers follow."""
        return self._settings

    def snapshot(self) -> Snapshot:
        """Everything committed by now. Takes no lock and costs one read of the manifest.

        Raises:
            LakeError: the manifest is gone, or another release wrote it.
            LakeCorrupt: the manifest is damaged.
        """
        body = self._storage.read(MANIFEST)
        if body is None:
            raise LakeError(f"there is no lake at {self.root}; create one with `stillwatch init`")
        return Snapshot(manifests.decode(body, root=self.root), self._storage.locate)

    def write(self) -> Writer:
        """The one writer, as a context manager that holds the lock; leaving it without `commit` discards.

        Raises (on entering):
            LakeLocked: another writer holds the lake.
        """
        return Writer(self._storage, settings=self._settings, clock=self._clock)
