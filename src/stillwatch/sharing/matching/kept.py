"""Sessions of private matching in the state database: sealed, counted against each partner's budget, in the ledger."""

import os
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import pyarrow as pa
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from stillwatch.errors import UsageError
from stillwatch.guard.matching import Commit, Step, digest_of
from stillwatch.guard.policy import Matching
from stillwatch.model.tables import MATCHINGS
from stillwatch.sharing.matching.session import MatchRefused, Session, bucket
from stillwatch.store.ledger import Body, Ledger
from stillwatch.store.schema import STORED, microseconds
from stillwatch.store.state import State, arrow_rows

NONCE_BYTES: Final = 12
FROZEN: Final = "canary"
KEPT_DAYS: Final = 90
"""An auditor may ask both sides to open a session for this long."""
LEAST_OWN: Final = 64
"""Own items beside which a set of the other side is measured at least."""
_TABLE: Final = STORED["matchings"]


class Kept(msgspec.Struct, frozen=True):
    """A session with what was answered last, so that a message that comes twice gets the same answer."""

    peer: str
    session: Session
    received: str = ""
    """Digest of the last message of the other side."""
    reply: Step | None = None
    """The answer to it; None where none is due yet."""


class Matches:
    """The sessions of one workspace. `key` seals them."""

    def __init__(self, state: State, ledger: Ledger, key: bytes) -> None:
        self._state = state
        self._ledger = ledger
        self._cipher = ChaCha20Poly1305(key)

    def admit(self, peer: str, session_id: str, limits: Matching, *, n_points: int, n_own: int, at: datetime) -> None:
        """Let a session have a set of `n_points` of a peer, beside what its other sessions used.

        Raises:
            MatchRefused: the peer is frozen, used its sessions or points up, or its set is too large.
        """
        since = microseconds(at - timedelta(days=limits.days))
        recent = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_TABLE.c.n_peer), 0)).where(
            _TABLE.c.peer == peer, _TABLE.c.started_at > since, _TABLE.c.session_id != session_id
        )
        frozen = sa.select(_TABLE.c.session_id).where(_TABLE.c.peer == peer, _TABLE.c.status == FROZEN).limit(1)
        with self._state.reading() as connection:
            n_sessions, n_used = connection.execute(recent).one()
            is_frozen = connection.scalar(frozen) is not None
        if is_frozen:
            raise MatchRefused(f"{peer} matched a canary; nothing is compared before `share match release {peer}`")
        if n_sessions >= limits.max_sessions:
            raise MatchRefused(f"{peer} has used the {limits.max_sessions} sessions of {limits.days} days")
        if n_used + n_points > limits.max_points:
            raise MatchRefused(f"{peer} has used the {limits.max_points:,} points of {limits.days} days")
        if n_points > bucket(limits.max_items):
            raise MatchRefused(f"a set of {n_points:,} points is larger than the policy's {limits.max_items:,} items")
        if n_points > limits.max_ratio * max(n_own, LEAST_OWN):
            raise MatchRefused(
                f"a set of {n_points:,} points is too large beside the own one: it could be a dictionary"
            )

    def put(self, kept: Kept, *steps: Step, at: datetime) -> None:
        """Keep a session after steps of either side; they are in the ledger when this returns."""
        session = kept.session
        row = {
            "peer": kept.peer, "is_asking": session.is_asking, "token_kind": session.terms.token_kind,
            "status": _status(session), "counted": None if session.n_common is None else session.counted,
            "n_own": len(session.items), "n_peer": session.peer_size, "updated_at": microseconds(at),
            "sealed": self._sealed(kept),
        }  # fmt: skip
        mine = _TABLE.c.session_id == session.session_id
        with self._state.writing() as connection:
            for step in steps:
                self._ledger.append_within(connection, "match.step", _entry(kept, step), at)
            if not connection.execute(sa.update(_TABLE).where(mine).values(row)).rowcount:
                fresh = {"session_id": session.session_id, "started_at": microseconds(at)}
                connection.execute(sa.insert(_TABLE).values(row | fresh))
            self._forget(connection, at)

    def get(self, session_id: str) -> Kept | None:
        """The session; None where there is none, it is over, or it was sealed under a key that was rotated since."""
        query = sa.select(_TABLE.c.sealed).where(_TABLE.c.session_id == session_id, _TABLE.c.status != "refused")
        with self._state.reading() as connection:
            sealed = connection.scalar(query)
        if sealed is None:
            return None
        try:
            opened = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], session_id.encode())
        except InvalidTag:
            return None
        return msgspec.msgpack.decode(opened, type=Kept)

    def refuse(self, session_id: str, peer: str, why: str, at: datetime, *, status: str = "refused") -> None:
        """End a session (which may never have begun) and say why in the ledger."""
        body: Body = {"session": session_id, "peer": peer, "why": why, "status": status}
        with self._state.writing() as connection:
            self._ledger.append_within(connection, "match.refused", body, at)
            values = {"status": status, "fault": why, "updated_at": microseconds(at)}
            mine = sa.update(_TABLE).where(_TABLE.c.session_id == session_id, _TABLE.c.peer == peer)
            if not connection.execute(mine.values(values)).rowcount:
                unknown = {"is_asking": False, "token_kind": "", "n_own": 0, "n_peer": 0}
                dated = {"session_id": session_id, "peer": peer, "started_at": microseconds(at)}
                self._state.insert_new(connection, _TABLE, [values | unknown | dated])

    def release(self, peer: str, *, author: str, note: str, at: datetime) -> int:
        """Let a frozen peer compare again; returns how many sessions had frozen it.

        Raises:
            UsageError: nobody answers for it.
        """
        if not author.strip() or not note.strip():
            raise UsageError("a release needs the name of who answers for it and a reason; give --by and --note")
        body: Body = {"peer": peer, "author": author.strip(), "note": note.strip()}
        with self._state.writing() as connection:
            frozen = sa.update(_TABLE).where(_TABLE.c.peer == peer, _TABLE.c.status == FROZEN)
            n_frozen = int(connection.execute(frozen.values(status="refused")).rowcount)
            self._ledger.append_within(connection, "match.released", body, at)
        return n_frozen

    def all(self) -> pa.Table:
        """Every session, oldest first, without its secrets."""
        shown = [column for column in _TABLE.c if column.name != "sealed"]
        query: sa.Select[Any] = sa.select(*shown, sa.null().label("sealed")).order_by(
            _TABLE.c.started_at, _TABLE.c.session_id
        )
        with self._state.reading() as connection:
            return arrow_rows(MATCHINGS, connection.execute(query).all()).drop_columns(["sealed"])

    def row(self, session_id: str) -> dict[str, object]:
        """What is told of one session; empty where there is none."""
        return next((row for row in self.all().to_pylist() if row["session_id"] == session_id), {})

    def _sealed(self, kept: Kept) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, msgspec.msgpack.encode(kept), kept.session.session_id.encode())

    def _forget(self, connection: sa.Connection, at: datetime) -> None:
        """Scalars of sessions that an auditor had time to ask about are gone for good."""
        old = _TABLE.c.updated_at < microseconds(at - timedelta(days=KEPT_DAYS))
        connection.execute(sa.update(_TABLE).where(old).values(sealed=None))


def _status(session: Session) -> str:
    if session.hits is not None:
        return FROZEN if any(session.items[place].is_canary for place in session.hits) else "revealed"
    return "open" if session.n_common is None else "counted"


def _entry(kept: Kept, step: Step) -> dict[str, Any]:
    body: dict[str, Any] = {
        "session": step.session, "peer": kept.peer, "token_kind": kept.session.terms.token_kind,
        "step": type(step).__name__.lower(), "digest": digest_of(step), "counted": kept.session.counted,
    }  # fmt: skip
    return body | ({"commitment": step.commitment} if isinstance(step, Commit) else {})
