"""Provenance verdicts in the state database."""

from collections.abc import Mapping

import pyarrow as pa
import sqlalchemy as sa

from stillwatch.model.tables import PROVENANCE_VERDICTS
from stillwatch.store.schema import STORED
from stillwatch.store.state import State, arrow_rows


class Verdicts:
    """The verdicts that were reached, oldest first; one is never changed."""

    def __init__(self, state: State) -> None:
        self._state = state

    def record(self, row: Mapping[str, object]) -> None:
        """Store one row in the shape of the floor plan, its time in microseconds; the same verdict counts once."""
        with self._state.writing() as connection:
            self._state.insert_new(connection, STORED[PROVENANCE_VERDICTS.name], [dict(row)])

    def rows(self) -> pa.Table:
        """All verdicts, in the shape of the floor plan."""
        table = STORED[PROVENANCE_VERDICTS.name]
        with self._state.reading() as connection:
            found = connection.execute(sa.select(table).order_by(table.c.reached_at, table.c.verdict_id)).all()
        return arrow_rows(PROVENANCE_VERDICTS, found)
