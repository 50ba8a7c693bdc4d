"""The shelf: what TAXII collections hold. Only what the guard cleared gets onto it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from stillwatch.errors import GuardRefused
from stillwatch.guard import Cleared, Guard, Offer, Passage
from stillwatch.store.schema import META, STORED, microseconds, moment
from stillwatch.store.state import State

_TABLE: Final = STORED["shelved_objects"]
_CURSORS: Final = STORED["sharing_cursors"]
_STATUSES: Final = STORED["taxii_statuses"]
_LOCK: Final = "shelf"
RELAY: Final = "relay"
"""Profile of the policy for what peers send to a collection, on its way to the other readers."""
MOST_STATUSES: Final = 1000
"""Kept for one peer; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which objects of a collection: empty tuples match everything. `versions` are `first`, `last`, `all` or times."""

    added_after: datetime | None = None
    ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    spec_versions: tuple[str, ...] = ()
    versions: tuple[str | datetime, ...] = ("last",)


@dataclass(frozen=True, slots=True)
class Shelved:
    """One version of an object on the shelf."""

    seq: int
    object_id: str
    version: datetime
    added_at: datetime
    body: bytes
    record_id: str


class Shelf:
    """The collections of one workspace. Who pages through while others add loses nothing and sees nothing twice."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add(self, collection_id: str, cleared: Cleared, at: datetime) -> int:
        """Put cleared objects on the shelf; returns how many versions were new. On return they are committed.

        Times of adding increase strictly: a reader that asks for what came after the last one misses nothing.
        """
        if type(cleared) is not Cleared:
            raise GuardRefused("only objects that the guard cleared are shared")
        with self._state.writing() as connection:
            self._lock(connection)
            seq, added = self._last(connection, collection_id)
            new: dict[tuple[str, int | None], dict[str, Any]] = {}
            for body in cleared.objects:
                stix = msgspec.json.decode(body)
                added = max(added + 1, microseconds(at))
                row = _row(stix, body.decode(), added) | {
                    "collection_id": collection_id,
                    "record_id": cleared.record_id,
                }
                key = row["object_id"], row["version"] if row["is_dated"] else None
                if key not in new and not self._has(connection, row):
                    seq += 1
                    new[key] = {name: value for name, value in row.items() if name != "is_dated"} | {"seq": seq}
            if new:
                connection.execute(sa.insert(_TABLE), list(new.values()))
        return len(new)

    def page(self, collection_id: str, query: Query, *, limit: int, after: int = 0) -> tuple[list[Shelved], bool]:
        """At most `limit` objects that follow the number `after`, in order of adding, and whether there are more."""
        wanted = sa.select(_TABLE).where(_TABLE.c.collection_id == collection_id, _TABLE.c.seq > after, *_where(query))
        with self._state.reading() as connection:
            rows = connection.execute(wanted.order_by(_TABLE.c.seq).limit(limit + 1)).all()
        return [_shelved(row) for row in rows[:limit]], len(rows) > limit

    def remove(self, collection_id: str, query: Query) -> int:
        """Take the versions that a query names from the shelf; returns how many there were."""
        with self._state.writing() as connection:
            self._lock(connection)
            found = sa.delete(_TABLE).where(_TABLE.c.collection_id == collection_id, *_where(query))
            return int(connection.execute(found).rowcount)

    def _lock(self, connection: sa.Connection) -> None:
        # NOTE: numbers are given under this lock, so that they become visible in their order on PostgreSQL as well.
        self._state.insert_new(connection, META, [{"name": _LOCK, "value": ""}])
        connection.execute(sa.select(META.c.value).where(META.c.name == _LOCK).with_for_update())

    def _last(self, connection: sa.Connection, collection_id: str) -> tuple[int, int]:
        query = sa.select(_TABLE.c.seq, _TABLE.c.added_at).where(_TABLE.c.collection_id == collection_id)
        row = connection.execute(query.order_by(_TABLE.c.seq.desc()).limit(1)).first()
        return (0, 0) if row is None else (int(row.seq), int(row.added_at))

    def _has(self, connection: sa.Connection, row: dict[str, Any]) -> bool:
        """Whether this version is there; an object without times is there once, whatever its content."""
        where = [_TABLE.c.collection_id == row["collection_id"], _TABLE.c.object_id == row["object_id"]]
        if row["is_dated"]:
            where.append(_TABLE.c.version == row["version"])
        return connection.execute(sa.select(_TABLE.c.seq).where(*where).limit(1)).first() is not None


def relay(taken: Cleared, shelf: Shelf, guard: Guard, collection_id: str, at: datetime) -> int:
    """Put what one peer sent on the shelf, as far as it may go on to the other readers; returns how many were new.

    The policy's profile RELAY decides. Without one, or while no legal basis holds, nothing goes further.
    """
    if RELAY not in guard.policy.profiles:
        return 0
    sent = Offer(tuple(msgspec.json.decode(body) for body in taken.objects))
    try:
        return shelf.add(collection_id, guard.clear(sent, Passage(collection_id, "taxii", RELAY, at)), at)
    except GuardRefused:
        return 0


class Cursors:
    """How far each peer's collection was pulled, in the peer's own time."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, peer: str, collection_id: str) -> str | None:
        """The peer's time of adding of the last object that was taken; None before the first."""
        query = sa.select(_CURSORS.c.added_after).where(*_cursor(peer, collection_id))
        with self._state.reading() as connection:
            return connection.scalar(query)

    def set(self, peer: str, collection_id: str, added_after: str, at: datetime) -> None:
        """Remember how far a collection was pulled."""
        row = {
            "peer": peer, "collection_id": collection_id, "direction": "in", "added_after": added_after[:64],
            "at": microseconds(at),
        }  # fmt: skip
        with self._state.writing() as connection:
            connection.execute(sa.delete(_CURSORS).where(*_cursor(peer, collection_id)))
            connection.execute(sa.insert(_CURSORS).values(row))


class Statuses:
    """What became of messages that peers sent, for them to ask, also after a restart."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, status_id: str, peer: str) -> bytes | None:
        """The status resource as JSON; None where there is none of this peer."""
        query = sa.select(_STATUSES.c.body).where(_STATUSES.c.status_id == status_id, _STATUSES.c.peer == peer)
        with self._state.reading() as connection:
            found = connection.scalar(query)
        return None if found is None else str(found).encode()

    def put(self, status_id: str, peer: str, body: bytes, at: datetime) -> None:
        """Keep a status; a peer's oldest beyond MOST_STATUSES are dropped."""
        row = {"status_id": status_id, "peer": peer, "at": microseconds(at), "body": body.decode()}
        mine = sa.select(_STATUSES.c.status_id).where(_STATUSES.c.peer == peer)
        newest = mine.order_by(_STATUSES.c.at.desc(), _STATUSES.c.status_id).limit(MOST_STATUSES)
        with self._state.writing() as connection:
            connection.execute(sa.insert(_STATUSES).values(row))
            old = sa.delete(_STATUSES).where(_STATUSES.c.peer == peer, _STATUSES.c.status_id.not_in(newest))
            connection.execute(old)


def _cursor(peer: str, collection_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _CURSORS.c.peer == peer, _CURSORS.c.collection_id == collection_id, _CURSORS.c.direction == "in"


def _row(stix: dict[str, Any], body: str, added: int) -> dict[str, Any]:
    dated = stix.get("modified") or stix.get("created")
    version = added if dated is None else microseconds(datetime.fromisoformat(str(dated)))
    return {
        "object_id": stix["id"],
        "version": version,
        "is_dated": dated is not None,
        "stix_type": stix["type"],
        "spec_version": stix.get("spec_version", "2.1"),
        "added_at": added,
        "body": body,
    }


def _where(query: Query) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    if query.added_after is not None:
        where.append(_TABLE.c.added_at > microseconds(query.added_after))
    for column, values in ((_TABLE.c.object_id, query.ids), (_TABLE.c.stix_type, query.types),
                           (_TABLE.c.spec_version, query.spec_versions)):  # fmt: skip
        if values:
            where.append(column.in_(values))
    return where if "all" in query.versions else [*where, _versions(query.versions)]


def _versions(wanted: Sequence[str | datetime]) -> sa.ColumnElement[bool]:
    other = _TABLE.alias("other")
    same = sa.select(other.c.seq).where(
        other.c.collection_id == _TABLE.c.collection_id, other.c.object_id == _TABLE.c.object_id
    )
    named = {
        "last": ~same.where(other.c.version > _TABLE.c.version).exists(),
        "first": ~same.where(other.c.version < _TABLE.c.version).exists(),
    }
    dated = [microseconds(version) for version in wanted if isinstance(version, datetime)]
    chosen = [named[version] for version in wanted if isinstance(version, str)]
    return sa.or_(*chosen, _TABLE.c.version.in_(dated)) if dated else sa.or_(*chosen)


def _shelved(row: sa.Row[Any]) -> Shelved:
    return Shelved(row.seq, row.object_id, moment(row.version), moment(row.added_at), row.body.encode(), row.record_id)
