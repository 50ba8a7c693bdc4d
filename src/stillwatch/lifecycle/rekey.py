"""Rows under new pseudonyms: which columns hold one, and what follows from those that change.

Every pseudonym becomes that of itself under the new link key (`store.keys.linked`), so that rows that were equal stay
equal and nothing needs the raw value. Aliases (`acct-`, `key-`, `id-` and 16 digits) are pseudonyms in words.
"""

from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.table import Home, Table
from stillwatch.model.tables import ACCOUNTS, EXCHANGE_RECORDS, PROMPT_SKETCHES, TABLES
from stillwatch.sketches import hash_texts, record_keys
from stillwatch.store.keys import ALIAS, linked, linked_alias
from stillwatch.store.lake import Snapshot, Writer

NUMBERS: Final = {
    EXCHANGE_RECORDS.name: ("client_address", "client_prefix"),
    ACCOUNTS.name: (
        "email", "phone", "name", "payment_fingerprint", "device_id", "signup_client_address", "signup_client_prefix",
    ),
}  # fmt: skip
"""Columns whose values are all pseudonyms."""
KEYED_KINDS: Final = pa.array(["address", "prefix", "device", "payment", "signup_address", "signup_prefix"])
"""Kinds of tokens that are pseudonyms; the others are hashes of text."""
WORDS: Final = frozenset(
    {
        "account_id", "org_id", "api_key_id", "end_user_id", "source_record_id", "call_id", "conversation_id",
        "response_id", "event_id",
    }
)  # fmt: skip
"""Columns in which ingest puts an alias where the raw value was an identity or a secret."""
_ALIAS_SHAPE: Final = rf"^{ALIAS.pattern}$"

Change = Callable[[pa.Table], pa.Table]


class Renamer:
    """New pseudonyms for old ones, each distinct one computed once."""

    def __init__(self, link_key: bytes) -> None:
        self._link_key = link_key
        self._known: dict[int, int] = {}

    def number(self, pseudonym: int) -> int:
        """What stands for a pseudonym from now on."""
        if pseudonym not in self._known:
            self._known[pseudonym] = linked(self._link_key, pseudonym)
        return self._known[pseudonym]

    def alias(self, name: str) -> str:
        """What stands for an alias from now on; other names as they are."""
        return linked_alias(self._link_key, name)

    def numbers(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """A column of pseudonyms."""
        encoded = column.combine_chunks().dictionary_encode()
        fresh = pa.array([self.number(value) for value in encoded.dictionary.to_pylist()], pa.int64())
        return pa.chunked_array([fresh.take(encoded.indices)], column.type)

    def words(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """A column of names, aliases among them renamed; the very column where there is none."""
        whole = column.combine_chunks()
        is_alias = pc.fill_null(pc.match_substring_regex(whole, _ALIAS_SHAPE), False)
        if not pc.any(is_alias).as_py():
            return column
        encoded = whole.filter(is_alias).dictionary_encode()
        fresh = pa.array([self.alias(name) for name in encoded.dictionary.to_pylist()], pa.string())
        return pa.chunked_array([pc.replace_with_mask(whole, is_alias, fresh.take(encoded.indices))], column.type)


def rekey(writer: Writer, snapshot: Snapshot, link_key: bytes, key_id: str) -> int:
    """Put every row under the new key, to count with the writer's next commit; returns how many segments changed.

    Rows say the same as before, so generations stay and stale days stay stale.
    """
    renamer = Renamer(link_key)
    n = 0
    for table in TABLES:
        if table.home is Home.LAKE and table is not PROMPT_SKETCHES:
            for partition in snapshot.partitions(table):
                if table is EXCHANGE_RECORDS:
                    n += _rekey_day(writer, partition, renamer)
                elif _changes(table):
                    n += writer.rewrite(table, partition, _change(table, renamer), says_the_same=True)
    writer.set_key(key_id)
    return n


def _changes(table: Table) -> bool:
    names = set(table.schema.names)
    return bool(table.name in NUMBERS or WORDS & names or {"token_kind", "token"} <= names)


def _rekey_day(writer: Writer, day: str, renamer: Renamer) -> int:
    """Records and sketches of a day together: a record's keys are hashes of ids that may be aliases."""
    moved: list[pa.Table] = []
    plain = _change(EXCHANGE_RECORDS, renamer)

    def change(rows: pa.Table) -> pa.Table:
        fresh = plain(rows)
        ids = ("source_record_id", "call_id")
        if any(fresh[name] is not rows[name] and not fresh[name].equals(rows[name]) for name in ids):
            keyed = _with_keys(fresh)
            told = {"old": rows["record_key"], "record_key": keyed["record_key"], "exchange_key": keyed["exchange_key"]}
            is_moved = pc.or_(
                pc.not_equal(told["old"], told["record_key"]), pc.not_equal(rows["exchange_key"], told["exchange_key"])
            )
            moved.append(pa.table(told).filter(is_moved))
            fresh = keyed
        return fresh

    n = writer.rewrite(EXCHANGE_RECORDS, day, change, says_the_same=True)
    if moved:
        n += writer.rewrite(PROMPT_SKETCHES, day, _moving(pa.concat_tables(moved)), says_the_same=True)
    return n


def _change(table: Table, renamer: Renamer) -> Change:
    numbers = NUMBERS.get(table.name, ())
    words = [name for name in table.schema.names if name in WORDS]
    has_tokens = {"token_kind", "token"} <= set(table.schema.names)

    def change(rows: pa.Table) -> pa.Table:
        fresh = rows
        for name in numbers:
            if rows[name].null_count < rows.num_rows:
                fresh = _with(fresh, name, renamer.numbers(rows[name]))
        for name in words:
            column = renamer.words(rows[name])
            if column is not rows[name]:
                fresh = _with(fresh, name, column)
        if has_tokens:
            is_keyed = pc.is_in(rows["token_kind"], value_set=KEYED_KINDS).combine_chunks()
            if pc.any(is_keyed).as_py():
                tokens = rows["token"].combine_chunks()
                renamed = renamer.numbers(pa.chunked_array([tokens.filter(is_keyed)])).combine_chunks()
                fresh = _with(fresh, "token", pa.chunked_array([pc.replace_with_mask(tokens, is_keyed, renamed)]))
        return fresh

    return change


def _with(rows: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    at = rows.column_names.index(name)
    return rows.set_column(at, rows.schema.field(at), column)


def _with_keys(rows: pa.Table) -> pa.Table:
    """The rows with the keys that ingest would give them."""
    keys = record_keys(rows["source"].combine_chunks(), rows["source_record_id"].combine_chunks())
    calls = pc.coalesce(hash_texts(rows["call_id"].combine_chunks()), keys)
    return _with(_with(rows, "record_key", pa.chunked_array([keys])), "exchange_key", pa.chunked_array([calls]))


def _moving(moved: pa.Table) -> Change:
    """Gives sketches the keys of their records."""
    old = moved["old"].combine_chunks()

    def change(rows: pa.Table) -> pa.Table:
        places = pc.index_in(rows["record_key"], value_set=old).combine_chunks()
        if places.null_count == len(places):
            return rows
        fresh = rows
        for name in ("record_key", "exchange_key"):
            column = pc.coalesce(moved[name].combine_chunks().take(places), rows[name].combine_chunks())
            fresh = _with(fresh, name, pa.chunked_array([column]))
        return fresh

    return change
