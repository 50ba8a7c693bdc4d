"""The audit trail of the server: every write and every refused call, by key and route."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import sqlalchemy as sa

from stillwatch.model.tables import AUDIT_ENTRIES
from stillwatch.store.schema import STORED, microseconds, moment
from stillwatch.store.state import State

_ENTRIES: Final = STORED["audit_entries"]


@dataclass(frozen=True, slots=True)
class Call:
    """What the trail says of a call; equal calls are counted, not repeated. It holds no path, body or token."""

    method: str
    route: str
    status: int
    key_id: str | None = None
    role: str | None = None
    subject: str | None = None


class AuditTrail:
    """The audit entries in the state database, oldest first."""

    def __init__(self, state: State) -> None:
        self._state = state

    def write(self, calls: Iterable[tuple[Call, int]], at: datetime) -> None:
        """Store calls with their counts; on return they survive a loss of power."""
        rows = [
            {
                "audit_id": f"{microseconds(at):016x}-{secrets.token_hex(6)}",
                "at": microseconds(at),
                "key_id": call.key_id,
                "role": call.role,
                "method": call.method,
                "route": call.route,
                "status": call.status,
                "subject": call.subject,
                "n": n,
            }
            for call, n in calls
        ]
        if rows:
            with self._state.writing() as connection:
                connection.execute(sa.insert(_ENTRIES), rows)

    def entries(self, *, after: str = "", limit: int | None = 1000) -> pa.Table:
        """At most `limit` entries (None: all) that follow the audit id `after`, in the shape of the floor plan."""
        query = sa.select(_ENTRIES).where(_ENTRIES.c.audit_id > after).order_by(_ENTRIES.c.audit_id).limit(limit)
        return self._rows(query)

    def latest(self, *, at: int, limit: int) -> tuple[pa.Table, int]:
        """At most `limit` entries from the place `at` on, the newest first, and how many there are in all."""
        query = sa.select(_ENTRIES).order_by(_ENTRIES.c.audit_id.desc()).offset(at).limit(limit)
        with self._state.reading() as connection:
            total = connection.scalar(sa.select(sa.func.count()).select_from(_ENTRIES))
        return self._rows(query), total or 0

    def _rows(self, query: sa.Select[Any]) -> pa.Table:
        with self._state.reading() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
        for row in rows:
            row["at"] = moment(row["at"])
        return pa.Table.from_pylist(rows, schema=AUDIT_ENTRIES.schema)
