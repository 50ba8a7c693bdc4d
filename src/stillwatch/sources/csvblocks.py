"""CSV in blocks of whole records: Arrow reads a sound block at once, a damaged one is read record by record."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from stillwatch.errors import SourceError
from stillwatch.sources.base import Reject
from stillwatch.sources.digests import raw_digest
from stillwatch.sources.frames import Frame
from stillwatch.sources.jsonlines import BYTE_ORDER_MARK
from stillwatch.sources.streams import SteadyStream

BLOCK_BYTES = 4 << 20
MAX_RECORD_BYTES = 16 << 20
"""A quote that is still open after so much is taken for one that never closes."""
MAX_COLUMNS = 4096
NEWLINE, RETURN, COMMA, QUOTE = b'\n\r,"'
csv.field_size_limit(2 * MAX_RECORD_BYTES)


@dataclass(frozen=True, slots=True)
class Record:
    """One record as bytes, and its fields; none when the record is damaged."""

    raw: bytes
    fields: list[bytes]


def read_csv(stream: SteadyStream, *, uri: str, check_header: Callable[[list[str]], None]) -> Iterator[Frame | Reject]:
    """Frames of a CSV file (RFC 4180, comma, first line names the columns), every column as bytes.

    A record with another number of fields than the header is a reject. A quote that never closes costs the line that
    opened it, not the lines after it. `line_no` counts records after the header, from 1. `check_header` sees the
    column names first and may raise.

    Raises:
        SourceError: there is no header, or a column name comes twice.
    """
    held = stream.head(3) and stream.read().removeprefix(BYTE_ORDER_MARK)
    while b"\n" not in held and len(held) <= MAX_RECORD_BYTES and (chunk := stream.read()):
        held += chunk
    header, held = _header(held, uri)
    check_header(header)
    line_no, torn, is_end = 1, b"", False
    while not is_end:
        chunk = stream.read()
        is_end = not chunk
        held += chunk
        if len(held) < BLOCK_BYTES and not is_end:
            continue
        if stream.fault is not None:
            cut = _sound_end(held) or held.rfind(b"\n") + 1
            held, torn = held[:cut], held[cut:]
        for part in _frames(held, header, line_no, is_end=is_end):
            if isinstance(part, bytes):
                held = part
                continue
            yield part
            line_no += 1 if isinstance(part, Reject) else part.batch.num_rows
    if truncation := stream.truncation(line_no, torn):
        yield truncation


def _header(held: bytes, uri: str) -> tuple[list[str], bytes]:
    line, _, rest = held.partition(b"\n")
    try:
        names = [name.strip() for name in next(csv.reader([line.decode().rstrip("\r")]), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{uri} does not begin with a line of column names in UTF-8; is it CSV?") from error
    if not any(names) or len(names) > MAX_COLUMNS or len(set(names)) < len(names):
        raise SourceError(f"{uri} does not begin with a line of distinct column names; is it CSV with a header?")
    return names, rest


def _frames(held: bytes, header: list[str], line_no: int, *, is_end: bool) -> Iterator[Frame | Reject | bytes]:
    """Frames and rejects of the whole records in `held`; last the bytes that are left for the next block."""
    cut = _sound_end(held)
    table = _read_at_once(held[:cut], header) if cut else None
    if table is None:
        yield from _one_by_one(held, header, line_no, is_end=is_end)
        return
    for batch in table.combine_chunks().to_batches():
        yield frame_of(batch, line_no)
        line_no += batch.num_rows
    if is_end:
        yield from _one_by_one(held[cut:], header, line_no, is_end=True)
    else:
        yield held[cut:]


def _sound_end(block: bytes) -> int:
    """Position after the last record end, 0 when there is none or when a quote stands where RFC 4180 has none."""
    signs = np.frombuffer(block, np.uint8)
    is_quote = signs == QUOTE
    inside = np.cumsum(is_quote) & 1
    ends = np.flatnonzero((signs == NEWLINE) & (inside == 0))
    quotes = np.flatnonzero(is_quote)
    opening, closing = quotes[0::2], quotes[1::2]
    before = signs[opening[opening > 0] - 1]
    after = signs[closing[closing + 1 < len(signs)] + 1]
    sound = np.isin(before, (COMMA, NEWLINE, QUOTE)).all() and np.isin(after, (COMMA, NEWLINE, RETURN, QUOTE)).all()
    return int(ends[-1]) + 1 if len(ends) and sound else 0


def _read_at_once(block: bytes, header: list[str]) -> pa.Table | None:
    """The block as columns of bytes; None when a record has another width than the header."""
    parsing = pa.csv.ParseOptions(newlines_in_values=True)
    reading = pa.csv.ReadOptions(column_names=header, use_threads=False, block_size=len(block) + 1)
    kinds = pa.csv.ConvertOptions(column_types=dict.fromkeys(header, pa.binary()), strings_can_be_null=False)
    try:
        return pa.csv.read_csv(io.BytesIO(block), read_options=reading, parse_options=parsing, convert_options=kinds)
    except pa.ArrowInvalid:
        return None


def frame_of(batch: pa.RecordBatch, line_no: int) -> Frame:
    """The frame of records read as bytes, counting those that are not empty."""
    n = batch.num_rows
    counts = {}
    for i, name in enumerate(batch.schema.names):
        filled = pc.greater(pc.binary_length(batch.column(i)), 0)
        counts[name] = pc.sum(filled.cast(pa.int64())).as_py() or 0
    return Frame(pa.array(range(line_no, line_no + n), pa.int64()), batch, counts)


def _one_by_one(held: bytes, header: list[str], line_no: int, *, is_end: bool) -> Iterator[Frame | Reject | bytes]:
    """Frames and rejects of a damaged block, record by record; last the bytes that are left."""
    rows: list[list[bytes]] = []
    rest = b""
    for record in _records(held, len(header), is_end=is_end):
        if isinstance(record, bytes):
            rest = record
        elif len(record.fields) == len(header):
            rows.append(record.fields)
        else:
            if rows:
                yield frame_of(_batch(rows, header), line_no)
            line_no += len(rows)
            rows = []
            detail = f"expected {len(header)} fields, got {len(record.fields)}"
            yield Reject(line_no, "bad_csv", detail, len(record.raw), raw_digest(record.raw))
            line_no += 1
    if rows:
        yield frame_of(_batch(rows, header), line_no)
    yield rest


def _batch(rows: list[list[bytes]], header: list[str]) -> pa.RecordBatch:
    columns = [pa.array([row[i] for row in rows], pa.binary()) for i in range(len(header))]
    return pa.RecordBatch.from_arrays(columns, names=header)


def _records(held: bytes, n_fields: int, *, is_end: bool) -> Iterator[Record | bytes]:
    """Each record of `held`; one over several lines that does not come out right ends at its first line.

    Unless this is the end of the file, the record that reaches the end of `held` is given back as bytes, to be read
    again with what follows. Bytes pass through the reader as Latin-1, so that each comes out as it went in.
    """
    lines = [line + "\n" for line in held.decode("latin-1").split("\n")]
    lines[-1] = lines[-1][:-1]
    start, length = 0, len(held)
    while start < len(lines):
        fields, n_lines = _read_one(lines[i] for i in range(start, len(lines)))
        raw = "".join(lines[start : start + n_lines])
        if start + n_lines >= len(lines) and not is_end and length <= MAX_RECORD_BYTES:
            yield raw.encode("latin-1")
            return
        if n_lines > 1 and len(fields) != n_fields:
            (fields, n_lines), raw = _read_one(iter(lines[start : start + 1])), lines[start]
        start += n_lines
        length -= len(raw)
        if raw.strip():
            yield Record(raw.encode("latin-1"), [field.encode("latin-1") for field in fields])


def _read_one(lines: Iterator[str]) -> tuple[list[str], int]:
    """Fields of the next record, none when it cannot be read, and how many lines were read for it (1 or more)."""
    reader = csv.reader(lines, strict=True)
    try:
        fields = next(reader, [])
    except csv.Error:
        fields = []
    return fields, max(1, reader.line_num)
