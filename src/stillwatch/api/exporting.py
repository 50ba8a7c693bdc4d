"""A whole listing as a file: streamed, with its number of rows, and entered into the audit trail."""

import re
from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from stillwatch.api.paging import ARROW, JSON, Form, arrow_bytes, encode

ROWS_HEADER: Final = "x-stillwatch-rows"
MEDIA_TYPES: Final[dict[Form, str]] = {
    "csv": "text/csv; charset=utf-8",
    "json": JSON,
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "arrow": ARROW,
}
AT_ONCE: Final = 20_000
"""Rows that are made into text at once: some megabytes."""
FORMULA: Final = "^[=+\\-@\t\r\n]"
"""A spreadsheet runs a cell that begins with one of these (OWASP, CSV injection)."""


def exported(request: Request, rows: pa.Table, name: str, form: Form) -> Response:
    """All rows as a file named after the listing; the audit trail says who took which listing with how many rows."""
    audit_export(request, name, form, rows.num_rows)
    headers = {
        "content-disposition": f'attachment; filename="{re.sub("[^A-Za-z0-9._-]", "_", name)}.{form}"',
        ROWS_HEADER: str(rows.num_rows),
        "vary": "accept",
    }
    media_type = MEDIA_TYPES[form]
    if form == "parquet":
        return Response(_parquet(rows), headers=headers, media_type=media_type)
    if form == "arrow":
        return Response(arrow_bytes(rows), headers=headers, media_type=media_type)
    parts = {"csv": csv_parts, "json": _json_parts, "jsonl": _jsonl_parts}[form](rows)
    return StreamingResponse(parts, headers=headers, media_type=media_type)


def audit_export(request: Request, name: str, form: str, n_rows: int) -> None:
    """Have the door enter this call into the audit trail before its answer leaves."""
    request.scope["audit_subject"] = f"export of {name}: {n_rows} rows as {form}"
    request.scope["audit_export"] = True


def csv_parts(rows: pa.Table) -> Iterator[bytes]:
    """The rows as CSV, header first; lists are joined by `;`, and what a spreadsheet would run follows a quote."""
    for number, part in enumerate(_parts(rows)):
        sink = pa.BufferOutputStream()
        plain = pa.table([_as_text(column) for column in part.columns], names=part.column_names)
        pcsv.write_csv(plain, sink, pcsv.WriteOptions(include_header=not number, quoting_style="needed"))
        yield sink.getvalue().to_pybytes()


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_list(kind):
        column = pc.binary_join(column.cast(pa.list_(pa.string())), ";")
    elif pa.types.is_timestamp(kind):
        column = pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    elif not pa.types.is_string(kind):
        return column
    return pc.if_else(pc.match_substring_regex(column, FORMULA), pc.binary_join_element_wise("'", column, ""), column)


def _json_parts(rows: pa.Table) -> Iterator[bytes]:
    """One page that holds every row."""
    yield b'{"rows":['
    for number, part in enumerate(_parts(rows)):
        body = encode(part.to_pylist())[1:-1]
        yield b"," + body if number and body else body
    yield b'],"next":null,"total":%d,"at":0}' % rows.num_rows


def _jsonl_parts(rows: pa.Table) -> Iterator[bytes]:
    for part in _parts(rows):
        yield b"".join(encode(row) + b"\n" for row in part.to_pylist())


def _parquet(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _parts(rows: pa.Table) -> Iterator[pa.Table]:
    """Runs of rows; one without any for an empty table, so that its header is written."""
    for start in range(0, max(rows.num_rows, 1), AT_ONCE):
        yield rows.slice(start, AT_ONCE)
