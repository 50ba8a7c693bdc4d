"""Bounds, grace and retention of the store."""

from datetime import date, timedelta

import msgspec

from stillwatch.model.table import Partition, Table


class Retention(msgspec.Struct, frozen=True):
    """How long the rows of each table are kept. A table that `days` does not name is kept for ever."""

    days: dict[str, int] = {}

    def first_kept_day(self, table: Table, today: date) -> date | None:
        """The earliest UTC day of `table` that is kept; None when the table is kept for ever or is not cut by day."""
        kept = self.days.get(table.name)
        if kept is None or table.partition is not Partition.DAY:
            return None
        return today - timedelta(days=kept)


class Settings(msgspec.Struct, frozen=True):
    """Settings of the lake.

    `segment_rows` and `segment_bytes` (Arrow bytes in memory) bound one segment; `buffer_bytes` bounds what a writer
    holds over all partitions. `compact_above` is how many segments a partition may have before `Writer.compact` is
    worth its cost. `grace_seconds` is how long a replaced segment stays readable for snapshots taken before.
    `lock_seconds` is how long a writer waits for another one to finish before it gives up.
    """

    segment_rows: int = 1_000_000
    segment_bytes: int = 128 * 2**20
    buffer_bytes: int = 256 * 2**20
    compact_above: int = 8
    grace_seconds: float = 900.0
    lock_seconds: float = 0.0
    retention: Retention = Retention()
