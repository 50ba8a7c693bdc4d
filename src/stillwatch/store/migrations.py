"""Steps from the layouts of earlier releases to this one's: forward only, each committed as a whole.

A step that is cut off leaves the layout that it started from, so that `migrate` run again goes on where it stopped.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
import rfc8785
import sqlalchemy as sa

from stillwatch.errors import LakeError, LedgerError
from stillwatch.store import manifest as manifests
from stillwatch.store.keys import FIRST_KEY_ID
from stillwatch.store.ledger import HEAD, Entry, write_leaves
from stillwatch.store.manifest import Manifest
from stillwatch.store.schema import METADATA, microseconds, moment
from stillwatch.store.state import State
from stillwatch.store.storage import Storage
from stillwatch.store.writer import MANIFEST

MIGRATED: Final = "ledger.migrated"
_CHAIN_HEAD: Final = "ledger_head"
_GENESIS: Final = "0" * 64
_CHAIN: Final = sa.Table(
    "ledger",
    sa.MetaData(),
    *(sa.Column(name, sa.BigInteger) for name in ("seq", "at")),
    *(sa.Column(name, sa.Text) for name in ("kind", "body", "previous", "digest")),
)
"""The ledger of state version 1: each entry sealed the one before."""
_META: Final = METADATA.tables["meta"]


@dataclass(frozen=True, slots=True)
class Change:
    """One step that is due or done: of the lake or the state, from a version to the next, and what it changes."""

    part: Literal["lake", "state"]
    version: int
    says: str


def pending_of_lake(storage: Storage) -> list[Change]:
    """The steps that the lake lacks, in their order."""
    version = _read(storage).schema_version
    return [Change("lake", at, says) for at, says, _ in LAKE_STEPS if at >= version]


def pending_of_state(state: State) -> list[Change]:
    """The steps that the state database lacks, in their order."""
    version = state.schema_version
    return [Change("state", at, says) for at, says, _ in STATE_STEPS if at >= version]


def migrate_lake(storage: Storage, at: datetime) -> list[Change]:
    """Take every step that the lake lacks, each by one new manifest; returns them.

    Raises:
        LakeLocked: a writer holds the lake.
    """
    with storage.lock():
        due = pending_of_lake(storage)
        for version, _, step in LAKE_STEPS:
            before = _read(storage)
            if before.schema_version == version:
                after = step(before)
                after = msgspec.structs.replace(
                    after, schema_version=version + 1, version=before.version + 1, committed_at=at
                )
                storage.publish(MANIFEST, manifests.encode(after))
    return due


def migrate_state(state: State, at: datetime) -> list[Change]:
    """Take every step that the state database lacks, each in one transaction; returns them.

    The database has to be opened anew before it is written to.

    Raises:
        LedgerError: the old ledger is not as it was written; nothing is changed then.
    """
    due = pending_of_state(state)
    for version, _, step in STATE_STEPS:
        if state.schema_version == version:
            with state.migrating() as connection:
                step(connection, at)
                value = str(version + 1)
                connection.execute(sa.update(_META).where(_META.c.name == "schema_version").values(value=value))
    return due


def _read(storage: Storage) -> Manifest:
    body = storage.read(MANIFEST)
    if body is None:
        raise LakeError(f"there is no lake at {storage.root}; restore it from a backup")
    return manifests.decode(body, root=storage.root)


def name_the_key(manifest: Manifest) -> Manifest:
    """Lake 1 to 2: the manifest says under which pseudonym key its rows are; there was only the first one."""
    return msgspec.structs.replace(manifest, key_id=FIRST_KEY_ID)


def chain_to_tree(connection: sa.Connection, at: datetime) -> None:
    """State 1 to 2: the chained ledger becomes a Merkle log with the same entries.

    A last entry keeps the head of the chain: whoever has an old head can rebuild the chain from the entries.

    Raises:
        LedgerError: the chain is broken.
    """
    rows = connection.execute(sa.select(_CHAIN).order_by(_CHAIN.c.seq)).all()
    head = _checked_head(rows, connection)
    _CHAIN.drop(connection)
    METADATA.create_all(connection)
    connection.execute(sa.delete(_META).where(_META.c.name == _CHAIN_HEAD))
    connection.execute(sa.insert(_META).values(name=HEAD, value="0"))
    entries = [Entry(row.seq, moment(row.at), row.kind, _canonical(row.body)) for row in rows]
    body = rfc8785.dumps({"from_version": 1, "head": head, "n_entries": len(entries)}).decode()
    write_leaves(connection, [*entries, Entry(len(entries) + 1, moment(microseconds(at)), MIGRATED, body)], 0)


def _checked_head(rows: "list[sa.Row[Any]] | Any", connection: sa.Connection) -> str:
    previous = _GENESIS
    for seq, row in enumerate(rows, start=1):
        words = msgspec.json.encode([row.seq, row.at, row.kind, row.body, row.previous])
        sealed = hashlib.blake2b(words, digest_size=32).hexdigest()
        if (row.seq, row.previous, row.digest) != (seq, previous, sealed):
            raise LedgerError(f"the ledger is broken at entry {seq} and is not migrated; restore a backup")
        previous = sealed
    stored = connection.scalar(sa.select(_META.c.value).where(_META.c.name == _CHAIN_HEAD))
    said = msgspec.json.decode(stored) if stored else {"seq": 0, "digest": _GENESIS}
    if said != {"seq": len(rows), "digest": previous}:
        raise LedgerError(f"the ledger ends at entry {len(rows)}, its head says {said['seq']}; restore a backup")
    return previous


def _canonical(body: str) -> str:
    return rfc8785.dumps(msgspec.json.decode(body)).decode()


LAKE_STEPS: Final[tuple[tuple[int, str, Callable[[Manifest], Manifest]], ...]] = (
    (1, "the manifest names the key of the lake's pseudonyms; no segment changes", name_the_key),
)
STATE_STEPS: Final[tuple[tuple[int, str, Callable[[sa.Connection, datetime], None]], ...]] = (
    (
        1,
        "the chained ledger becomes a Merkle log with the same entries; tables of later releases are added",
        chain_to_tree,
    ),
)
