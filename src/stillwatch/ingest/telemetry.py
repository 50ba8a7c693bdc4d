"""Telemetry files -> exchange_records, prompt_sketches, contents."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from stillwatch.ingest.batches import BatchReport
from stillwatch.ingest.contents import ContentStore
from stillwatch.ingest.door import admit_records
from stillwatch.ingest.intake import Admitted, Clock, ProgressCallback, Registrar, Stamp, ingest_files
from stillwatch.ingest.known import KnownKeys, read_int64
from stillwatch.ingest.settings import Settings
from stillwatch.ingest.streams import with_bzip2
from stillwatch.model.table import Table
from stillwatch.model.tables import CONTENTS, EXCHANGE_RECORDS, PROMPT_SKETCHES
from stillwatch.sources.base import Parsed, Source
from stillwatch.store.keys import Keys
from stillwatch.store.lake import Lake, Snapshot

if TYPE_CHECKING:
    from stillwatch.store.vault import Vault


def ingest_paths(
    paths: Sequence[Path],
    source: Source,
    *,
    lake: Lake,
    keys: Keys,
    vault: "Vault | None",
    settings: Settings,
    clock: Clock,
    progress: ProgressCallback | None = None,
    named: Callable[[Path], str] = str,
) -> list[BatchReport]:
    """Store the telemetry in `paths`; one report a file, in the order read. Ingesting a file again stores nothing.

    `named` gives the uri that a file's batch has, where the file is only a copy of what lies elsewhere.

    A file's rows count together with its report. A file with more than `settings.records_per_commit` records counts in
    parts: after a crash its first parts are stored without a report, and ingesting it again adds the rest.

    Raises:
        UsageError: a path does not exist, or a folder holds no file of this source.
        LakeLocked: another writer holds the lake.
    """
    with lake.write() as writer:
        registrar = Registrar(lake, writer, keys=keys, vault=vault, settings=settings)
        intake = Telemetry(source, registrar=registrar, reference_key=keys.reference_key)
        return ingest_files(paths, intake, registrar=registrar, clock=clock, progress=progress, named=named)


class Telemetry:
    """The intake of one telemetry source."""

    def __init__(self, source: Source, *, registrar: Registrar, reference_key: bytes) -> None:
        settings = registrar.settings
        self.name = source.name
        self.version = source.version
        self.suffixes = with_bzip2(source.suffixes)
        self._source = source
        self._settings = settings
        self._names = registrar.names
        self._order = settings.identity_order.get(source.name, source.identity_order)
        self._known = KnownKeys(
            EXCHANGE_RECORDS,
            partial(read_int64, column="record_key"),
            snapshot=registrar.snapshot,
            n_keys=settings.keys_in_memory,
        )
        self._contents = (
            ContentStore(reference_key, snapshot=registrar.snapshot, n_keys=settings.keys_in_memory)
            if settings.keep_contents
            else None
        )

    @property
    def table(self) -> Table:
        """The table of the records."""
        return EXCHANGE_RECORDS

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:
        """The chunks of one file, by the source."""
        return self._source.parse(stream, uri=uri)

    def admit(self, raw: pa.RecordBatch, stamp: Stamp) -> Admitted:
        """Records, sketches and, by policy, contents of one chunk."""
        door = admit_records(
            raw, stamp, source=self.name, identity_order=self._order, names=self._names, known=self._known,
            ahead=self._settings.ahead,
        )  # fmt: skip
        records = door.records
        beside: tuple[tuple[Table, pa.RecordBatch], ...] = ((PROMPT_SKETCHES, door.sketches),)
        if self._contents is not None:
            expires_at = stamp.ingested_at + self._settings.contents_age
            refs, bodies = self._contents.keep(
                door.raw, records["day"], ingested_at=stamp.ingested_at, expires_at=expires_at
            )
            for name, column in refs.items():
                records = records.set_column(records.schema.get_field_index(name), records.schema.field(name), column)
            beside += ((CONTENTS, bodies),)
        return Admitted(records, beside, door.n_duplicates, door.rejects)

    def committed(self, snapshot: Snapshot) -> None:
        """All that was admitted so far is in `snapshot`."""
        self._known.committed(snapshot)
        if self._contents is not None:
            self._contents.committed(snapshot)
