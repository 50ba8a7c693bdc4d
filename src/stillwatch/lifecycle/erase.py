"""One account out of the lake: its rows, its texts, and what only it made of the daily aggregates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.model.table import Home, Table
from stillwatch.model.tables import (
    ACCOUNTS,
    CONTENTS,
    EXCHANGE_RECORDS,
    PROMPT_SKETCHES,
    PULSES,
    TABLES,
    TOKEN_USES,
)
from stillwatch.store.keys import ALIAS, pseudonym_of
from stillwatch.store.lake import Snapshot, Writer

NAMING: Final = tuple(table for table in TABLES if table.home is Home.LAKE and "account_id" in table.schema.names)
"""Tables of the lake whose rows are about one account."""
REFERENCES: Final = tuple(name for name in EXCHANGE_RECORDS.schema.names if name.endswith("_ref"))
SEALED_COLUMNS: Final = {
    "email": "email",
    "phone": "phone",
    "name": "name",
    "payment_fingerprint": "payment",
    "device_id": "device",
    "signup_client_address": "address",
}
"""Columns of accounts that hold pseudonyms of sealed identities, with their class."""
OTHER_NAMES: Final = ("org_id", "api_key_id", "end_user_id")
"""Columns in which rows of other accounts may name this one; they become null there."""
ALIAS_CLASSES: Final = ("email", "phone", "address")
SHINGLE: Final = "shingle"
"""Kind of token of which features keeps only those that two accounts share on a day."""

Change = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True, slots=True)
class Trace:
    """Where the lake knows an account: its records by partition, and what is its alone.

    `record_keys` are those of the account's records and of nameless records of the same calls. `contents` maps a day to
    references that no other record of the day has, `pseudonyms` a class of identity to values that nobody else has.
    """

    account_id: str
    partitions: dict[str, list[str]] = field(default_factory=dict)
    record_keys: dict[str, pa.Array] = field(default_factory=dict)
    contents: dict[str, pa.Array] = field(default_factory=dict)
    pseudonyms: Mapping[str, frozenset[int]] = field(default_factory=dict)
    campaigns: frozenset[str] = frozenset()

    @property
    def is_known(self) -> bool:
        """Whether any row names the account."""
        return bool(self.partitions)


def trace(snapshot: Snapshot, account_id: str) -> Trace:
    """Everything by which the lake knows `account_id`."""
    partitions = {
        table.name: [name for name in snapshot.partitions(table) if _names(snapshot, table, name, account_id)]
        for table in NAMING
    }
    partitions = {name: found for name, found in partitions.items() if found}
    days = partitions.get(EXCHANGE_RECORDS.name, [])
    keys, contents = _records(snapshot, account_id, days)
    found = {
        str(campaign)
        for table in NAMING
        if "campaign_id" in table.schema.names
        for name in partitions.get(table.name, [])
        for campaign in _mine(snapshot, table, name, account_id, ["campaign_id"])["campaign_id"].to_pylist()
    }
    return Trace(
        account_id=account_id,
        partitions=partitions,
        record_keys=keys,
        contents=contents,
        pseudonyms=_own_pseudonyms(snapshot, account_id, days, keys),
        campaigns=frozenset(found - {"None"}),
    )


def erase(writer: Writer, snapshot: Snapshot, found: Trace) -> int:
    """Take what `trace` found out of the lake, to count with the writer's next commit; returns how many rows.

    Daily aggregates are as if the account had never been: rows of others do not depend on it, except that a shingle
    which it alone shared with one other account is shared no more. They count as fresh: bring stale days up to date
    before. Stored pulses from the account's first day on go; the next `pulse` makes them anew.
    """
    n = 0
    for table in NAMING:
        for partition in _touched(snapshot, table, found):
            change = _change(snapshot, table, partition, found)
            n += _n_changed(writer, table, partition, change)
    for table, by_day, column in (
        (PROMPT_SKETCHES, found.record_keys, "record_key"),
        (CONTENTS, found.contents, "content_ref"),
    ):
        for partition, values in by_day.items():
            n += _n_changed(writer, table, partition, _without(column, values))
    if found.record_keys:
        for partition in snapshot.partitions(PULSES):
            if partition >= min(found.record_keys):
                writer.drop(PULSES, partition)
    return n


def _touched(snapshot: Snapshot, table: Table, found: Trace) -> list[str]:
    named = set(found.partitions.get(table.name, []))
    if table is EXCHANGE_RECORDS:
        named |= found.record_keys.keys() | set(_naming_elsewhere(snapshot, table, found.account_id))
    if table is ACCOUNTS:
        named |= set(_naming_elsewhere(snapshot, table, found.account_id))
    return sorted(named)


def _naming_elsewhere(snapshot: Snapshot, table: Table, account_id: str) -> list[str]:
    columns = [name for name in OTHER_NAMES if name in table.schema.names]
    return [
        partition
        for partition in snapshot.partitions(table)
        if any(_n_equal(file, column, account_id) for file in snapshot.files(table, [partition]) for column in columns)
    ]


def _n_equal(file: str, column: str, value: str) -> int:
    return int(pq.read_table(file, columns=[column], filters=[(column, "==", value)], partitioning=None).num_rows)


def _change(snapshot: Snapshot, table: Table, partition: str, found: Trace) -> Change:
    mine = pa.array([found.account_id])
    steps = [_without("account_id", mine)]
    if table is EXCHANGE_RECORDS and partition in found.record_keys:
        steps.append(_without("record_key", found.record_keys[partition]))
    if table in (EXCHANGE_RECORDS, ACCOUNTS):
        steps.append(_nameless(found.account_id))
    if table is TOKEN_USES:
        lonely = _lonely_shingles(snapshot, partition, found.account_id)
        if lonely.size:
            steps.append(_without_shingles(lonely))

    def change(rows: pa.Table) -> pa.Table:
        for step in steps:
            rows = step(rows)
        return rows

    return change


def _n_changed(writer: Writer, table: Table, partition: str, change: Change) -> int:
    gone = 0

    def counted(rows: pa.Table) -> pa.Table:
        nonlocal gone
        kept = change(rows)
        gone += rows.num_rows - kept.num_rows
        return kept

    writer.rewrite(table, partition, counted)
    return gone


def _without(column: str, values: pa.Array) -> Change:
    """Leaves out rows whose `column` is among `values`; the very rows where there is none."""

    def change(rows: pa.Table) -> pa.Table:
        is_out = pc.is_in(rows[column], value_set=values)
        return rows.filter(pc.invert(is_out)) if pc.any(is_out).as_py() else rows

    return change


def _nameless(account_id: str) -> Change:
    def change(rows: pa.Table) -> pa.Table:
        for name in OTHER_NAMES:
            if name in rows.column_names:
                is_named = pc.fill_null(pc.equal(rows[name], account_id), False)
                if pc.any(is_named).as_py():
                    cleared = pc.if_else(is_named, pa.scalar(None, rows.schema.field(name).type), rows[name])
                    rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), cleared)
        return rows

    return change


def _lonely_shingles(snapshot: Snapshot, day: str, account_id: str) -> npt.NDArray[np.int64]:
    """Shingles that the account shared on that day with one other account and no more."""
    columns = ["account_id", "token_kind", "token"]
    rows = read_rows(snapshot.files(TOKEN_USES, [day]), columns, TOKEN_USES)
    rows = rows.filter(pc.equal(rows["token_kind"], SHINGLE))
    is_mine = pc.equal(rows["account_id"], account_id)
    own = rows.filter(is_mine)["token"].combine_chunks()
    others = rows.filter(pc.invert(is_mine))
    shared = others.filter(pc.is_in(others["token"], value_set=own))["token"].to_numpy()
    tokens, counts = np.unique(shared, return_counts=True)
    lonely: npt.NDArray[np.int64] = tokens[counts == 1]
    return lonely


def _without_shingles(tokens: npt.NDArray[np.int64]) -> Change:
    values = pa.array(tokens)

    def change(rows: pa.Table) -> pa.Table:
        is_out = pc.and_(pc.equal(rows["token_kind"], SHINGLE), pc.is_in(rows["token"], value_set=values))
        return rows.filter(pc.invert(is_out)) if pc.any(is_out).as_py() else rows

    return change


def _names(snapshot: Snapshot, table: Table, partition: str, account_id: str) -> bool:
    return any(_n_equal(file, "account_id", account_id) for file in snapshot.files(table, [partition]))


def _mine(snapshot: Snapshot, table: Table, partition: str, account_id: str, columns: list[str]) -> pa.Table:
    wanted = [("account_id", "==", account_id)]
    return read_rows(snapshot.files(table, [partition]), columns, table, filters=wanted)


def read_rows(
    files: Sequence[str], columns: list[str], table: Table, filters: list[tuple[str, str, str]] | None = None
) -> pa.Table:
    """Columns of a table's Parquet files, all rows or those that `filters` keep."""
    parts = [
        pq.read_table(file, columns=columns, filters=filters, schema=table.schema, partitioning=None) for file in files
    ]
    return pa.concat_tables(parts) if parts else table.empty().select(columns)


def _records(
    snapshot: Snapshot, account_id: str, days: Sequence[str]
) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
    """Keys of the records to take out and references to contents that no other record has, both by day."""
    columns = ["account_id", "record_key", "exchange_key", *REFERENCES]
    near = sorted({str(date.fromisoformat(day) + timedelta(days=step)) for day in days for step in (-1, 0, 1)})
    calls = _keys_of_calls(snapshot, account_id, days, near)
    keys, contents = {}, {}
    for day in near:
        rows = read_rows(snapshot.files(EXCHANGE_RECORDS, [day]), columns, EXCHANGE_RECORDS)
        is_mine = pc.fill_null(pc.equal(rows["account_id"], account_id), False)
        is_nameless = pc.and_(pc.is_null(rows["account_id"]), pc.is_in(rows["exchange_key"], value_set=calls))
        is_out = pc.or_(is_mine, is_nameless)
        if pc.any(is_out).as_py():
            out, rest = rows.filter(is_out), rows.filter(pc.invert(is_out))
            keys[day] = out["record_key"].combine_chunks()
            contents[day] = _only_in(_references(out), _references(rest))
    return keys, {day: refs for day, refs in contents.items() if len(refs)}


def _keys_of_calls(snapshot: Snapshot, account_id: str, days: Sequence[str], near: Sequence[str]) -> pa.Array:
    """Every key that the account's calls go by: in its own records, and in nameless ones that know several names."""
    names = ["exchange_key", "alias_keys"]
    own = [_mine(snapshot, EXCHANGE_RECORDS, day, account_id, names) for day in days]
    calls = _every_key(pa.concat_tables([EXCHANGE_RECORDS.empty().select(names), *own]))
    known = [calls]
    for day in near:
        rows = read_rows(snapshot.files(EXCHANGE_RECORDS, [day]), ["account_id", *names], EXCHANGE_RECORDS)
        rows = rows.filter(pc.and_(pc.is_null(rows["account_id"]), pc.is_valid(rows["alias_keys"])))
        aliases = rows["alias_keys"].combine_chunks()
        is_ours = pc.is_in(aliases.flatten(), value_set=calls)
        by_alias = pc.list_parent_indices(aliases).filter(is_ours)
        by_key = pc.indices_nonzero(pc.is_in(rows["exchange_key"], value_set=calls))
        known.append(_every_key(rows.take(pc.unique(pa.concat_arrays([by_alias.cast(pa.uint64()), by_key])))))
    return pc.unique(pa.concat_arrays(known))


def _every_key(rows: pa.Table) -> pa.Array:
    return pa.concat_arrays([rows["exchange_key"].combine_chunks(), rows["alias_keys"].combine_chunks().flatten()])


def _references(rows: pa.Table) -> pa.Array:
    parts = [rows[name].combine_chunks() for name in REFERENCES]
    return pc.unique(pa.concat_arrays([part.drop_null() for part in parts]))


def _only_in(values: pa.Array, others: pa.Array) -> pa.Array:
    return values.filter(pc.invert(pc.is_in(values, value_set=others)))


def _own_pseudonyms(
    snapshot: Snapshot, account_id: str, days: Sequence[str], record_keys: Mapping[str, pa.Array]
) -> dict[str, frozenset[int]]:
    """Classes of identity to the pseudonyms in the account's rows that are in nobody else's."""
    found: dict[str, set[int]] = {kind: set() for kind in SEALED_COLUMNS.values()}
    people = read_rows(snapshot.files(ACCOUNTS), ["account_id", *SEALED_COLUMNS], ACCOUNTS)
    is_mine = pc.equal(people["account_id"], account_id)
    for name, kind in SEALED_COLUMNS.items():
        found[kind] |= set(people.filter(is_mine)[name].to_pylist())
    for day in days:
        rows = _mine(snapshot, EXCHANGE_RECORDS, day, account_id, ["client_address"])
        found["address"] |= set(rows["client_address"].to_pylist())
    if alias := ALIAS.fullmatch(account_id):
        for kind in ALIAS_CLASSES:
            found[kind].add(pseudonym_of(alias[2]))
    others = people.filter(pc.invert(is_mine))
    for name, kind in SEALED_COLUMNS.items():
        found[kind] -= set(pc.unique(others[name]).to_pylist())
    gone = pa.concat_arrays([pa.array([], pa.int64()), *record_keys.values()])
    for file in snapshot.files(EXCHANGE_RECORDS) if found["address"] - {None} else []:
        rows = pq.read_table(file, columns=["record_key", "client_address"], partitioning=None)
        elsewhere = rows.filter(pc.invert(pc.is_in(rows["record_key"], value_set=gone)))
        found["address"] -= set(pc.unique(elsewhere["client_address"]).to_pylist())
    return {kind: frozenset(values - {None}) for kind, values in found.items() if values - {None}}
