"""The canonical format: rows in the words of `exchange_records`, as Parquet, JSON lines or CSV."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import msgspec
import pyarrow as pa

from stillwatch.errors import SourceError
from stillwatch.model.tables import TEXT
from stillwatch.sources.base import RAW_RECORDS, Parsed, Reject, with_compressed
from stillwatch.sources.casts import cast_column
from stillwatch.sources.chunks import frame_records, parse_objects, rejected
from stillwatch.sources.coercion import canonical_json
from stillwatch.sources.columns import Values, each_distinct
from stillwatch.sources.csvblocks import read_csv
from stillwatch.sources.frames import PARQUET_MAGIC, Frame, frames_of, parquet_columns, read_parquet
from stillwatch.sources.jsonlines import BYTE_ORDER_MARK, decode_object, is_json_lines, read_lines
from stillwatch.sources.records import allowed_attributes, mapping
from stillwatch.sources.streams import SteadyStream

REQUIRED = ("source_record_id", "account_id", "start_time", "request_model")
"""Columns that a file must have."""
NEVER_NULL = ("source_record_id", "start_time", "request_model")
"""Columns that every row must have; a row without account is kept and skips detection."""
COLUMNS = frozenset(RAW_RECORDS.names) - {"line_no"}


@dataclass(frozen=True, slots=True)
class Canonical:
    """Reads `source_record_id, account_id, start_time, request_model` and any other column of RAW_RECORDS."""

    name: str = "canonical"
    version: str = "1"
    suffixes: tuple[str, ...] = (".parquet", *with_compressed(".jsonl", ".ndjson", ".csv"))
    seek_suffixes: tuple[str, ...] = (".parquet",)
    identity_order: tuple[str, ...] = ("account_id", "org_id", "api_key_id", "end_user_id")

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:
        """Yield the rows in chunks; the form is told by the first bytes, then the file's name, then the first sign."""
        steady = SteadyStream(stream)
        head = steady.head(64).removeprefix(BYTE_ORDER_MARK).lstrip()
        if head.startswith(PARQUET_MAGIC):
            yield from _parse_parquet(stream, uri)
        elif is_json_lines(head, uri):
            yield from parse_objects(read_lines(steady), decode_object, _known, required=NEVER_NULL)
        elif head:
            yield from _parse_csv(steady, uri)
        elif truncation := steady.truncation(1):
            yield rejected(truncation)

    def parse_table(self, table: pa.Table, *, uri: str) -> Iterator[Parsed]:
        """Yield the rows of a table in memory in chunks, in its order.

        Raises:
            SourceError: a required column is missing.
        """
        _check_columns(table.column_names, uri)
        for frame in frames_of(table, uri=uri):
            yield _parsed(frame)


SOURCE = Canonical()


def _parse_parquet(stream: BinaryIO, uri: str) -> Iterator[Parsed]:
    if not stream.seekable():
        raise SourceError(f"{uri} is Parquet but its stream cannot seek; unpack the file first")
    stream.seek(0)
    _check_columns(parquet_columns(stream, uri=uri), uri)
    for frame in read_parquet(stream, uri=uri, wanted=COLUMNS):
        yield _parsed(frame)


def _parse_csv(stream: SteadyStream, uri: str) -> Iterator[Parsed]:
    for frame in read_csv(stream, uri=uri, check_header=lambda names: _check_columns(names, uri)):
        yield _parsed(frame)


def _known(record: Mapping[str, object]) -> Mapping[str, object]:
    """The values of known columns; structures inside the two JSON columns become text."""
    known = {name: value for name, value in record.items() if name in COLUMNS}
    tools = known.get("tool_definitions")
    if isinstance(tools, (dict, list)):
        known["tool_definitions"] = canonical_json(tools)
    attributes = known.get("attributes")
    if attributes is not None:
        known["attributes"] = _harmless(attributes if isinstance(attributes, str) else canonical_json(attributes))
    return known


def _harmless(text: str) -> str | None:
    """A JSON object as text without what may be a credential; null for anything else."""
    try:
        return allowed_attributes(mapping(msgspec.json.decode(text)))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _check_columns(names: list[str], uri: str) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise SourceError(
            f"{uri} lacks the required columns {', '.join(missing)}; add them, or describe the file with a mapping "
            "and ingest it with --source mapped"
        )


def _parsed(frame: Frame | Reject) -> Parsed:
    if isinstance(frame, Reject):
        return rejected(frame)
    known = [name for name in frame.batch.schema.names if name in COLUMNS]
    columns: dict[str, Values] = {name: frame.batch.column(name) for name in known}
    if "attributes" in columns:
        texts = cast_column(columns["attributes"], TEXT)
        columns["attributes"] = pa.nulls(frame.batch.num_rows, TEXT) if texts is None else texts
        columns["attributes"] = each_distinct(columns["attributes"], _harmless, TEXT)
    return frame_records(frame, columns, required=NEVER_NULL)
