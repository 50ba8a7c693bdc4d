"""The canonical format: rows in the words of `exchange_records`, as Parquet, JSON lines or CSV."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

from stillwatch.errors import SourceError
from stillwatch.sources.base import RAW_RECORDS, Parsed, Reject, with_compressed
from stillwatch.sources.chunks import parse_objects, rejected
from stillwatch.sources.coercion import canonical_json
from stillwatch.sources.columns import Values, records
from stillwatch.sources.csvblocks import read_csv
from stillwatch.sources.digests import raw_digest
from stillwatch.sources.fields import FieldCounter
from stillwatch.sources.frames import PARQUET_MAGIC, Frame, parquet_columns, read_parquet
from stillwatch.sources.jsonlines import BYTE_ORDER_MARK, decode_object, read_lines
from stillwatch.sources.streams import SteadyStream

REQUIRED = ("source_record_id", "account_id", "start_time", "request_model")
"""Columns that a file must have."""
NEVER_NULL = ("source_record_id", "start_time", "request_model")
"""Columns that every row must have; a row without account is kept and skips detection."""
COLUMNS = frozenset(RAW_RECORDS.names) - {"line_no"}
JSON_COLUMNS = frozenset({"tool_definitions", "attributes"})


@dataclass(frozen=True, slots=True)
class Canonical:
    """Reads `source_record_id, account_id, start_time, request_model` and any other column of RAW_RECORDS."""

    name: str = "canonical"
    version: str = "1"
    suffixes: tuple[str, ...] = (".parquet", *with_compressed(".jsonl", ".ndjson", ".csv"))
    seek_suffixes: tuple[str, ...] = (".parquet",)
    identity_order: tuple[str, ...] = ("account_id", "org_id", "api_key_id", "end_user_id")

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:
        """Yield the rows in chunks; the form is told by the first bytes, CSV from JSON lines by the first sign."""
        steady = SteadyStream(stream)
        head = steady.head(64).removeprefix(BYTE_ORDER_MARK).lstrip()
        if head.startswith(PARQUET_MAGIC):
            yield from _parse_parquet(stream, uri)
        elif head[:1] in (b"{", b"["):
            yield from parse_objects(read_lines(steady), decode_object, _known, required=NEVER_NULL)
        elif head:
            yield from _parse_csv(steady, uri)
        elif truncation := steady.truncation(1):
            yield rejected(truncation)


SOURCE = Canonical()


def _parse_parquet(stream: BinaryIO, uri: str) -> Iterator[Parsed]:
    if not stream.seekable():
        raise SourceError(f"{uri} is Parquet but its stream cannot seek; unpack the file first")
    stream.seek(0)
    _check_columns(parquet_columns(stream, uri=uri), uri)
    for frame in read_parquet(stream, uri=uri, wanted=COLUMNS):
        yield frame_records(frame)


def _parse_csv(stream: SteadyStream, uri: str) -> Iterator[Parsed]:
    for frame in read_csv(stream, uri=uri, check_header=lambda names: _check_columns(names, uri)):
        yield frame_records(frame)


def _known(record: Mapping[str, object]) -> Mapping[str, object]:
    """The values of known columns; structures inside the two JSON columns become text."""
    known = {name: value for name, value in record.items() if name in COLUMNS}
    for name in JSON_COLUMNS & known.keys():
        if isinstance(known[name], (dict, list)):
            known[name] = canonical_json(known[name])
    return known


def _check_columns(names: list[str], uri: str) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise SourceError(
            f"{uri} lacks the required columns {', '.join(missing)}; add them, or describe the file with a mapping "
            "and ingest it with --source mapped"
        )


def frame_records(frame: Frame | Reject) -> Parsed:
    """The chunk of one frame."""
    if isinstance(frame, Reject):
        return rejected(frame)
    columns: dict[str, Values] = {
        name: frame.batch.column(name) for name in frame.batch.schema.names if name in COLUMNS
    }
    batch, flaws = records(columns, frame.line_nos, required=NEVER_NULL)
    fields = FieldCounter()
    for name, n in frame.n_valid.items():
        fields.add_many(name, n)
    rejects = tuple(
        Reject(frame.line_nos[at].as_py(), flaw.reason, flaw.detail, 0, _row_digest(frame.batch, at))
        for at, flaw in sorted(flaws.items())
    )
    return Parsed(rows=batch, rejects=rejects, field_counts=fields.take())


def _row_digest(batch: pa.RecordBatch, position: int) -> str:
    """Digest of the row as a one-row Arrow message: equal for equal rows."""
    return raw_digest(pa.concat_batches([batch.slice(position, 1)]).serialize().to_pybytes())
