"""Pages of a listing: filtered, cut behind the last row that was seen, in JSON or Arrow by what the caller accepts."""

import base64
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from starlette.requests import Request
from starlette.responses import Response

from stillwatch.api.bodies import Refused

ARROW: Final = "application/vnd.apache.arrow.stream"
JSON: Final = "application/json"
MOST_ROWS: Final = 10_000


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Behind which row a page begins. `pinned` keeps all pages of a listing on one detection run."""

    listing: str
    pinned: str
    key: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """What can be listed: the columns that identify a row, and those that may be asked for by value or time."""

    name: str
    key: tuple[str, ...]
    filters: tuple[str, ...] = ()
    time: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller asked of a listing."""

    limit: int
    cursor: str | None = None
    equal: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None


def pinned_run(listing: Listing, cursor: str | None) -> str | None:
    """The detection run that a cursor was made for; None without a cursor."""
    return _read_cursor(listing, cursor).pinned or None if cursor else None


def page(rows: pa.Table, listing: Listing, wanted: Wanted, *, pinned: str = "") -> tuple[pa.Table, str | None]:
    """The rows of one page and the cursor of the next; the rows of a listing come in one unchanging order.

    Raises:
        Refused: the cursor is not of this listing, or its row is gone.
    """
    chosen = _filtered(rows, listing, wanted)
    start = 0
    if wanted.cursor:
        start = _place(chosen, listing, _read_cursor(listing, wanted.cursor)) + 1
    cut = chosen.slice(start, wanted.limit)
    if start + wanted.limit >= chosen.num_rows:
        return cut, None
    last = tuple(cut[name][-1].as_py() for name in listing.key)
    return cut, _write_cursor(_Cursor(listing.name, pinned, last))


def answer(request: Request, rows: pa.Table, following: str | None) -> Response:
    """One page in the form that the caller accepts; the next page is also in the `Link` header."""
    headers = {"vary": "accept"}
    if following is not None:
        following_url = request.url.include_query_params(cursor=following)
        headers["link"] = f'<{following_url.path}?{following_url.query}>; rel="next"'
    if ARROW in request.headers.get("accept", ""):
        return Response(_arrow_bytes(rows), headers=headers, media_type=ARROW)
    return Response(encode({"rows": rows.to_pylist(), "next": following}), headers=headers, media_type=JSON)


def encode(value: object) -> bytes:
    """JSON with times as ISO 8601 in UTC and numbers that are not finite as null."""
    return msgspec.json.encode(value, enc_hook=str)


def _arrow_bytes(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _filtered(rows: pa.Table, listing: Listing, wanted: Wanted) -> pa.Table:
    masks = [pc.equal(rows[name], pa.scalar(value, pa.string())) for name, value in wanted.equal.items()]
    if listing.time is not None:
        column = rows[listing.time]
        if wanted.since is not None:
            masks.append(pc.greater_equal(column, pa.scalar(wanted.since, column.type)))
        if wanted.until is not None:
            masks.append(pc.less(column, pa.scalar(wanted.until, column.type)))
    if masks:
        rows = rows.filter(functools.reduce(pc.and_kleene, masks))
    return rows


def _place(rows: pa.Table, listing: Listing, cursor: _Cursor) -> int:
    """Position of the row that the cursor names."""
    same = [
        pc.equal(rows[name], pa.scalar(value, rows[name].type))
        for name, value in zip(listing.key, cursor.key, strict=True)
    ]
    mask = functools.reduce(pc.and_kleene, same)
    found = pc.index(mask, True).as_py()
    if found < 0:
        raise Refused(410, "the row of this cursor is gone; begin again without a cursor")
    return int(found)


def _write_cursor(cursor: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def _read_cursor(listing: Listing, text: str) -> _Cursor:
    try:
        body = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
        cursor = msgspec.json.decode(body, type=_Cursor)
    except (ValueError, msgspec.DecodeError) as error:
        raise Refused(400, "the cursor is not one of this server") from error
    if cursor.listing != listing.name or len(cursor.key) != len(listing.key):
        raise Refused(400, f"the cursor is not one of {listing.name}")
    return cursor


def as_moment(text: str | None, name: str) -> datetime | None:
    """A time of a query in UTC; without a zone it is UTC already."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(422, f"{name} takes a time such as 2026-05-01T12:00:00Z") from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
