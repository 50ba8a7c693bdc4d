"""Records of a Langfuse export, whatever its file format, and names that its tables and its API spell differently."""

from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO

import msgspec

from stillwatch.sources.base import Reject, uncompressed_name
from stillwatch.sources.csvblocks import read_csv
from stillwatch.sources.documents import read_documents
from stillwatch.sources.frames import python_rows, read_parquet
from stillwatch.sources.jsonlines import Line, decode_object
from stillwatch.sources.records import Record
from stillwatch.sources.streams import SteadyStream


def parquet_records(stream: BinaryIO, uri: str) -> Iterator[tuple[Line, Record] | Reject]:
    """Every row of a Parquet file with its position."""
    for frame in read_parquet(stream, uri=uri):
        if isinstance(frame, Reject):
            yield frame
        else:
            yield from _numbered(frame.line_nos.to_pylist(), python_rows(frame.batch, uri))


def text_records(steady: SteadyStream, uri: str) -> Iterator[tuple[Line, Record] | Reject]:
    """Every record of a CSV file, of JSON lines or of a JSON array, with its line or position."""
    if not uncompressed_name(uri).endswith(".csv"):
        for item in read_documents(steady):
            if isinstance(item, Reject):
                yield item
                continue
            record = decode_object(item)
            yield record if isinstance(record, Reject) else (item, record)
        return
    for frame in read_csv(steady, uri=uri, check_header=lambda _: None):
        if isinstance(frame, Reject):
            yield frame
        else:
            yield from _numbered(frame.line_nos.to_pylist(), python_rows(frame.batch, uri))


def field_of(record: Record, name: str) -> object:
    """The value under a name as the tables spell it (`trace_id`) or as the API does (`traceId`); empty text is null."""
    value = record.get(name)
    if value is None or value == "":
        value = record.get(_camel(name))
    return None if value == "" else value


def _numbered(line_nos: list[int], rows: list[dict[str, object]]) -> Iterator[tuple[Line, Record]]:
    for line_no, row in zip(line_nos, rows, strict=True):
        yield Line(line_no, msgspec.json.encode(row, enc_hook=str)), row


@lru_cache(maxsize=64)
def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
