"""Column files (Parquet, CSV) cut into frames: a few thousand records as Arrow columns."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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
MAX_ROW_BYTES = 64 << 20
"""As the longest line of a text file."""


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
        file = _opened(stream)
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
    size = min(MAX_FRAME_RECORDS, max(1, FRAME_BYTES * table.num_rows // max(1, table.nbytes)))
    line_no = 1
    for batch in table.combine_chunks().to_batches(max_chunksize=size):
        n = batch.num_rows
        counts = {name: n - batch.column(i).null_count for i, name in enumerate(batch.schema.names)}
        yield Frame(pa.array(range(line_no, line_no + n), pa.int64()), batch, counts)
        line_no += n


def _opened(stream: BinaryIO) -> pq.ParquetFile:
    """The file with its text columns left as dictionaries, as they are stored.

    NOTE: a megabyte of text that every row repeats is stored once; written out by row it would be a terabyte.
    """
    metadata = pq.ParquetFile(stream).metadata
    schema = metadata.schema.to_arrow_schema()
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
    return pq.ParquetFile(stream, metadata=metadata, read_dictionary=texts)


def _bounded(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch cut where its text, written out by row, would pass FRAME_BYTES."""
    if _bound(batch) <= FRAME_BYTES:
        yield batch
        return
    ends = np.cumsum(_row_bytes(batch))
    start = 0
    while start < batch.num_rows:
        done = int(ends[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(ends, done + FRAME_BYTES, side="right")))
        yield batch.slice(start, end - start)
        start = end


def _bound(batch: pa.RecordBatch) -> int:
    """Bytes that the batch's dictionaries can make at most when they are written out by row."""
    dictionaries = [column for column in batch.columns if pa.types.is_dictionary(column.type)]
    longest = (int(pc.max(pc.binary_length(column.dictionary)).as_py() or 0) for column in dictionaries)
    return int(batch.num_rows) * sum(longest)


def _row_bytes(batch: pa.RecordBatch) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Bytes of text of each row, shape `(n_rows,)`; other columns count nothing."""
    total = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            lengths = pc.binary_length(column.dictionary).cast(pa.int64()).take(column.indices)
        elif is_text(column.type):
            lengths = pc.binary_length(column).cast(pa.int64())
        else:
            continue
        total += np.asarray(pc.fill_null(lengths, 0))
    return total


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
        size = min(MAX_FRAME_RECORDS, max(1, FRAME_BYTES // mean_bytes))
        unread = {name: n for name, n in _unread_counts(file, group, names).items() if n > 0}
        for whole in file.iter_batches(batch_size=size, row_groups=[group], columns=names, use_threads=False):
            for batch in _bounded(whole):
                n = batch.num_rows
                if n == 1 and int(_row_bytes(batch)[0]) > MAX_ROW_BYTES:
                    yield Reject(line_no, "row_too_long", "row is beyond the limit", 0, raw_digest(b""))
                    line_no += 1
                    continue
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
