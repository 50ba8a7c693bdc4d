"""The audit trail of the server: every write and every refused call, by key and route."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import sqlalchemy as sa

from stillwatch.model.tables import AUDIT_ENTRIES
from stillwatch.store.schema import STORED, microseconds, moment
from stillwatch.store.state import State


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
                connection.execute(sa.insert(STORED["audit_entries"]), rows)

    def entries(self, *, after: str = "", limit: int = 1000) -> pa.Table:
        """At most `limit` entries that follow the audit id `after`, in the shape of the floor plan."""
        table = STORED["audit_entries"]
        query = sa.select(table).where(table.c.audit_id > after).order_by(table.c.audit_id).limit(limit)
        with self._state.reading() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
        for row in rows:
            row["at"] = moment(row["at"])
        return pa.Table.from_pylist(rows, schema=AUDIT_ENTRIES.schema)
