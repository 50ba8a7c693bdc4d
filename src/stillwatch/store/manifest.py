"""The manifest: the one file that says which segments are in the lake."""

from datetime import datetime

import msgspec

from stillwatch.errors import LakeCorrupt, LakeError
from stillwatch.store.keys import FIRST_KEY_ID

SCHEMA_VERSION = 2
"""Layout that this release writes; readers accept it and the one before. Version 2 names the key of the pseudonyms."""


class Segment(msgspec.Struct, frozen=True, gc=False):
    """One immutable Parquet file.

    `path` is relative to the lake in a manifest and absolute in a `Snapshot`. `digest` is the hexadecimal BLAKE2b-128
    of the file's bytes. The ingestion times are null for tables without `ingested_at`.
    """

    path: str
    n_rows: int
    n_bytes: int
    digest: str
    min_ingested_at: datetime | None = None
    max_ingested_at: datetime | None = None


class PartitionEntry(msgspec.Struct, frozen=True):
    """The segments of one partition, and the manifest version that last changed its rows."""

    generation: int = 0
    segments: tuple[Segment, ...] = ()


class Retired(msgspec.Struct, frozen=True, gc=False):
    """A segment that no longer holds rows of the lake, kept until the grace period after `retired_at` is over."""

    path: str
    retired_at: datetime


class Manifest(msgspec.Struct, frozen=True):
    """Everything committed: `tables` maps table name to partition to its entry.

    `key_id` names the pseudonym key under which all rows are; before version 2 there was only the first one.
    `sketch_version` is that of the sketches that daily aggregates were made of; 0 where nobody said.
    """

    schema_version: int
    version: int
    committed_at: datetime
    tables: dict[str, dict[str, PartitionEntry]] = {}
    retired: tuple[Retired, ...] = ()
    key_id: str = FIRST_KEY_ID
    sketch_version: int = 0

    def entry(self, table: str, partition: str) -> PartitionEntry:
        """The entry of one partition; an empty one of generation 0 when it was never written."""
        return self.tables.get(table, {}).get(partition, PartitionEntry())

    def paths(self) -> set[str]:
        """Relative paths of all files that the manifest names, retired ones included."""
        named = {
            segment.path for table in self.tables.values() for entry in table.values() for segment in entry.segments
        }
        return named | {retired.path for retired in self.retired}


_DECODER = msgspec.json.Decoder(Manifest)
_ENCODER = msgspec.json.Encoder()


def encode(manifest: Manifest) -> bytes:
    """The manifest as JSON: equal manifests give equal bytes."""
    return _ENCODER.encode(manifest)


def decode(body: bytes, *, root: str) -> Manifest:
    """The manifest in `body`.

    Raises:
        LakeCorrupt: the bytes are not a manifest.
        LakeError: its `schema_version` is neither this release's nor the one before.
    """
    try:
        manifest = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise LakeCorrupt(f"manifest of lake {root} cannot be read ({error}); restore it from a backup") from error
    if not max(1, SCHEMA_VERSION - 1) <= manifest.schema_version <= SCHEMA_VERSION:
        raise LakeError(
            f"lake {root} has schema_version {manifest.schema_version}, this release reads "
            f"{max(1, SCHEMA_VERSION - 1)} to {SCHEMA_VERSION}; use the stillwatch release that wrote it, or "
            "`stillwatch migrate` of one in between"
        )
    return manifest
