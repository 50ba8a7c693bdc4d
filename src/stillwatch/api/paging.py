"""Pages of a listing: filtered, cut behind the last row that was seen or at a place, in JSON or Arrow."""

import base64
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from starlette.requests import Request
from starlette.responses import Response

from stillwatch.api.bodies import Refused

ARROW: Final = "application/vnd.apache.arrow.stream"
JSON: Final = "application/json"
MOST_ROWS: Final = 10_000
TOTAL_HEADER: Final = "x-stillwatch-total"
AT_HEADER: Final = "x-stillwatch-at"
RUN_HEADER: Final = "x-stillwatch-run"

Places = npt.NDArray[np.uint64]
"""Rows by their number, `(n,)`."""
Form = Literal["csv", "json", "jsonl", "parquet", "arrow"]
"""How a whole listing may be exported."""


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
    """What the caller asked of a listing. `at` is a place among the filtered rows, `sort` a column (`-` descending)."""

    limit: int
    cursor: str | None = None
    equal: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    at: int | None = None
    sort: str | None = None
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """One page: its rows, the cursor of the next, how many rows pass the filters, and where among them it begins."""

    rows: pa.Table
    following: str | None = None
    total: int | None = None
    at: int | None = None
    pinned: str = ""


def pinned_run(listing: Listing, cursor: str | None) -> str | None:
    """The detection run that a cursor was made for; None without a cursor."""
    return _read_cursor(listing, cursor).pinned or None if cursor else None


def page(rows: pa.Table, listing: Listing, wanted: Wanted, places: Places | None, *, pinned: str = "") -> Cut:
    """One page of the rows of a listing at `places` (None: all as they stand, which never changes).

    Raises:
        Refused: the cursor is not of this listing, or its row is gone.
    """
    total = rows.num_rows if places is None else int(places.size)
    start = wanted.at or 0
    if wanted.cursor:
        start = _after(rows, places, listing, _read_cursor(listing, wanted.cursor))
    cut = rows.slice(start, wanted.limit) if places is None else rows.take(places[start : start + wanted.limit])
    if start + wanted.limit >= total:
        return Cut(cut, None, total, start, pinned)
    last = tuple(cut[name][-1].as_py() for name in listing.key)
    return Cut(cut, _write_cursor(_Cursor(listing.name, pinned, last)), total, start, pinned)


def places_of(rows: pa.Table, listing: Listing, wanted: Wanted) -> Places | None:
    """Places of the rows that pass the filters, in the order that was asked for; None: all, as they stand.

    Raises:
        Refused: there is no such column to sort by, or it holds lists.
    """
    return _passing(rows, listing, wanted, None if wanted.sort is None else order_of(rows, listing, wanted.sort))


def order_of(rows: pa.Table, listing: Listing, sort: str) -> Places:
    """Places of the rows in the order that was asked for, equal ones by key; nulls last.

    NOTE: sorted by key first and then stably by one column: a sort by both at once compares the keys of equal values
    again and again, which took ten times as long for a million accounts.

    Raises:
        Refused: there is no such column, or it holds lists.
    """
    name = sort.removeprefix("-")
    if name not in rows.column_names or pa.types.is_nested(rows.schema.field(name).type):
        raise Refused(422, f"sort takes a column of {listing.name}, with - before it for the largest first")
    way = "descending" if sort.startswith("-") else "ascending"
    by_key = pc.sort_indices(rows, sort_keys=[(key, "ascending") for key in listing.key])
    column = pa.table({name: rows[name].take(by_key)})
    places: Places = by_key.take(pc.sort_indices(column, sort_keys=[(name, way)])).to_numpy()
    return places


def answer(request: Request, cut: Cut) -> Response:
    """One page in the form that the caller accepts; the next page is also in the `Link` header."""
    headers = {"vary": "accept"}
    if cut.following is not None:
        following_url = request.url.include_query_params(cursor=cut.following).remove_query_params("at")
        headers["link"] = f'<{following_url.path}?{following_url.query}>; rel="next"'
    told = ((TOTAL_HEADER, cut.total), (AT_HEADER, cut.at), (RUN_HEADER, cut.pinned or None))
    headers |= {name: str(value) for name, value in told if value is not None}
    if ARROW in request.headers.get("accept", ""):
        return Response(arrow_bytes(cut.rows), headers=headers, media_type=ARROW)
    body: dict[str, Any] = {"rows": cut.rows.to_pylist(), "next": cut.following}
    if cut.total is not None:
        body |= {"total": cut.total, "at": cut.at}
    return Response(encode(body), headers=headers, media_type=JSON)


def whole(value: object, status: int = 200) -> Response:
    """One object as JSON."""
    return Response(encode(value), status, media_type=JSON)


def encode(value: object) -> bytes:
    """JSON with times as ISO 8601 in UTC and numbers that are not finite as null."""
    return msgspec.json.encode(value, enc_hook=str)


def arrow_bytes(rows: pa.Table) -> bytes:
    """The rows as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _passing(rows: pa.Table, listing: Listing, wanted: Wanted, order: Places | None) -> Places | None:
    """Places of the rows that pass the filters, in `order`; None: all do, as they stand.

    NOTE: places and not rows: of a million rows with twelve columns a page copies its own alone.
    """
    masks = [pc.equal(rows[name], pa.scalar(value, pa.string())) for name, value in wanted.equal.items()]
    if listing.time is not None:
        column = rows[listing.time]
        if wanted.since is not None:
            masks.append(pc.greater_equal(column, pa.scalar(wanted.since, column.type)))
        if wanted.until is not None:
            masks.append(pc.less(column, pa.scalar(wanted.until, column.type)))
    if not masks:
        return order
    passes = pc.fill_null(functools.reduce(pc.and_kleene, masks), False)
    places: Places = pc.indices_nonzero(passes).to_numpy() if order is None else order[passes.to_numpy()[order]]
    return places


def _after(rows: pa.Table, places: Places | None, listing: Listing, cursor: _Cursor) -> int:
    """How many of the filtered rows come up to the row that the cursor names, itself included."""
    same = [
        pc.equal(rows[name], pa.scalar(value, rows[name].type))
        for name, value in zip(listing.key, cursor.key, strict=True)
    ]
    found = int(pc.index(functools.reduce(pc.and_kleene, same), True).as_py())
    if places is not None and found >= 0:
        found = next(iter(np.flatnonzero(places == found).tolist()), -1)
    if found < 0:
        raise Refused(410, "the row of this cursor is gone; begin again without a cursor")
    return found + 1


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
