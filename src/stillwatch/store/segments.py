"""Rows to Parquet segments: shape check, split by partition, one file's bytes."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.errors import SchemaMismatch
from stillwatch.model.table import Partition, Table
from stillwatch.store.manifest import Segment

TAKE_BYTES = 256 * 2**20
"""Most Arrow bytes rearranged at once: far below the 2 GiB that the offsets of a text column can address."""

_PARTITION_NAME = re.compile(r"[A-Za-z0-9_+:@-][A-Za-z0-9._+:@-]{0,199}")


def folder_of(table: Table, partition: str) -> str:
    """The folder of a partition, relative to the lake.

    Raises:
        SchemaMismatch: `partition` cannot name a partition of `table`.
    """
    if table.partition is Partition.NONE:
        if partition:
            raise SchemaMismatch(f"table {table.name} is not partitioned, got partition {partition!r}; give ''")
        return table.name
    if not _PARTITION_NAME.fullmatch(partition):
        raise SchemaMismatch(
            f"table {table.name}: {partition!r} cannot name a partition by {table.partition.value}; "
            "use 1 to 200 letters, digits or . _ + : @ -, not starting with a dot"
        )
    return f"{table.name}/{table.partition.value}={partition}"


def conform(table: Table, rows: pa.Table | pa.RecordBatch) -> pa.Table:
    """`rows` in the column order and with the exact schema of `table`; no value is changed.

    Raises:
        SchemaMismatch: a column is missing, unknown or of another type, or a required column holds a null.
    """
    schema = table.schema
    _check_names(table, rows.schema.names)
    columns = [rows.column(name) for name in schema.names]
    for field, column in zip(schema, columns, strict=True):
        if column.type != field.type:
            raise SchemaMismatch(
                f"table {table.name}: column {field.name} must be {field.type}, got {column.type}; cast it first"
            )
        if not field.nullable and column.null_count:
            raise SchemaMismatch(
                f"table {table.name}: required column {field.name} has {column.null_count} nulls in "
                f"{rows.num_rows} rows; quarantine or fill them first"
            )
    return pa.Table.from_arrays(columns, schema=schema)


def completed(table: Table, rows: pa.Table) -> pa.Table:
    """The rows of a segment; nullable columns that its release did not write yet are null."""
    absent = [field for field in table.schema if field.nullable and field.name not in rows.schema.names]
    for field in absent:
        rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows


def _check_names(table: Table, names: list[str]) -> None:
    missing = sorted(set(table.schema.names) - set(names))
    unknown = sorted(set(names) - set(table.schema.names))
    if missing or unknown or len(names) != len(table.schema.names):
        raise SchemaMismatch(
            f"table {table.name}: columns do not match; missing {missing}, unknown {unknown}, got {len(names)} columns "
            f"for {len(table.schema.names)}; select exactly the columns of the floor plan"
        )


def split(table: Table, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """`rows` by partition name, in ascending order of partition and with the order of rows kept in each.

    Parts of more than one partition are copies, so that dropping one frees its memory.
    """
    if table.partition is Partition.NONE:
        yield "", rows
        return
    n_pieces = max(1, -(-rows.nbytes // TAKE_BYTES))
    n_each = max(1, -(-rows.num_rows // n_pieces))
    for start in range(0, rows.num_rows, n_each):
        yield from _split_piece(rows.slice(start, n_each), table.partition.value)


def _split_piece(rows: pa.Table, column: str) -> Iterator[tuple[str, pa.Table]]:
    names = rows[column].combine_chunks()
    extremes = pc.min_max(names)
    if extremes["min"] == extremes["max"]:
        yield str(extremes["min"].as_py()), rows
        return
    order = pc.sort_indices(names)  # stable
    counts = pc.value_counts(names.take(order))
    start = 0
    for name, n in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True):
        yield str(name), rows.take(order.slice(start, n))
        start += n


def encode(rows: pa.Table) -> pa.Buffer:
    """The bytes of one zstd Parquet file with `rows`; equal rows give equal bytes.

    NOTE: one row group for all rows: groups of 131,072 took 1.8 times as long, and engines share out whole segments.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd", row_group_size=max(1, rows.num_rows))
    return sink.getvalue()


def digest(body: pa.Buffer | bytes) -> str:
    """The hexadecimal BLAKE2b-128 of a file's bytes."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def describe(path: str, rows: pa.Table, body: pa.Buffer) -> Segment:
    """The manifest's words for the segment of `rows` whose file holds `body`."""
    earliest, latest = _ingestion_span(rows)
    return Segment(
        path=path,
        n_rows=rows.num_rows,
        n_bytes=body.size,
        digest=digest(body),
        min_ingested_at=earliest,
        max_ingested_at=latest,
    )


def _ingestion_span(rows: pa.Table) -> tuple[datetime | None, datetime | None]:
    if "ingested_at" not in rows.schema.names:
        return None, None
    extremes = pc.min_max(rows["ingested_at"])
    return extremes["min"].as_py(), extremes["max"].as_py()


def tables_of(rows: pa.Table | Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """`rows` as a stream of Arrow tables."""
    if isinstance(rows, pa.Table):
        yield rows
        return
    for batch in rows:
        yield batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
