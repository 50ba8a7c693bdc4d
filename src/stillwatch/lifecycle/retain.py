"""What expires in the lake: days past their table's time, and texts past their own; rows under hold stay."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.lifecycle.erase import REFERENCES, SEALED_COLUMNS, read_rows
from stillwatch.lifecycle.settings import BY_DAY, Settings
from stillwatch.model.table import Table
from stillwatch.model.tables import ACCOUNTS, CONTENTS, EXCHANGE_RECORDS, PROMPT_SKETCHES, TABLES
from stillwatch.store.lake import Snapshot, Writer
from stillwatch.store.settings import Retention

EXPIRES: Final = "expires_at"


@dataclass(frozen=True, slots=True)
class Expiring:
    """Rows of one partition whose time is over, and how many such rows stay for holds.

    `is_over`: by the table's time, so that all rows of the partition go; else each by its own.
    """

    table: Table
    partition: str
    is_over: bool
    n_rows: int
    n_held: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """What rows under hold are told by on one day: their account, their record's key, their texts' references."""

    accounts: pa.Array
    record_keys: pa.Array
    contents: pa.Array

    def of(self, table: Table) -> tuple[str, pa.Array] | None:
        """The column and values by which rows of `table` are held; None where nothing tells."""
        if table is PROMPT_SKETCHES:
            return "record_key", self.record_keys
        if table is CONTENTS:
            return "content_ref", self.contents
        return ("account_id", self.accounts) if "account_id" in table.schema.names else None


def expiring(snapshot: Snapshot, settings: Settings, held: frozenset[str], now: datetime) -> list[Expiring]:
    """Every partition with rows whose time is over at `now`, by table and day; those without such rows are left out."""
    retention = Retention(settings.days)
    found = []
    for table in (table for table in TABLES if table.name in BY_DAY):
        first = retention.first_kept_day(table, now.date())
        for partition in snapshot.partitions(table):
            is_over = first is not None and date.fromisoformat(partition) < first
            if is_over or table is CONTENTS:
                one = _counted(snapshot, table, partition, _kept(snapshot, partition, held), now, is_over=is_over)
                found += [one] if one.n_rows else []
    return found


def expire(writer: Writer, snapshot: Snapshot, due: list[Expiring], held: frozenset[str], now: datetime) -> int:
    """Take expiring rows out, to count with the writer's next commit; returns how many.

    Generations stay: what was derived from the rows keeps its own time and is not made anew from what is left. Bring
    stale days up to date before.
    """
    n = 0
    for one in due:
        kept = _kept(snapshot, one.partition, held)
        change = _change(one.table, kept, now, is_over=one.is_over)
        writer.rewrite(one.table, one.partition, change, says_the_same=True)
        n += one.n_rows
    return n


def held_identities(snapshot: Snapshot, held: frozenset[str]) -> dict[str, frozenset[int]]:
    """Classes of identity to the pseudonyms in rows of held accounts: what is sealed under them stays too."""
    if not held:
        return {}
    mine = pa.array(sorted(held), pa.string())
    people = read_rows(snapshot.files(ACCOUNTS), ["account_id", *SEALED_COLUMNS], ACCOUNTS)
    people = people.filter(pc.is_in(people["account_id"], value_set=mine))
    found: dict[str, set[int | None]] = {kind: set() for kind in SEALED_COLUMNS.values()}
    for name, kind in SEALED_COLUMNS.items():
        found[kind] |= set(people[name].to_pylist())
    for file in snapshot.files(EXCHANGE_RECORDS):
        rows = read_rows([file], ["account_id", "client_address"], EXCHANGE_RECORDS)
        found["address"] |= set(rows.filter(pc.is_in(rows["account_id"], value_set=mine))["client_address"].to_pylist())
    return {kind: frozenset(one for one in values if one is not None) for kind, values in found.items()}


def _kept(snapshot: Snapshot, day: str, held: frozenset[str]) -> _Kept:
    accounts = pa.array(sorted(held), pa.string())
    if not held:
        return _Kept(accounts, pa.array([], pa.int64()), pa.array([], pa.string()))
    names = ["account_id", "record_key", *REFERENCES]
    rows = read_rows(snapshot.files(EXCHANGE_RECORDS, [day]), names, EXCHANGE_RECORDS)
    rows = rows.filter(pc.is_in(rows["account_id"], value_set=accounts))
    texts = pa.concat_arrays([rows[name].combine_chunks() for name in REFERENCES]).drop_null()
    return _Kept(accounts, rows["record_key"].combine_chunks(), pc.unique(texts))


def _is_out(table: Table, kept: _Kept, now: datetime, *, is_over: bool) -> Callable[[pa.Table], tuple[pa.Array, int]]:
    """Which rows go, and how many of those whose time is over stay for a hold."""

    def judge(rows: pa.Table) -> tuple[pa.Array, int]:
        out = pa.repeat(pa.scalar(is_over), rows.num_rows)
        if table is CONTENTS and not is_over:
            over = pc.less_equal(rows[EXPIRES], pa.scalar(now, rows.schema.field(EXPIRES).type))
            out = pc.fill_null(over, False).combine_chunks()
        told = kept.of(table)
        if told is None:
            return out, 0
        is_held = pc.and_(out, pc.is_in(rows[told[0]], value_set=told[1]).combine_chunks())
        return pc.and_not(out, is_held), int(pc.sum(is_held).as_py() or 0)

    return judge


def _counted(
    snapshot: Snapshot, table: Table, partition: str, kept: _Kept, now: datetime, *, is_over: bool
) -> Expiring:
    judge = _is_out(table, kept, now, is_over=is_over)
    told = kept.of(table)
    columns = sorted({*([EXPIRES] if table is CONTENTS else []), *([told[0]] if told else [table.schema.names[0]])})
    out, n_held = judge(read_rows(snapshot.files(table, [partition]), columns, table))
    return Expiring(table, partition, is_over, int(pc.sum(out).as_py() or 0), n_held)


def _change(table: Table, kept: _Kept, now: datetime, *, is_over: bool) -> Callable[[pa.Table], pa.Table]:
    judge = _is_out(table, kept, now, is_over=is_over)

    def change(rows: pa.Table) -> pa.Table:
        out, _ = judge(rows)
        return rows.filter(pc.invert(out)) if pc.any(out).as_py() else rows

    return change
