"""Column files (Parquet, CSV) cut into frames: a few thousand records as Arrow columns."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.errors import SourceError
from stillwatch.sources.base import Reject
from stillwatch.sources.casts import is_text, rescaled
from stillwatch.sources.digests import raw_digest

PARQUET_MAGIC = b"PAR1"
UNREADABLE = (pa.ArrowException, OSError, ValueError)
"""What Arrow raises on damaged files."""
FRAME_BYTES = 64 << 20
"""Decoded bytes that a frame of a Parquet file should not pass, judged by the mean row of its row group."""
MAX_FRAME_RECORDS = 1 << 17
MIN_FRAME_RECORDS = 256


@dataclass(frozen=True, slots=True)
class Frame:
    """Consecutive records of a file. `line_nos` are their 1-based positions among its records."""

    line_nos: pa.Array
    batch: pa.RecordBatch
    n_valid: dict[str, int]
    """Records with a value, by column; also for columns that were not read."""


def read_parquet(stream: BinaryIO, *, uri: str, wanted: Collection[str] | None = None) -> Iterator[Frame | Reject]:
    """Frames of a Parquet file with only the `wanted` columns read; a damaged row group is one reject.

    Raises:
        SourceError: the stream is no Parquet file, or cannot seek.
    """
    try:
        file = pq.ParquetFile(stream)
        names = [name for name in file.schema_arrow.names if wanted is None or name in wanted]
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    except UNREADABLE as error:
        raise _no_parquet(uri) from error
    line_no = 1
    for group, n in enumerate(sizes):
        yield from _row_group(file, group, names, line_no)
        line_no += max(n, 1)


def frames_of(table: pa.Table, *, uri: str) -> Iterator[Frame]:
    """A table in memory as frames, its rows counted from 1; how it is chunked changes nothing.

    Raises:
        SourceError: two columns have the same name.
    """
    _check_distinct(table.column_names, uri)
    size = min(MAX_FRAME_RECORDS, max(MIN_FRAME_RECORDS, FRAME_BYTES * table.num_rows // max(1, table.nbytes)))
    line_no = 1
    for batch in table.combine_chunks().to_batches(max_chunksize=size):
        n = batch.num_rows
        counts = {name: n - batch.column(i).null_count for i, name in enumerate(batch.schema.names)}
        yield Frame(pa.array(range(line_no, line_no + n), pa.int64()), batch, counts)
        line_no += n


def _no_parquet(uri: str) -> SourceError:
    return SourceError(f"{uri} is not a Parquet file that can be read; check that it was written to its end")


def parquet_columns(stream: BinaryIO, *, uri: str) -> list[str]:
    """Top-level column names of a Parquet file.

    Raises:
        SourceError: the stream is no Parquet file, or two columns have the same name.
    """
    try:
        names: list[str] = pq.ParquetFile(stream).schema_arrow.names
    except UNREADABLE as error:
        raise _no_parquet(uri) from error
    _check_distinct(names, uri)
    return names


def _check_distinct(names: list[str], uri: str) -> None:
    if len(set(names)) < len(names):
        raise SourceError(f"{uri} has two columns of the same name; rename one of them")


def _row_group(file: pq.ParquetFile, group: int, names: list[str], line_no: int) -> Iterator[Frame | Reject]:
    try:
        meta = file.metadata.row_group(group)
        mean_bytes = max(1, meta.total_byte_size // max(1, meta.num_rows))
        size = min(MAX_FRAME_RECORDS, max(MIN_FRAME_RECORDS, FRAME_BYTES // mean_bytes))
        unread = {name: n for name, n in _unread_counts(file, group, names).items() if n > 0}
        for batch in file.iter_batches(batch_size=size, row_groups=[group], columns=names, use_threads=False):
            n = batch.num_rows
            counts = {name: n - batch.column(i).null_count for i, name in enumerate(batch.schema.names)}
            yield Frame(pa.array(range(line_no, line_no + n), pa.int64()), batch, counts | unread)
            line_no += n
            unread = {}
    except UNREADABLE as error:
        detail = f"the rest of row group {group} could not be read: {type(error).__name__}"
        yield Reject(line_no, "truncated_stream", detail, 0, raw_digest(b""))


def _unread_counts(file: pq.ParquetFile, group: int, names: list[str]) -> dict[str, int]:
    """Records with a value in columns that are not read, from the statistics where the file has them."""
    meta = file.metadata.row_group(group)
    counts: dict[str, int] = {}
    for i in range(meta.num_columns):
        column = meta.column(i)
        name = column.path_in_schema.split(".")[0]
        if name not in names:
            statistics = column.statistics
            known = statistics is not None and statistics.has_null_count
            counts[name] = meta.num_rows - (statistics.null_count if known else 0)
    return counts


def python_rows(batch: pa.RecordBatch, uri: str) -> list[dict[str, object]]:
    """Records of a frame as dictionaries; text that is no UTF-8 shows its damage as the replacement sign."""
    columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        values = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        if is_text(values.type):
            raw = values.cast(pa.large_binary()).to_pylist()
            columns[name] = [None if text is None else text.decode("utf-8", "replace") for text in raw]
            continue
        if pa.types.is_timestamp(values.type):
            values = rescaled(values).cast(pa.timestamp("us", tz="UTC"))
        try:
            columns[name] = values.to_pylist()
        except (ValueError, OverflowError) as error:
            raise SourceError(f"{uri}: column {name} of type {values.type} cannot be read; leave it out") from error
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] or [
        {} for _ in range(batch.num_rows)
    ]
