"""The secrets of one workspace, kept outside of it."""

import base64
import binascii
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stillwatch.errors import ConfigError
from stillwatch.store.storage import sync_folder

KEY_BYTES = 32
"""Length of each key: what keyed BLAKE2b, HMAC-SHA-256 and ChaCha20-Poly1305 take at full strength."""

FIRST_KEY_ID = "k1"


LINK_PERSON: Final = b"stillwatch/link1"
"""BLAKE2b's `person`: a pseudonym of a pseudonym is unrelated to every pseudonym of a value."""


ALIAS: Final = re.compile(r"(acct|key|id)-([0-9a-f]{16})")
"""A name that ingest gives in place of an identity or a secret: the digits are the pseudonym's."""


class _NextFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key_id: str
    link_key: str
    vault_key: str


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pseudonym_key_id: str
    pseudonym_key: str
    vault_key: str
    reference_key: str
    link_keys: tuple[str, ...] = ()
    next: _NextFile | None = None


@dataclass(frozen=True, slots=True)
class NextKeys:
    """Keys that a rotation under way brings: the id, what makes new pseudonyms of the present ones, the vault's."""

    key_id: str
    link_key: bytes = field(repr=False)
    vault_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets of one workspace; only the key id is ever shown.

    `pseudonym_key` makes pseudonyms, `vault_key` seals identities, `reference_key` makes references into `contents`:
    32 bytes each. Each rotation adds one to `link_keys`: a pseudonym is that of the value under `pseudonym_key`, then
    that of this pseudonym under each link key, so that what was stored can be re-keyed without its value, and a value
    that comes again is still the same. `next` is there while a rotation is under way.
    """

    pseudonym_key_id: str
    pseudonym_key: bytes = field(repr=False)
    vault_key: bytes = field(repr=False)
    reference_key: bytes = field(repr=False)
    link_keys: tuple[bytes, ...] = field(default=(), repr=False)
    next: NextKeys | None = None

    @classmethod
    def create(cls, path: Path) -> Self:
        """New random keys, written to `path` with mode 0600.

        Raises:
            ConfigError: the file exists already or cannot be written.
        """
        pseudonym_key, vault_key, reference_key = (secrets.token_bytes(KEY_BYTES) for _ in range(3))
        keys = cls(FIRST_KEY_ID, pseudonym_key, vault_key, reference_key)
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
            handle.write(keys._written())
            handle.flush()
            os.fsync(handle.fileno())
        return keys

    def prepared(self) -> Self:
        """These keys with new ones to rotate to; those of a rotation under way stay."""
        number = int(self.pseudonym_key_id.removeprefix("k")) + 1
        fresh = NextKeys(f"k{number}", secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES))
        return self if self.next else replace(self, next=fresh)

    def promoted(self) -> Self:
        """The keys after the rotation under way: the new id, one more link, and the new key of the vault alone."""
        if self.next is None:
            return self
        links = (*self.link_keys, self.next.link_key)
        key_id, vault_key = self.next.key_id, self.next.vault_key
        return replace(self, pseudonym_key_id=key_id, vault_key=vault_key, link_keys=links, next=None)

    def save(self, path: Path) -> None:
        """Put these keys in place of those at `path`; a crash leaves the old file or the new one.

        Raises:
            ConfigError: the file cannot be written.
        """
        draft = path.with_name(f"{path.name}.new")
        try:
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(self._written())
                handle.flush()
                os.fsync(handle.fileno())
            draft.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            raise ConfigError(
                f"key file {path} cannot be written ({error.strerror}); rotating needs to replace it"
            ) from error

    def present_names(self, name: str) -> list[str]:
        """What an alias from before any of the rotations is called now, latest rotation first; empty for other names.

        An alias does not tell how old it is: of the names at most one is stored.
        """
        names = []
        for start in reversed(range(len(self.link_keys) if ALIAS.fullmatch(name) else 0)):
            present = name
            for link_key in self.link_keys[start:]:
                present = linked_alias(link_key, present)
            names.append(present)
        return names

    def _written(self) -> bytes:
        following = None
        if self.next:
            following = _NextFile(self.next.key_id, _text(self.next.link_key), _text(self.next.vault_key))
        stored = _KeyFile(
            pseudonym_key_id=self.pseudonym_key_id,
            pseudonym_key=_text(self.pseudonym_key),
            vault_key=_text(self.vault_key),
            reference_key=_text(self.reference_key),
            link_keys=tuple(_text(key) for key in self.link_keys),
            next=following,
        )
        return msgspec.json.format(msgspec.json.encode(stored), indent=2)

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
            said = stored.next
            following = NextKeys(said.key_id, _decoded(said.link_key), _decoded(said.vault_key)) if said else None
            return cls(
                stored.pseudonym_key_id,
                _decoded(stored.pseudonym_key),
                _decoded(stored.vault_key),
                _decoded(stored.reference_key),
                link_keys=tuple(_decoded(text) for text in stored.link_keys),
                next=following,
            )
        except (msgspec.DecodeError, ValueError):
            # NOTE: without `from`, and without the parser's words: they may quote the file.
            raise ConfigError(f"key file {path} is damaged; restore it from your backup of keys") from None


def linked(link_key: bytes, pseudonym: int) -> int:
    """The pseudonym that stands for `pseudonym` from a rotation on: signed 64 bits, as it is.

    NOTE: two of n pseudonyms fall together with a probability of about n**2 / 2**65, as values themselves do.
    """
    old = pseudonym.to_bytes(8, "big", signed=True)
    digest = hashlib.blake2b(old, digest_size=8, key=link_key, person=LINK_PERSON).digest()
    return int.from_bytes(digest, "big", signed=True)


def linked_alias(link_key: bytes, name: str) -> str:
    """The alias that stands for an alias from a rotation on; a name that is none, as it is."""
    found = ALIAS.fullmatch(name)
    if not found:
        return name
    return f"{found[1]}-{linked(link_key, pseudonym_of(found[2])) & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def pseudonym_of(digits: str) -> int:
    """The pseudonym whose 16 digits an alias shows."""
    return int.from_bytes(bytes.fromhex(digits), "big", signed=True)


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


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
