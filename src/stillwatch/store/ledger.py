"""The ledger: an append-only Merkle log of everything that was taken in, found, decided, opened and disclosed."""

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import rfc8785
import sqlalchemy as sa

from stillwatch.errors import LedgerError
from stillwatch.store import merkle
from stillwatch.store.merkle import HASH_BYTES, Consistency, Inclusion, Place
from stillwatch.store.schema import LEDGER, LEDGER_SALTS, META, microseconds, moment
from stillwatch.store.state import State

Json = str | int | float | bool | Sequence["Json"] | Mapping[str, "Json"] | None
Body = Mapping[str, Json]
"""What an entry says. It holds no personal data: a person or account appears as `Ledger.pseudonymous` makes it, and
content as `Ledger.salted_digest` does."""

HEAD: Final = "ledger_size"
VERIFIED_AT_ONCE: Final = 20_000
"""Entries that `verify` holds in memory."""
QUERIED_AT_ONCE: Final = 500
"""Keys in one query; SQLite's default limit of variables was 999 before 2020."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. `body` is canonical JSON (RFC 8785); entries number from 1."""

    seq: int
    at: datetime
    kind: str
    body: str

    @property
    def index(self) -> int:
        """Place of the entry's leaf in the Merkle tree, from 0."""
        return self.seq - 1

    def canonical(self) -> bytes:
        """What the leaf seals: the entry as canonical JSON with the keys `at`, `body`, `kind` and `seq`."""
        stamp = self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        kind = rfc8785.dumps(self.kind).decode()
        return f'{{"at":"{stamp}","body":{self.body},"kind":{kind},"seq":{self.seq}}}'.encode()

    def leaf(self) -> bytes:
        """The leaf's hash as RFC 6962 defines it."""
        return merkle.leaf_hash(self.canonical())


class Ledger:
    """The log in a state database. Entries number from 1 without gaps; whoever appends is ordered by a row lock.

    Each row keeps the hashes of the perfect subtrees that its leaf completes, one on average beside the leaf itself, so
    that roots and proofs at any size read O(log n) rows by their key. Appending needs no signature: an entry counts
    once its transaction is committed, and the next checkpoint covers it.
    """

    def __init__(self, state: State) -> None:
        state.require_current()
        self._state = state

    # -- writing ------------------------------------------------------------------------------------------------------

    def append(self, kind: str, body: Body, at: datetime) -> Entry:
        """Write one entry and return it; on return it is committed."""
        with self._state.writing() as connection:
            return self.append_within(connection, kind, body, at)

    def append_within(self, connection: sa.Connection, kind: str, body: Body, at: datetime) -> Entry:
        """Write one entry as part of a writing transaction of the same state database, and return it."""
        (entry,) = self.append_all_within(connection, [(kind, body)], at)
        return entry

    def append_all_within(
        self, connection: sa.Connection, said: Iterable[tuple[str, Body]], at: datetime
    ) -> list[Entry]:
        """Write one entry for each kind and body, in their order, as part of a writing transaction.

        Raises:
            LedgerError: a body that canonical JSON cannot hold (NaN, integers from 2**53 on, half of a surrogate pair).
        """
        size = self._locked_size(connection)
        at = moment(microseconds(at))
        entries = [
            Entry(seq, at, kind, _canonical(body, kind)) for seq, (kind, body) in enumerate(said, start=size + 1)
        ]
        if entries:
            write_leaves(connection, entries, size)
        return entries

    # -- reading ------------------------------------------------------------------------------------------------------

    def size(self) -> int:
        """How many entries were ever written."""
        with self._state.reading() as connection:
            return _size(connection)

    def entry(self, seq: int) -> Entry:
        """The entry of that number.

        Raises:
            LedgerError: there is none.
        """
        with self._state.reading() as connection:
            row = connection.execute(sa.select(LEDGER).where(LEDGER.c.seq == seq)).first()
        if row is None:
            raise LedgerError(f"ledger of {self._state.name} has no entry {seq}")
        return _entry(row)

    def entries(self, kind: str | None = None) -> list[Entry]:
        """All entries (of one kind), oldest first."""
        query = sa.select(LEDGER).order_by(LEDGER.c.seq)
        if kind is not None:
            query = query.where(LEDGER.c.kind == kind)
        with self._state.reading() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def root(self, size: int | None = None) -> bytes:
        """Root of the Merkle tree over the first `size` entries (None: all)."""
        with self._state.reading() as connection:
            wanted = self._checked_size(connection, size)
            return merkle.root(wanted, lambda places: _hashes(connection, places))

    def prove_inclusion(self, seq: int, size: int | None = None) -> Inclusion:
        """The proof that entry `seq` is among the first `size` (None: all).

        Raises:
            LedgerError: there are fewer entries than that.
        """
        with self._state.reading() as connection:
            wanted = self._checked_size(connection, size)
            if not 1 <= seq <= wanted:
                raise LedgerError(f"entry {seq} is not among the first {wanted} of ledger {self._state.name}")
            path = merkle.inclusion_proof(seq - 1, wanted, lambda places: _hashes(connection, places))
        return Inclusion(seq - 1, wanted, tuple(path))

    def prove_consistency(self, first: int, second: int | None = None) -> Consistency:
        """The proof that the log of `first` entries is a beginning of that of `second` (None: all).

        Raises:
            LedgerError: there are fewer entries than that.
        """
        with self._state.reading() as connection:
            wanted = self._checked_size(connection, second)
            if not 0 <= first <= wanted:
                raise LedgerError(f"{first} entries are no beginning of {wanted}")
            path = merkle.consistency_proof(first, wanted, lambda places: _hashes(connection, places)) if first else []
        return Consistency(first, wanted, tuple(path))

    def verify(self) -> None:
        """Recompute every leaf and every inner node from the entries' own words.

        Raises:
            LedgerError: an entry, its place in the log or the end of the log is not as it was written.
        """
        known: dict[Place, bytes] = {}
        seq = 0
        with self._state.reading() as connection:
            before = _size(connection)
            for row in _streamed(connection):
                seq += 1
                entry = _entry(row)
                if entry.seq != seq or not _retraced(entry, bytes(row.hashes), known):
                    raise LedgerError(
                        f"ledger of {self._state.name} is broken at entry {entry.seq} (expected entry {seq}); "
                        "restore a backup and find out who wrote to the database"
                    )
            after = _size(connection)
        if not before <= seq <= after:  # other writers may have appended meanwhile
            raise LedgerError(
                f"ledger of {self._state.name} ends at entry {seq}, its head says {after}; restore a backup"
            )

    # -- words for what must not be named -----------------------------------------------------------------------------

    def pseudonymous(self, connection: sa.Connection, subject: str) -> str:
        """What stands for `subject` in entries: a digest under a salt that is drawn once and kept beside the log."""
        return self.salted_digest(connection, subject, subject.encode())

    def salted_digest(self, connection: sa.Connection, subject: str, content: bytes) -> str:
        """Hexadecimal digest of `content` under the salt of `subject`: nobody can guess at it without the salt."""
        query = sa.select(LEDGER_SALTS.c.salt).where(LEDGER_SALTS.c.subject == subject)
        if connection.scalar(query) is None:
            self._state.insert_new(connection, LEDGER_SALTS, [{"subject": subject, "salt": secrets.token_bytes(16)}])
        salt: bytes = connection.execute(query).scalar_one()
        return hashlib.blake2b(content, digest_size=16, salt=salt).hexdigest()

    def forget(self, connection: sa.Connection, subject: str) -> None:
        """Destroy the salt of `subject`: its entries stay and can no longer be tied to it."""
        connection.execute(sa.delete(LEDGER_SALTS).where(LEDGER_SALTS.c.subject == subject))

    # -- plumbing -----------------------------------------------------------------------------------------------------

    def _locked_size(self, connection: sa.Connection) -> int:
        # NOTE: the row lock orders writers on PostgreSQL; SQLite's writing transactions are ordered by themselves.
        self._state.insert_new(connection, META, [{"name": HEAD, "value": "0"}])
        query = sa.select(META.c.value).where(META.c.name == HEAD).with_for_update()
        return int(connection.execute(query).scalar_one())

    def _checked_size(self, connection: sa.Connection, size: int | None) -> int:
        written = _size(connection)
        if size is not None and not 0 <= size <= written:
            raise LedgerError(f"ledger of {self._state.name} has {written} entries, not {size}")
        return written if size is None else size


def write_leaves(connection: sa.Connection, entries: Sequence[Entry], size: int) -> None:
    """Put `entries`, numbered from `size` + 1, behind the `size` that are there."""
    known = _hashes(connection, merkle.peaks(0, size))
    rows = []
    for entry in entries:
        made = merkle.completed(entry.leaf(), entry.index, known.__getitem__)
        known.update(((level, entry.index >> level), digest) for level, digest in enumerate(made))
        rows.append(_row(entry, b"".join(made)))
    connection.execute(sa.insert(LEDGER), rows)
    connection.execute(sa.update(META).where(META.c.name == HEAD).values(value=str(entries[-1].seq)))


def _canonical(body: Body, kind: str) -> str:
    try:
        return rfc8785.dumps(body).decode()
    except rfc8785.CanonicalizationError as error:
        # NOTE: without the library's words: they may quote the body.
        raise LedgerError(f"an entry of kind {kind!r} cannot be written as canonical JSON") from error


def _row(entry: Entry, hashes: bytes) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": microseconds(entry.at),
        "kind": entry.kind,
        "body": entry.body,
        "hashes": hashes,
    }


def _entry(row: sa.Row[Any]) -> Entry:
    return Entry(row.seq, moment(row.at), row.kind, row.body)


def _size(connection: sa.Connection) -> int:
    return int(connection.scalar(sa.select(META.c.value).where(META.c.name == HEAD)) or 0)


def _hashes(connection: sa.Connection, places: Iterable[Place]) -> dict[Place, bytes]:
    """Hashes of perfect subtrees, each read from the row of the entry that completed it."""
    wanted = list(places)
    seqs = sorted({(index + 1) << level for level, index in wanted})
    rows: dict[int, bytes] = {}
    for begin in range(0, len(seqs), QUERIED_AT_ONCE):
        some = seqs[begin : begin + QUERIED_AT_ONCE]
        query = sa.select(LEDGER.c.seq, LEDGER.c.hashes).where(LEDGER.c.seq.in_(some))
        rows.update((seq, bytes(hashes)) for seq, hashes in connection.execute(query))
    if len(rows) < len(seqs):
        raise LedgerError("an entry of the ledger is gone; restore a backup and find out who wrote to the database")
    return {
        (level, index): rows[(index + 1) << level][level * HASH_BYTES : (level + 1) * HASH_BYTES]
        for level, index in wanted
    }


def _streamed(connection: sa.Connection) -> Iterator[sa.Row[Any]]:
    """All rows in order, a bounded number of them in memory."""
    last = -1
    while True:
        query = sa.select(LEDGER).where(LEDGER.c.seq > last).order_by(LEDGER.c.seq).limit(VERIFIED_AT_ONCE)
        rows = connection.execute(query).all()
        if not rows:
            return
        yield from rows
        last = rows[-1].seq


def _retraced(entry: Entry, stored: bytes, known: dict[Place, bytes]) -> bool:
    """Whether the stored hashes follow from the entry; `known` keeps the subtrees that later leaves will need."""
    made = merkle.completed(entry.leaf(), entry.index, known.__getitem__)
    for level in range(len(made) - 1):
        del known[level, (entry.index >> level) - 1]
    top = len(made) - 1
    known[top, entry.index >> top] = made[-1]
    return b"".join(made) == stored
