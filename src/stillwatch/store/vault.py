"""The vault: raw identities, sealed. Everything else in stillwatch holds one-way pseudonyms."""

import os
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from stillwatch.errors import VaultError
from stillwatch.store.keys import Keys
from stillwatch.store.ledger import Ledger
from stillwatch.store.schema import STORED, microseconds
from stillwatch.store.state import State

NONCE_BYTES = 12
"""RFC 8439. Nonces are random: at 2**32 sealed values the odds of a repeat are below 2**-32."""

ROWS_AT_ONCE = 20_000

_SEALED = STORED["identities"]

Held = Mapping[str, Collection[int]]
NONE_HELD: Held = {}


class IdentityClass(StrEnum):
    """Kinds of raw identity that policy may have sealed."""

    ADDRESS = "address"
    EMAIL = "email"
    PAYMENT = "payment"
    DEVICE = "device"
    NAME = "name"
    PHONE = "phone"


class Sealer:
    """Seals and opens single values by ChaCha20-Poly1305 under one vault key.

    Class, pseudonym and key id are associated data, so that a ciphertext moved to another row does not open.
    """

    def __init__(self, vault_key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(vault_key)

    def sealed(self, kind: str, pseudonym: int, key_id: str, value: str) -> bytes:
        """Nonce and ciphertext of a value."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value.encode(), _associated(kind, pseudonym, key_id))

    def opened(self, kind: str, pseudonym: int, key_id: str, sealed: bytes) -> str:
        """The value.

        Raises:
            VaultError: the row was changed, or the key is another one.
        """
        try:
            associated = _associated(kind, pseudonym, key_id)
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated).decode()
        except InvalidTag as error:
            raise VaultError(
                f"an identity of class {kind} does not open: the row was changed or the vault key is another one; "
                "check that STILLWATCH_KEYS names the key file of this workspace"
            ) from error


class Vault:
    """Sealed identities in the state database, under a key that is kept outside of the workspace.

    Values are sealed by `Sealer`; only `open` and `open_many` hand one out.
    """

    def __init__(self, state: State, keys: Keys, ledger: Ledger) -> None:
        self._state = state
        self._ledger = ledger
        self._key_id = keys.pseudonym_key_id
        self._sealer = Sealer(keys.vault_key)

    def seal(
        self,
        identity_class: str,
        pseudonyms: pa.Int64Array,
        values: pa.StringArray,
        *,
        expires_at: datetime | None = None,
    ) -> int:
        """Seal each value under the pseudonym beside it; returns how many were new.

        Rows with a null on either side are passed over, and so are pseudonyms already sealed in this class: their
        value and expiry stay. `expires_at` None keeps the rows until they are erased.

        Raises:
            VaultError: the class does not exist, or the arrays differ in length.
        """
        kind = _known(identity_class)
        if len(pseudonyms) != len(values):
            raise VaultError(f"cannot seal {len(values)} values of class {kind} under {len(pseudonyms)} pseudonyms")
        rows = pa.table({"pseudonym": pseudonyms, "value": values}).drop_null()
        rows = rows.group_by("pseudonym", use_threads=False).aggregate([("value", "first")]).sort_by("pseudonym")
        n_new = 0
        for start in range(0, rows.num_rows, ROWS_AT_ONCE):
            n_new += self._seal_some(kind, rows.slice(start, ROWS_AT_ONCE), expires_at)
        return n_new

    def open(self, identity_class: str, pseudonym: int, *, actor: str, reason: str, at: datetime) -> str:
        """The raw value behind a pseudonym. The opening is in the ledger before the value is returned.

        Raises:
            VaultError: nothing is sealed there, it has expired, or it does not open; or no actor or reason is given.
        """
        opened = self.open_many(identity_class, [pseudonym], actor=actor, reason=reason, at=at)
        if pseudonym not in opened:
            raise VaultError(
                f"no identity of class {identity_class} is sealed under this pseudonym, or it has expired; "
                "the retention policy decides which classes are kept and for how long"
            )
        return opened[pseudonym]

    def open_many(
        self, identity_class: str, pseudonyms: Collection[int], *, actor: str, reason: str, at: datetime
    ) -> dict[int, str]:
        """The raw values behind pseudonyms; those of which nothing is sealed, or no longer, are left out.

        Each opening is an entry of the ledger before any value is returned.

        Raises:
            VaultError: a value does not open, or no actor or reason is given; nothing is returned then.
        """
        kind = _known(identity_class)
        _check_said(actor, reason)
        wanted = sorted(set(pseudonyms))
        opened: dict[int, str] = {}
        for start in range(0, len(wanted), ROWS_AT_ONCE):
            some = wanted[start : start + ROWS_AT_ONCE]
            where = (_SEALED.c.identity_class == kind) & _SEALED.c.pseudonym.in_(some)
            with self._state.reading() as connection:
                query = sa.select(_SEALED.c.pseudonym, _SEALED.c.key_id, _SEALED.c.sealed, _SEALED.c.expires_at)
                rows = connection.execute(query.where(where).order_by(_SEALED.c.pseudonym)).all()
            valid = [row for row in rows if row.expires_at is None or row.expires_at > microseconds(at)]
            opened |= {row.pseudonym: self._sealer.opened(kind, row.pseudonym, row.key_id, row.sealed) for row in valid}
        self._record("vault.open", kind, list(opened), actor=actor, reason=reason, at=at)
        return opened

    def erase(self, pseudonym: int, *, actor: str, reason: str, at: datetime) -> int:
        """Remove what is sealed under a pseudonym, in all classes; returns how many rows went.

        The erasure is in the ledger, whose earlier entries about the pseudonym can no longer be tied to it.
        """
        _check_said(actor, reason)
        with self._state.writing() as connection:
            erased = connection.execute(
                sa.delete(_SEALED).where(_SEALED.c.pseudonym == pseudonym).returning(_SEALED.c.identity_class)
            )
            kinds = sorted(erased.scalars())
            for kind in kinds:
                subject = _subject(kind, pseudonym)
                body = {"actor": actor, "reason": reason, "identity_class": kind}
                body["subject"] = self._ledger.pseudonymous(connection, subject)
                self._ledger.append_within(connection, "vault.erase", body, at)
                self._ledger.forget(connection, subject)
        return len(kinds)

    def expired(self, now: datetime, held: Held = NONE_HELD) -> list[tuple[str, int]]:
        """Class and pseudonym of every identity whose time is over at `now`; `held` ones stay, by class."""
        query = sa.select(_SEALED.c.identity_class, _SEALED.c.pseudonym).where(
            _SEALED.c.expires_at <= microseconds(now)
        )
        with self._state.reading() as connection:
            return [
                (kind, pseudonym)
                for kind, pseudonym in connection.execute(query)
                if pseudonym not in held.get(kind, frozenset())
            ]

    def expire(self, now: datetime, held: Held = NONE_HELD) -> int:
        """Remove every identity whose time is over at `now`; returns how many rows went. `held` ones stay, by class."""
        over = self.expired(now, held)
        with self._state.writing() as connection:
            mine = (_SEALED.c.identity_class == sa.bindparam("kind")) & (_SEALED.c.pseudonym == sa.bindparam("one"))
            if over:
                connection.execute(sa.delete(_SEALED).where(mine), [{"kind": kind, "one": one} for kind, one in over])
            n_expired = len(over)
            if n_expired:
                self._ledger.append_within(connection, "vault.expire", {"n_identities": n_expired}, now)
        return n_expired

    def _seal_some(self, kind: str, rows: pa.Table, expires_at: datetime | None) -> int:
        with self._state.writing() as connection:
            fresh = rows.filter(
                pc.invert(pc.is_in(rows["pseudonym"], value_set=self._known_among(connection, kind, rows)))
            )
            expiry = None if expires_at is None else microseconds(expires_at)
            self._state.insert_new(
                connection,
                _SEALED,
                [
                    {
                        "identity_class": kind,
                        "pseudonym": pseudonym,
                        "key_id": self._key_id,
                        "sealed": self._sealer.sealed(kind, pseudonym, self._key_id, value),
                        "expires_at": expiry,
                    }
                    for pseudonym, value in zip(
                        fresh["pseudonym"].to_pylist(), fresh["value_first"].to_pylist(), strict=True
                    )
                ],
            )
        return int(fresh.num_rows)

    def _known_among(self, connection: sa.Connection, kind: str, rows: pa.Table) -> pa.Array:
        found = connection.execute(
            sa.select(_SEALED.c.pseudonym).where(
                (_SEALED.c.identity_class == kind) & _SEALED.c.pseudonym.in_(rows["pseudonym"].to_pylist())
            )
        )
        return pa.array(list(found.scalars()), pa.int64())

    def _record(
        self, event: str, kind: str, pseudonyms: Sequence[int], *, actor: str, reason: str, at: datetime
    ) -> None:
        with self._state.writing() as connection:
            for pseudonym in pseudonyms:
                subject = self._ledger.pseudonymous(connection, _subject(kind, pseudonym))
                body = {"actor": actor, "reason": reason, "identity_class": kind, "subject": subject}
                self._ledger.append_within(connection, event, body, at)


def _associated(kind: str, pseudonym: int, key_id: str) -> bytes:
    return f"stillwatch/vault/1\0{kind}\0{pseudonym}\0{key_id}".encode()


def _subject(kind: str, pseudonym: int) -> str:
    return f"{kind}:{pseudonym}"


def _known(identity_class: str) -> str:
    try:
        return IdentityClass(identity_class).value
    except ValueError:
        raise VaultError(
            f"identity class {identity_class!r} does not exist; choose one of {', '.join(IdentityClass)}"
        ) from None


def _check_said(actor: str, reason: str) -> None:
    if not actor.strip() or not reason.strip():
        raise VaultError("the vault opens and erases only for a named actor and a stated reason; give both")
