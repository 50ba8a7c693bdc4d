"""The ledger: an append-only log in which each entry seals the one before."""

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa

from stillwatch.errors import LedgerError
from stillwatch.store.schema import LEDGER, LEDGER_SALTS, META, microseconds, moment
from stillwatch.store.state import State

Body = Mapping[str, str | int | bool | None]
"""What an entry says. It holds no personal data: a person or account appears as `Ledger.pseudonymous` makes it."""

_GENESIS = "0" * 64
_HEAD = "ledger_head"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. `body` is canonical JSON; digests are hexadecimal BLAKE2b-256."""

    seq: int
    at: datetime
    kind: str
    body: str
    previous: str
    digest: str


class _Head(msgspec.Struct, frozen=True):
    seq: int
    digest: str


class Ledger:
    """The hash-chained log in a state database. Entries number from 1 without gaps.

    The chain shows a change of any entry but the newest, and the stored head shows a cut-off end, to whoever kept an
    earlier head elsewhere: someone who rewrites the whole database can rewrite the chain with it.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def append(self, kind: str, body: Body, at: datetime) -> Entry:
        """Write one entry and return it; on return it is committed."""
        with self._state.writing() as connection:
            return self.append_within(connection, kind, body, at)

    def append_within(self, connection: sa.Connection, kind: str, body: Body, at: datetime) -> Entry:
        """Write one entry as part of a writing transaction of the same state database, and return it."""
        head = self._locked_head(connection)
        text = msgspec.json.encode(dict(body), order="deterministic").decode()
        seq = head.seq + 1
        stamp = microseconds(at)
        sealed = _seal(seq, stamp, kind, text, head.digest)
        connection.execute(
            sa.insert(LEDGER).values(seq=seq, at=stamp, kind=kind, body=text, previous=head.digest, digest=sealed)
        )
        value = msgspec.json.encode(_Head(seq, sealed)).decode()
        connection.execute(sa.update(META).where(META.c.name == _HEAD).values(value=value))
        return Entry(seq, at, kind, text, head.digest, sealed)

    def entries(self, kind: str | None = None) -> list[Entry]:
        """All entries (of one kind), oldest first."""
        query = sa.select(LEDGER).order_by(LEDGER.c.seq)
        if kind is not None:
            query = query.where(LEDGER.c.kind == kind)
        with self._state.reading() as connection:
            return list(_entries(connection, query))

    def verify(self) -> None:
        """Recompute every digest.

        Raises:
            LedgerError: an entry, its place in the chain or the end of the chain is not as it was written.
        """
        previous, seq = _GENESIS, 0
        with self._state.reading() as connection:
            for entry in _entries(connection, sa.select(LEDGER).order_by(LEDGER.c.seq)):
                seq += 1
                recomputed = _seal(entry.seq, microseconds(entry.at), entry.kind, entry.body, entry.previous)
                if (entry.seq, entry.previous, entry.digest) != (seq, previous, recomputed):
                    raise LedgerError(
                        f"ledger of {self._state.name} is broken at entry {entry.seq} (expected entry {seq}); "
                        "restore a backup and find out who wrote to the database"
                    )
                previous = entry.digest
            head = _decoded_head(connection.scalar(sa.select(META.c.value).where(META.c.name == _HEAD)))
        if head != _Head(seq, previous):
            raise LedgerError(
                f"ledger of {self._state.name} ends at entry {seq}, its head says {head.seq}; restore a backup"
            )

    def pseudonymous(self, connection: sa.Connection, subject: str) -> str:
        """What stands for `subject` in entries: a digest under a salt that is drawn once and kept beside the log."""
        query = sa.select(LEDGER_SALTS.c.salt).where(LEDGER_SALTS.c.subject == subject)
        if connection.scalar(query) is None:
            self._state.insert_new(connection, LEDGER_SALTS, [{"subject": subject, "salt": secrets.token_bytes(16)}])
        salt: bytes = connection.execute(query).scalar_one()
        return hashlib.blake2b(subject.encode(), digest_size=16, salt=salt).hexdigest()

    def forget(self, connection: sa.Connection, subject: str) -> None:
        """Destroy the salt of `subject`: its entries stay and can no longer be tied to it."""
        connection.execute(sa.delete(LEDGER_SALTS).where(LEDGER_SALTS.c.subject == subject))

    def _locked_head(self, connection: sa.Connection) -> _Head:
        # NOTE: the row lock orders writers on PostgreSQL; SQLite's writing transactions are ordered by themselves.
        genesis = msgspec.json.encode(_Head(0, _GENESIS)).decode()
        self._state.insert_new(connection, META, [{"name": _HEAD, "value": genesis}])
        return _decoded_head(connection.scalar(sa.select(META.c.value).where(META.c.name == _HEAD).with_for_update()))


def _seal(seq: int, stamp: int, kind: str, body: str, previous: str) -> str:
    return hashlib.blake2b(msgspec.json.encode([seq, stamp, kind, body, previous]), digest_size=32).hexdigest()


def _decoded_head(value: str | None) -> _Head:
    return _Head(0, _GENESIS) if value is None else msgspec.json.decode(value, type=_Head)


def _entries(connection: sa.Connection, query: sa.Select[tuple[object, ...]]) -> Iterator[Entry]:
    for row in connection.execute(query):
        at = moment(row.at)
        yield Entry(row.seq, at, row.kind, row.body, row.previous, row.digest)
