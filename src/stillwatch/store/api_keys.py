"""API keys of the server: made here, shown once, kept as digests."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from stillwatch.errors import UsageError
from stillwatch.model.role import Role
from stillwatch.store.keys import Keys
from stillwatch.store.schema import STORED, microseconds, moment
from stillwatch.store.state import State

SHAPE: Final = re.compile(r"sw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
"""A key: a prefix that scanners of leaked secrets can look for, its id, and 32 random bytes in base64url."""

SECRET_BYTES: Final = 32
DOMAIN: Final = b"stillwatch/key/1"
"""BLAKE2b's `person`: digests of keys are unrelated to all other digests under the same workspace key."""

LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One stored key. Its digest is never shown."""

    key_id: str
    role: Role
    name: str
    digest: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Whether the key opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class ApiKeys:
    """The keys of one workspace.

    The secret part has 256 random bits, so a fast keyed hash is enough: there is nothing to guess, and whoever copies
    the state database without the workspace's own key file cannot even test a guess.
    """

    def __init__(self, state: State, keys: Keys) -> None:
        self._state = state
        self._pepper = keys.reference_key

    def create(self, role: Role, *, name: str, created_at: datetime, expires_at: datetime | None = None) -> str:
        """A new key, as it is shown to its holder this one time.

        Raises:
            UsageError: the key has no name, or a name of more than LONGEST_NAME characters.
        """
        if not name.strip() or len(name) > LONGEST_NAME:
            raise UsageError(f"a key needs a name of 1 to {LONGEST_NAME} characters that says who holds it")
        key_id = secrets.token_hex(6)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        row = {
            "key_id": key_id,
            "role": role.value,
            "name": name.strip(),
            "digest": self._digest(secret),
            "created_at": microseconds(created_at),
            "expires_at": None if expires_at is None else microseconds(expires_at),
            "revoked_at": None,
        }
        with self._state.writing() as connection:
            connection.execute(sa.insert(STORED["api_keys"]).values(row))
        return f"sw_{key_id}_{secret}"

    def revoke(self, key_id: str, *, revoked_at: datetime) -> ApiKey:
        """The key after it was made to open nothing; revoking twice keeps the first time.

        Raises:
            UsageError: there is no such key.
        """
        table = STORED["api_keys"]
        with self._state.writing() as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.key_id == key_id, table.c.revoked_at.is_(None))
                .values(revoked_at=microseconds(revoked_at))
            )
        for key in self.all():
            if key.key_id == key_id:
                return key
        raise UsageError("there is no API key of that id; `stillwatch keys list` shows them")

    def all(self) -> list[ApiKey]:
        """Every key, revoked ones included, oldest first."""
        table = STORED["api_keys"]
        with self._state.reading() as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.created_at, table.c.key_id)).all()
        return [_key(row) for row in rows]

    def opens(self, key: ApiKey, secret: str) -> bool:
        """Whether `secret` is the key's, compared in constant time."""
        return hmac.compare_digest(self._digest(secret), key.digest)

    def _digest(self, secret: str) -> bytes:
        return hashlib.blake2b(secret.encode(), digest_size=32, key=self._pepper, person=DOMAIN).digest()


def split(shown: str) -> tuple[str, str] | None:
    """Id and secret of a key as its holder shows it; None when it does not look like one."""
    found = SHAPE.fullmatch(shown)
    return (found[1], found[2]) if found else None


def _key(row: sa.Row[Any]) -> ApiKey:
    created_at, expires_at, revoked_at = _moments([row.created_at, row.expires_at, row.revoked_at])
    assert created_at is not None
    return ApiKey(row.key_id, Role(row.role), row.name, bytes(row.digest), created_at, expires_at, revoked_at)


def _moments(stamps: Sequence[int | None]) -> list[datetime | None]:
    return [None if stamp is None else moment(stamp) for stamp in stamps]
