"""Keyed one-way pseudonyms of raw identities, and the aliases of account ids that are identities."""

import hashlib
import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.ingest.redaction import CREDENTIAL, HINT, may_hold
from stillwatch.sources.columns import without_credentials
from stillwatch.store.keys import Keys, linked

V = TypeVar("V")

MAX_CACHED = 1_000_000
"""Distinct values of one class whose pseudonyms are remembered, about 150 bytes each."""

_FORMS = r"[+(]\s*\d|\d{3}[-. ]\d{3}[-. ]\d{4}|\d\.\d{1,3}\.\d{1,3}\.\d|[0-9A-Fa-f:]:[0-9A-Fa-f]{0,4}:"
ALIAS_HINT = rf"{HINT}|{_FORMS}"
"""Cheap test of a whole column of ids: without a match none of them is an identity or a secret."""

SUSPECT_ID = rf"@|{CREDENTIAL}|{_FORMS}"
"""Test of one id that may be an identity or a secret."""

KEY_LIKE = r"[A-Za-z0-9_\-+=.]{32,}"
"""An API key id this long with upper case, lower case and digits is taken for the key itself."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_PHONE = re.compile(r"(?:\+|\(|\d{3}[-. ]\d{3}[-. ]\d{4}$)[\d\s().\-/]{6,24}|\d{3}[-. ]\d{3}[-. ]\d{4}")
_CREDENTIAL = re.compile(CREDENTIAL)
_KEY_LIKE = re.compile(r"(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])(?=[^0-9]*[0-9])" + KEY_LIKE)
_BRACKETED = re.compile(r"\[([^\]]+)\](?::\d+)?")
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_WITH_PORT = re.compile(r"([0-9.]+):\d+")


class Sightings:
    """Raw identities of the `sealed` classes met since they were last taken."""

    def __init__(self, sealed: frozenset[str]) -> None:
        self._values: dict[str, dict[int, str]] = {identity_class: {} for identity_class in sorted(sealed)}

    def note(self, identity_class: str, pseudonym: int, value: str) -> None:
        """Remember one raw value if its class is sealed."""
        if identity_class in self._values:
            self._values[identity_class][pseudonym] = value

    def take(self) -> dict[str, dict[int, str]]:
        """Class to pseudonym to value, classes without any left out; forgets them."""
        taken = {name: values for name, values in self._values.items() if values}
        self._values = {name: {} for name in self._values}
        return taken


class Pseudonymiser:
    """Turns columns of raw identities into signed 64-bit keyed BLAKE2b digests, once for each distinct value.

    The class of identity is BLAKE2b's `person`, so that equal values of two classes have unrelated pseudonyms. With
    `sightings` None raw values are forgotten at once. `link_keys` are those of rotations: see `store.keys.Keys`.
    """

    def __init__(self, key: bytes, *, sightings: Sightings | None, link_keys: Sequence[bytes] = ()) -> None:
        self._key = key
        self._link_keys = tuple(link_keys)
        self._sightings = sightings
        self._cached: dict[str, dict[str, int | None]] = {}
        self._addresses: dict[str, tuple[int | None, int | None]] = {}
        self._renames: dict[str, dict[str, str]] = {}

    @classmethod
    def under(cls, keys: Keys) -> Self:
        """What names identities as the rows of a workspace with these keys do, and keeps no value."""
        return cls(keys.pseudonym_key, sightings=None, link_keys=keys.link_keys)

    def of(self, identity_class: str, value: str) -> int:
        """The pseudonym of one normalised value."""
        digest = hashlib.blake2b(value.encode(), digest_size=8, key=self._key, person=identity_class.encode()).digest()
        pseudonym = int.from_bytes(digest, "big", signed=True)
        for link_key in self._link_keys:
            pseudonym = linked(link_key, pseudonym)
        return pseudonym

    def column(self, identity_class: str, raw: pa.Array, normalise: Callable[[str], str]) -> pa.Array:
        """Pseudonyms of `raw` values after `normalise`; null and empty values give null."""
        cache = _bounded(self._cached.setdefault(identity_class, {}))
        return self._mapped(raw, cache, lambda value: self._sight(identity_class, normalise(value)))

    def addresses(self, raw: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Pseudonyms of network addresses, and of their /24 or /48; the second is null for text that is no address."""
        if raw.null_count == len(raw):
            return pa.nulls(len(raw), pa.int64()), pa.nulls(len(raw), pa.int64())
        cache = _bounded(self._addresses)
        encoded = raw.dictionary_encode()
        distinct = encoded.dictionary.to_pylist()
        for value in distinct:
            if value not in cache:
                cache[value] = self.address(value)
        addresses, prefixes = (pa.array([cache[value][at] for value in distinct], pa.int64()) for at in (0, 1))
        return addresses.take(encoded.indices), prefixes.take(encoded.indices)

    def address(self, raw: str) -> tuple[int | None, int | None]:
        """Pseudonyms of one network address, and of its /24 or /48."""
        address = normalise_address(raw)
        return self._sight("address", address), self._prefix(address)

    def aliases(self, ids: pa.Array, *, may_be_key: bool = False) -> pa.Array:
        """`ids` where an e-mail address, phone or network address is `acct-`, and a secret `key-`, and 16 hex.

        The digits are the pseudonym's, so that the vault can open an alias. `may_be_key` also takes long mixed text
        without structure for a secret. An id that sources name by the SHA-256 of a key has that name here too, so that
        accounts, events and whoever asks mean the account that telemetry means.
        """
        ids = without_credentials(ids)
        if may_be_key:
            return self._renamed("key", ids, ".", lambda value: self._alias(value, may_be_key=True))
        return self._renamed("account", ids, SUSPECT_ID, lambda value: self._alias(value, may_be_key=False))

    def references(self, ids: pa.Array) -> pa.Array:
        """`ids` of records and calls where those that hold an identity or a secret are `id-` and 16 hex."""
        return self._renamed("reference", ids, SUSPECT_ID, self._reference)

    def _renamed(self, kind: str, ids: pa.Array, suspect: str, rename: Callable[[str], str]) -> pa.Array:
        """`ids` where those that match `suspect` have the name that `rename` gives."""
        if suspect == SUSPECT_ID and not may_hold(ids, ALIAS_HINT):
            return ids
        is_suspect = pc.fill_null(pc.match_substring_regex(ids, suspect), False)
        encoded = ids.filter(is_suspect).dictionary_encode()
        names = self._names(kind, encoded.dictionary.to_pylist(), rename)
        return pc.replace_with_mask(ids, is_suspect, pa.array(names, pa.string()).take(encoded.indices))

    def _names(self, kind: str, values: list[str], rename: Callable[[str], str]) -> list[str]:
        cache = _bounded(self._renames.setdefault(kind, {}))
        for value in values:
            if value not in cache:
                cache[value] = rename(value)
        return [cache[value] for value in values]

    def _alias(self, value: str, *, may_be_key: bool) -> str:
        if _CREDENTIAL.search(value) or (may_be_key and _KEY_LIKE.fullmatch(value)):
            return f"key-{_hex(self.of('key', value.strip()))}"
        bare = value.strip()
        if _EMAIL.fullmatch(bare):
            return f"acct-{_hex(self._sight('email', normalise_email(bare)))}"
        if _PHONE.fullmatch(bare):
            return f"acct-{_hex(self._sight('phone', normalise_phone(bare)))}"
        if is_address(bare):
            return f"acct-{_hex(self._sight('address', normalise_address(bare)))}"
        return f"acct-{_hex(self.of('reference', value))}" if _EMAIL.search(value) else value

    def _reference(self, value: str) -> str:
        bare = value.strip()
        is_identity = "@" in value or _PHONE.fullmatch(bare) or is_address(bare)
        return f"id-{_hex(self.of('reference', value))}" if is_identity or _CREDENTIAL.search(value) else value

    def _sight(self, identity_class: str, value: str) -> int | None:
        if not value:
            return None
        pseudonym = self.of(identity_class, value)
        if self._sightings is not None:
            self._sightings.note(identity_class, pseudonym, value)
        return pseudonym

    def _prefix(self, address: str) -> int | None:
        network = prefix_of(address)
        return None if network is None else self.of("prefix", network)

    def _mapped(self, raw: pa.Array, cache: dict[str, int | None], make: Callable[[str], int | None]) -> pa.Array:
        if raw.null_count == len(raw):
            return pa.nulls(len(raw), pa.int64())
        encoded = raw.dictionary_encode()
        distinct = encoded.dictionary.to_pylist()
        for value in distinct:
            if value not in cache:
                cache[value] = make(value)
        return pa.array([cache[value] for value in distinct], pa.int64()).take(encoded.indices)


def _bounded(cache: dict[str, V]) -> dict[str, V]:
    """`cache`, emptied when it has grown too large."""
    if len(cache) > MAX_CACHED:
        cache.clear()
    return cache


def _hex(pseudonym: int | None) -> str:
    return f"{(pseudonym or 0) & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def normalise_text(value: str) -> str:
    """Without surrounding white space."""
    return value.strip()


def normalise_name(value: str) -> str:
    """Lower case with single spaces."""
    return " ".join(value.casefold().split())


def normalise_email(value: str) -> str:
    """Lower case without surrounding white space: providers differ in what else they ignore."""
    return value.strip().lower()


def normalise_phone(value: str) -> str:
    """Digits only, with a leading + kept."""
    digits = re.sub(r"\D", "", value)
    return f"+{digits}" if digits and value.strip().startswith("+") else digits


def normalise_address(value: str) -> str:
    """The first network address of the text, canonical and without port, brackets or zone; else the text itself."""
    if _IPV4.fullmatch(value):
        return value
    first = value.split(",", 1)[0].strip()
    matched = _BRACKETED.fullmatch(first) or _WITH_PORT.fullmatch(first)
    bare = (matched.group(1) if matched else first).split("%", 1)[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return first.lower()
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def prefix_of(address: str) -> str | None:
    """The /24 of an IPv4 or the /48 of an IPv6 address; None for other text."""
    if _IPV4.fullmatch(address):
        return f"{address.rpartition('.')[0]}.0/24"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


def is_address(value: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address, with or without port."""
    return ("." in value or ":" in value) and prefix_of(normalise_address(value)) is not None


def email_shapes(emails: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Domain and shape of e-mail addresses: letter runs of the local part as `a`, digit runs as `9`; null for none."""
    clean = pc.utf8_lower(pc.utf8_trim_whitespace(emails))
    parts = pc.extract_regex(clean, r"^(?P<local>[^@]+)@(?P<domain>[^@\s]+)$")
    if pa.types.is_null(parts.type):
        return pa.nulls(len(emails), pa.string()), pa.nulls(len(emails), pa.string())
    shape = pc.replace_substring_regex(parts.field("local"), r"\pL+", "a")
    shape = pc.replace_substring_regex(shape, r"\pN+", "9")
    valid = parts.is_valid()
    none = pa.scalar(None, pa.string())
    return pc.if_else(valid, parts.field("domain"), none), pc.if_else(valid, shape, none)
