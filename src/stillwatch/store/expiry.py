"""Rows of the state database that are past their time."""

from datetime import datetime

import sqlalchemy as sa

from stillwatch.store.schema import STORED, microseconds
from stillwatch.store.state import State

_DELIVERIES = STORED["webhook_deliveries"]


def n_expiring(state: State, table: str, column: str, before: datetime) -> int:
    """Rows of a table that are dated before a moment."""
    stored = STORED[table]
    with state.reading() as connection:
        query = sa.select(sa.func.count()).select_from(stored).where(stored.c[column] < microseconds(before))
        return int(connection.scalar(query) or 0)


def expire_rows(state: State, table: str, column: str, before: datetime) -> int:
    """Delete rows of a table that are dated before a moment; an event's deliveries go with it. Returns how many."""
    stored = STORED[table]
    with state.writing() as connection:
        over = stored.c[column] < microseconds(before)
        if table == "webhook_events":
            events = sa.select(stored.c.event_id).where(over)
            connection.execute(sa.delete(_DELIVERIES).where(_DELIVERIES.c.event_id.in_(events)))
        return int(connection.execute(sa.delete(stored).where(over)).rowcount)
