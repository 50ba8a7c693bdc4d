"""Tables in memory through the same door as files: nothing is written in clear on the way."""

import hashlib
import io
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from stillwatch.errors import UsageError
from stillwatch.ingest.batches import BatchReport
from stillwatch.ingest.intake import Clock, Origin, Registrar, take_in
from stillwatch.ingest.settings import Settings
from stillwatch.ingest.telemetry import Telemetry
from stillwatch.sources.base import Source, TableSource
from stillwatch.store.keys import Keys
from stillwatch.store.lake import Lake

if TYPE_CHECKING:
    from stillwatch.store.vault import Vault

URI: Final = "memory:table"
"""What `ingest_batches` names as the place of such a batch."""


def ingest_table(
    table: pa.Table,
    source: Source,
    *,
    lake: Lake,
    keys: Keys,
    vault: "Vault | None",
    settings: Settings,
    clock: Clock,
) -> BatchReport:
    """Store the telemetry in `table`; ingesting the same rows again stores nothing.

    Raises:
        UsageError: the source reads files only.
        SourceError: the table lacks what the source needs.
        LakeLocked: another writer holds the lake.
    """
    if not isinstance(source, TableSource):
        raise UsageError(f"source {source.name!r} reads files, not tables; use `canonical` or give a mapping")
    with lake.write() as writer:
        registrar = Registrar(lake, writer, keys=keys, vault=vault, settings=settings)
        intake = Telemetry(source, registrar=registrar, reference_key=keys.reference_key)
        return take_in(
            source.parse_table(table, uri=URI), intake, registrar=registrar, origin=Origin(URI, _digest(table)),
            clock=clock,
        )  # fmt: skip


class _Digest(io.RawIOBase):
    """A place to write to that keeps the digest alone."""

    def __init__(self) -> None:
        super().__init__()
        self.blake2b = hashlib.blake2b(digest_size=32)

    def writable(self) -> bool:
        return True

    def write(self, block: bytes) -> int:  # type: ignore[override]
        self.blake2b.update(block)
        return len(block)


def _digest(table: pa.Table) -> str:
    """The digest of the table as an Arrow stream of one batch."""
    sink = _Digest()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.blake2b.hexdigest()
