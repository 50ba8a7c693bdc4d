"""Text that the retention policy keeps: each body once a day, under a keyed reference."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.ingest.keyset import Keys as KeyArray
from stillwatch.ingest.known import KnownKeys, read_column
from stillwatch.ingest.redaction import redact_secrets
from stillwatch.model.tables import CONTENTS
from stillwatch.sketches import hash_texts
from stillwatch.store.lake import Snapshot

KINDS = {
    "system_instructions": ("system_instructions", "system_instructions_ref"),
    "input_messages": ("prompt", "input_messages_ref"),
    "output_messages": ("output", "output_messages_ref"),
    "tool_definitions": ("tool_definitions", "tool_definitions_ref"),
}
"""Kind of content to the raw column that holds it and the column that refers to it."""

_DAY_STEP = np.int64(0x9E3779B97F4A7C1)
"""Odd: the key of one body differs from day to day, because each day expires with its own copy."""


class ContentStore:
    """Turns texts of raw rows into references and the bodies that are not stored yet on their day.

    A reference is the keyed BLAKE2b-128 of kind and body. Secrets in a body are replaced before it is stored.
    """

    def __init__(self, key: bytes, *, snapshot: Snapshot, n_keys: int) -> None:
        self._key = key
        self._known = KnownKeys(CONTENTS, _read_keys, snapshot=snapshot, n_keys=n_keys)

    def keep(
        self, raw: pa.RecordBatch, days: pa.Array, *, ingested_at: datetime, expires_at: datetime
    ) -> tuple[dict[str, pa.Array], pa.RecordBatch]:
        """The reference columns of the rows, and rows of `contents` for the bodies that are new."""
        refs, parts = {}, []
        for kind, (column, ref_column) in KINDS.items():
            bodies = redact_secrets(raw[column])
            refs[ref_column] = self._references(kind, bodies)
            parts.append(self._fresh(kind, bodies, refs[ref_column], days))
        fresh = pa.concat_tables(parts).combine_chunks()
        for name, moment in (("ingested_at", ingested_at), ("expires_at", expires_at)):
            fresh = fresh.append_column(
                name, pa.repeat(pa.scalar(moment, pa.timestamp("us", tz="UTC")), fresh.num_rows)
            )
        columns = [_only_chunk(fresh, name) for name in CONTENTS.schema.names]
        return refs, pa.RecordBatch.from_arrays(columns, schema=CONTENTS.schema)

    def committed(self, snapshot: Snapshot) -> None:
        """All that was kept is in `snapshot`."""
        self._known.committed(snapshot)

    def _references(self, kind: str, bodies: pa.Array) -> pa.Array:
        encoded = bodies.dictionary_encode()
        distinct = [
            hashlib.blake2b(body.encode(), digest_size=16, key=self._key, person=kind.encode()[:16]).hexdigest()
            for body in encoded.dictionary.to_pylist()
        ]
        return pa.array(distinct, pa.string()).take(encoded.indices)

    def _fresh(self, kind: str, bodies: pa.Array, refs: pa.Array, days: pa.Array) -> pa.Table:
        rows = pa.table({"day": days, "content_ref": refs, "body": bodies}).filter(pc.is_valid(refs))
        day_numbers = np.asarray(rows["day"].cast(pa.int32())).astype(np.int64)
        is_new = self._known.add(_keys(rows["content_ref"].combine_chunks(), day_numbers), day_numbers)
        rows = rows.filter(pa.array(is_new))
        rows = rows.append_column("kind", pa.repeat(pa.scalar(kind), rows.num_rows))
        return rows.append_column("n_chars", pc.utf8_length(rows["body"]).cast(pa.int64()))


def _only_chunk(rows: pa.Table, name: str) -> pa.Array:
    return pa.concat_arrays(rows[name].chunks) if rows[name].num_chunks else pa.nulls(0, rows[name].type)


def _keys(refs: pa.Array, days: KeyArray) -> KeyArray:
    with np.errstate(over="ignore"):
        keys: KeyArray = np.asarray(hash_texts(refs)) ^ (days * _DAY_STEP)
    return keys


def _read_keys(files: Sequence[str]) -> KeyArray:
    days = np.asarray(read_column(files, "day").cast(pa.int32())).astype(np.int64)
    return _keys(read_column(files, "content_ref"), days)
