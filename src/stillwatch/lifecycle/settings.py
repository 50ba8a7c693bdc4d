"""How long rows are kept."""

import msgspec

from stillwatch.model.table import Home, Partition
from stillwatch.model.tables import TABLES

BY_DAY = tuple(table.name for table in TABLES if table.home is Home.LAKE and table.partition is Partition.DAY)
BY_TIME = {"audit_entries": "at", "webhook_events": "happened_at"}
"""Tables of the state that may expire, with the column that dates a row."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many days each table is kept; a table that is not named is kept for ever.

    Texts and sealed identities have their own ends, told by [ingest]: rows of both go when theirs is over. Daily
    aggregates may be kept longer than what they were made of.
    """

    days: dict[str, int] = {}
    """Table to days, counted from the day of the row; 0 days keeps nothing but today."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.days) - {*BY_DAY, *BY_TIME})
        if unknown:
            raise ValueError(
                f"days: {', '.join(unknown)} cannot expire; tables that can: {', '.join((*BY_DAY, *BY_TIME))}"
            )
        if any(kept < 0 for kept in self.days.values()):
            raise ValueError("days: a table is kept at least 0 days")
