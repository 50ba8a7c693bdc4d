"""The secrets of one workspace, kept outside of it."""

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stillwatch.errors import ConfigError

KEY_BYTES = 32
"""Length of each key: what keyed BLAKE2b, HMAC-SHA-256 and ChaCha20-Poly1305 take at full strength."""

FIRST_KEY_ID = "k1"


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pseudonym_key_id: str
    pseudonym_key: str
    vault_key: str
    reference_key: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets of one workspace; only the key id is ever shown.

    `pseudonym_key` makes pseudonyms, `vault_key` seals identities, `reference_key` makes references into `contents`:
    32 bytes each.
    """

    pseudonym_key_id: str
    pseudonym_key: bytes = field(repr=False)
    vault_key: bytes = field(repr=False)
    reference_key: bytes = field(repr=False)

    @classmethod
    def create(cls, path: Path) -> Self:
        """New random keys, written to `path` with mode 0600.

        Raises:
            ConfigError: the file exists already or cannot be written.
        """
        drawn = [secrets.token_bytes(KEY_BYTES) for _ in range(3)]
        keys = cls(FIRST_KEY_ID, *drawn)
        texts = [base64.b64encode(key).decode() for key in drawn]
        body = msgspec.json.format(msgspec.json.encode(_KeyFile(FIRST_KEY_ID, *texts)), indent=2)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError as error:
            raise ConfigError(
                f"key file {path} exists already; move it away, or open the workspace it belongs to"
            ) from error
        except OSError as error:
            raise ConfigError(f"key file {path} cannot be written ({error.strerror}); set STILLWATCH_KEYS") from error
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(body)
            handle.flush()
            os.fsync(handle.fileno())
        return keys

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose alone, derived from the reference key: rotating that rotates them."""
        derivation = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"stillwatch/{purpose}".encode())
        return derivation.derive(self.reference_key)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The keys in the file at `path`.

        Raises:
            ConfigError: the file is missing, open to other accounts of the machine, or damaged.
        """
        try:
            mode = path.stat().st_mode
            body = path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"key file {path} cannot be read ({error.strerror}); restore it from your backup of keys, or set "
                "STILLWATCH_KEYS to where it is"
            ) from error
        if stat.S_IMODE(mode) & 0o077:
            raise ConfigError(f"key file {path} is open to other accounts (mode {mode & 0o777:o}); run chmod 600 on it")
        try:
            stored = msgspec.json.decode(body, type=_KeyFile)
            keys = [_decoded(text) for text in (stored.pseudonym_key, stored.vault_key, stored.reference_key)]
        except (msgspec.DecodeError, ValueError):
            # NOTE: without `from`, and without the parser's words: they may quote the file.
            raise ConfigError(f"key file {path} is damaged; restore it from your backup of keys") from None
        return cls(stored.pseudonym_key_id, *keys)


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("a key has the wrong length")
    return key


def key_file(workspace_id: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the keys of a workspace are: `STILLWATCH_KEYS` if set, else in the user's configuration folder."""
    named = environ.get("STILLWATCH_KEYS")
    if named:
        return Path(named)
    configuration = environ.get("XDG_CONFIG_HOME")
    folder = Path(configuration) if configuration else Path.home() / ".config"
    return folder / "stillwatch" / "keys" / f"{workspace_id}.json"
