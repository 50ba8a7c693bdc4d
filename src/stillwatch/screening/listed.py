"""Who is on a list, and who is screened against it."""

import hashlib
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

import msgspec

from stillwatch.screening.names import Kind

LIST_ID: Final = r"[a-z0-9][a-z0-9-]{0,40}"
"""Names of lists, which are also names of folders."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One person, company or vessel of one list, as one snapshot of the list has it.

    `countries` are ISO 3166 codes. `ends_on` is the last day of an order that expires; None has no end.
    """

    list_id: str
    entry_id: str
    name: str
    kind: Kind = Kind.UNKNOWN
    aliases: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    programmes: tuple[str, ...] = ()
    starts_on: date | None = None
    ends_on: date | None = None

    @property
    def key(self) -> str:
        """`list:entry`, what identifies the entry among all lists."""
        return f"{self.list_id}:{self.entry_id}"

    @property
    def digest(self) -> str:
        """Changes whenever anything about the entry changes; 32 hexadecimal digits."""
        return hashlib.blake2b(msgspec.json.encode(self), digest_size=16).hexdigest()

    @property
    def names(self) -> tuple[str, ...]:
        """The name and every alias."""
        return (self.name, *self.aliases)

    def is_in_force(self, day: date) -> bool:
        """Whether the entry's order holds on `day`."""
        return self.ends_on is None or day <= self.ends_on


@dataclass(frozen=True)
class Subject:
    """One account as it is screened. Raw values live in memory only; `digest` is keyed and may be stored."""

    account_id: str
    digest: str
    names: tuple[str, ...] = ()
    kind: Kind = Kind.UNKNOWN
    countries: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()

    @cached_property
    def country_set(self) -> frozenset[str]:
        """The countries, for comparison."""
        return frozenset(self.countries)

    def __repr__(self) -> str:
        return f"Subject({self.account_id!r})"


def subject_digest(key: bytes, facts: object) -> str:
    """What stands for the facts about one account that is screened: keyed, so that names cannot be guessed from it."""
    return hashlib.blake2b(
        msgspec.json.encode(facts, order="deterministic"), digest_size=16, key=key, person=b"screening"
    ).hexdigest()
