"""Rows of one state database into another of the same layout."""

import sqlalchemy as sa

from stillwatch.store.schema import METADATA
from stillwatch.store.state import State

ROWS_AT_ONCE = 2_000


def copy_rows(source: State, target: State) -> None:
    """Put every row of `source`, as one moment left them, in place of those of `target`, in one transaction."""
    with source.at_one_moment() as reading, target.writing() as writing:
        for table in METADATA.sorted_tables:
            writing.execute(sa.delete(table))
            for rows in reading.execute(sa.select(table)).mappings().partitions(ROWS_AT_ONCE):
                writing.execute(sa.insert(table), [dict(row) for row in rows])
