"""The account that ingest gives of one file: its batch, its rejects, its field coverage."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import pyarrow as pa

from stillwatch.model.table import Table
from stillwatch.model.tables import INGEST_BATCHES, INGEST_REJECTS
from stillwatch.sources.base import Reject

COLUMN_PREFIX = "column."
"""In front of the names of our own columns in `field_coverage`; other names are the source's."""

OF_TEXT = {"skeleton_hash": "prompt", "system_hash": "system_instructions", "tools_hash": "tool_definitions"}
"""Sketch -> the text whose presence it tells of; the text itself has no column."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """One row of `ingest_batches`, and how many of its records no account could be named for.

    `records_in = rows_out + duplicates + rejected`. Rows without account are kept and skip detection.
    """

    ingest_batch_id: str
    source: str
    uri: str
    digest: str
    source_version: str
    started_at: datetime
    finished_at: datetime
    records_in: int
    rows_out: int
    duplicates: int
    rejected: int
    field_coverage: str
    n_without_account: int = 0

    def coverage(self) -> dict[str, float]:
        """Share of records that had each field of the source, and of rows out that have each `column.` of ours."""
        return msgspec.json.decode(self.field_coverage, type=dict[str, float])


@dataclass(slots=True)
class Tally:
    """Counts of one file while it is read."""

    rows_out: int = 0
    duplicates: int = 0
    rejected: int = 0
    n_parsed: int = 0
    """Records that the source could read, duplicates included."""
    fields: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)

    @property
    def records_in(self) -> int:
        """Every record counted once."""
        return self.rows_out + self.duplicates + self.rejected

    def add_columns(self, rows: pa.RecordBatch) -> None:
        """Count the rows out and their values by column."""
        self.rows_out += rows.num_rows
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            self.columns[name] += rows.num_rows - column.null_count

    def add_texts(self, sketches: pa.RecordBatch) -> None:
        """Count the texts of rows out, by their sketches; other rows count nothing."""
        for name in OF_TEXT.keys() & set(sketches.schema.names):
            self.columns[OF_TEXT[name]] += sketches.num_rows - sketches[name].null_count

    def coverage(self) -> str:
        """JSON object: share of records with each source field, and of rows out with each `column.`."""
        shares = {name: n / max(1, self.records_in) for name, n in self.fields.items()}
        shares |= {f"{COLUMN_PREFIX}{name}": n / max(1, self.rows_out) for name, n in self.columns.items()}
        return msgspec.json.encode({name: round(share, 6) for name, share in shares.items()}, order="sorted").decode()

    @property
    def n_without_account(self) -> int:
        """Rows out without `account_id`."""
        return self.rows_out - self.columns["account_id"]


def batch_id(source: str, uri: str, digest: str, started_at: datetime) -> str:
    """The id of a batch: equal for equal source, uri, bytes and clock."""
    told = "\0".join((source, uri, digest, started_at.isoformat()))
    return f"batch-{hashlib.blake2b(told.encode(), digest_size=12).hexdigest()}"


def batch_row(report: BatchReport) -> pa.Table:
    """The report as a row of `ingest_batches`."""
    return pa.Table.from_pylist(
        [{name: getattr(report, name) for name in INGEST_BATCHES.schema.names}], schema=INGEST_BATCHES.schema
    )


def reject_rows(ingest_batch_id: str, rejects: Sequence[Reject]) -> pa.Table:
    """Rejects as rows of `ingest_rejects`."""
    return _rows(
        INGEST_REJECTS,
        [
            [ingest_batch_id] * len(rejects),
            [reject.line_no for reject in rejects],
            [reject.reason for reject in rejects],
            [reject.detail for reject in rejects],
            [reject.n_bytes for reject in rejects],
            [reject.digest for reject in rejects],
        ],
    )


def _rows(table: Table, columns: Iterable[Sequence[object]]) -> pa.Table:
    arrays = [pa.array(values, kind.type) for values, kind in zip(columns, table.schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=table.schema)
