"""Signed checkpoints of the ledger: what somebody outside keeps to notice later that the log was rewritten.

The text is a signed note as the checksum database of the Go language and transparency logs use it: origin, size, root
in base64, one line with the time, an empty line, and the signature line.

References:
    C2SP specifications (2024): signed-note.md (key id and signature line, Ed25519 as type 1), tlog-checkpoint.md.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from stillwatch.errors import LedgerError
from stillwatch.store.keys import Keys
from stillwatch.store.ledger import Ledger
from stillwatch.store.merkle import HASH_BYTES
from stillwatch.store.schema import LEDGER_CHECKPOINTS
from stillwatch.store.state import State

ED25519: Final = b"\x01"
"""Signature type in key ids of signed notes."""
KEY_ID_BYTES: Final = 4
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_SHAPE: Final = re.compile(
    r"(?P<origin>[^\n]+)\n(?P<size>0|[1-9][0-9]{0,15})\n(?P<root>[A-Za-z0-9+/]{43}=)\ntime (?P<at>[^\n]+)\n"
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The ledger as it was at `at`: its size and its Merkle root. `origin` names the log."""

    origin: str
    size: int
    root: bytes
    at: datetime

    def text(self) -> str:
        """What is signed."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\ntime {self.at.astimezone(UTC).strftime(_TIME)}\n"


def ledger_key(keys: Keys) -> Ed25519PrivateKey:
    """The workspace's key for checkpoints."""
    return Ed25519PrivateKey.from_private_bytes(keys.derived("ledger-checkpoint/1"))


def verifier_key(origin: str, key: Ed25519PublicKey) -> str:
    """The public key as one line, `origin+key id+base64`: what somebody outside needs to check notes; no secret."""
    encoded = base64.b64encode(ED25519 + _raw(key)).decode()
    return f"{origin}+{_key_id(origin, key).hex()}+{encoded}"


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The checkpoint as a signed note."""
    text = checkpoint.text()
    stamp = _key_id(checkpoint.origin, key.public_key()) + key.sign(text.encode())
    return f"{text}\n\N{EM DASH} {checkpoint.origin} {base64.b64encode(stamp).decode()}\n"


def open_note(note: str, verifier: str) -> Checkpoint:
    """The checkpoint in a signed note, checked against the line that `verifier_key` gave.

    Raises:
        LedgerError: the note is damaged, of another log, or not signed by that key.
    """
    origin, key = _read_verifier(verifier)
    text, separator, signatures = note.partition("\n\n")
    found = _SHAPE.fullmatch(f"{text}\n")
    if not separator or found is None or found["origin"] != origin:
        raise LedgerError(f"this is no checkpoint of the ledger {origin}")
    wanted = f"\N{EM DASH} {origin} "
    stamps = [line.removeprefix(wanted) for line in signatures.splitlines() if line.startswith(wanted)]
    if not any(_signs(stamp, f"{text}\n".encode(), origin, key) for stamp in stamps):
        raise LedgerError(f"the checkpoint of ledger {origin} is not signed by the key that was given")
    try:
        at = datetime.strptime(found["at"], _TIME).replace(tzinfo=UTC)
        root = base64.b64decode(found["root"], validate=True)
    except ValueError as error:
        raise LedgerError(f"the checkpoint of ledger {origin} is damaged") from error
    if len(root) != HASH_BYTES:
        raise LedgerError(f"the checkpoint of ledger {origin} is damaged")
    return Checkpoint(origin, int(found["size"]), root, at)


class Checkpoints:
    """The checkpoints of one workspace's ledger."""

    def __init__(self, state: State, keys: Keys) -> None:
        self._state = state
        self._key = ledger_key(keys)
        self.origin = f"stillwatch/ledger/{state.workspace_id}"
        self.verifier = verifier_key(self.origin, self._key.public_key())

    def make(self, ledger: Ledger, at: datetime) -> str:
        """A signed note about the ledger as it is now; on return it is stored. One is kept for each size.

        Raises:
            LedgerError: the log does not go on from the last checkpoint, so that signing would cover up a rewriting.
        """
        size = ledger.size()
        last = self.last()
        if last is not None:
            self._check(ledger, last)
        note = sign(Checkpoint(self.origin, size, ledger.root(size), at), self._key)
        with self._state.writing() as connection:
            self._state.insert_new(connection, LEDGER_CHECKPOINTS, [{"size": size, "note": note}])
            query = sa.select(LEDGER_CHECKPOINTS.c.note).where(LEDGER_CHECKPOINTS.c.size == size)
            return str(connection.execute(query).scalar_one())

    def last(self) -> str | None:
        """The note about the largest size; None when none was made."""
        query = sa.select(LEDGER_CHECKPOINTS.c.note).order_by(LEDGER_CHECKPOINTS.c.size.desc()).limit(1)
        with self._state.reading() as connection:
            return connection.scalar(query)

    def all(self) -> list[str]:
        """Every note, by size."""
        query = sa.select(LEDGER_CHECKPOINTS.c.note).order_by(LEDGER_CHECKPOINTS.c.size)
        with self._state.reading() as connection:
            return [str(note) for note in connection.scalars(query)]

    def verify(self, ledger: Ledger) -> int:
        """Check every stored note against the log as it is now; returns how many there are.

        Raises:
            LedgerError: a note is forged, or the log is not a continuation of what it says.
        """
        notes = self.all()
        for note in notes:
            self._check(ledger, note)
        return len(notes)

    def _check(self, ledger: Ledger, note: str) -> None:
        checkpoint = open_note(note, self.verifier)
        if checkpoint.size > ledger.size() or ledger.root(checkpoint.size) != checkpoint.root:
            raise LedgerError(
                f"ledger {self.origin} is not a continuation of its checkpoint of {checkpoint.at:%Y-%m-%d %H:%M} at "
                f"{checkpoint.size} entries; somebody rewrote it: restore a backup"
            )


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _key_id(origin: str, key: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(origin.encode() + b"\n" + ED25519 + _raw(key)).digest()[:KEY_ID_BYTES]


def _read_verifier(verifier: str) -> tuple[str, Ed25519PublicKey]:
    parts = verifier.strip().split("+", 2)
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(parts[2], validate=True)[len(ED25519) :])
    except (IndexError, ValueError) as error:
        raise LedgerError("this is no verifier key; `stillwatch ledger head` prints it") from error
    if parts[1] != _key_id(parts[0], key).hex():
        raise LedgerError("the verifier key is damaged; `stillwatch ledger head` prints it")
    return parts[0], key


def _signs(stamp: str, text: bytes, origin: str, key: Ed25519PublicKey) -> bool:
    try:
        decoded = base64.b64decode(stamp, validate=True)
    except (binascii.Error, ValueError):
        return False
    if decoded[:KEY_ID_BYTES] != _key_id(origin, key):
        return False
    try:
        key.verify(decoded[KEY_ID_BYTES:], text)
    except InvalidSignature:
        return False
    return True
