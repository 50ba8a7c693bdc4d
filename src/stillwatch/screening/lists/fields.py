"""What the readers of lists share: text that may be missing, lists in one field, dates in several notations."""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Final

import msgspec

from stillwatch.errors import ListError
from stillwatch.screening.listed import Entry

MISSING: Final = frozenset({"", "-0-", "null", "none", "n/a"})
_DATE_FORMS: Final = ("%Y-%m-%d", "%m/%d/%Y", "%d %b %Y", "%Y%m%d")


def text(value: object) -> str:
    """The value as text without surrounding space; empty for what lists write where nothing is known."""
    stripped = "" if value is None else str(value).strip()
    return "" if stripped.lower() in MISSING else stripped


def several(value: object, separator: str = ";") -> tuple[str, ...]:
    """The parts of a field that holds several values, once each, in their order."""
    parts = value if isinstance(value, list) else str(value or "").split(separator)
    return tuple(dict.fromkeys(part for part in map(text, parts) if part))


def day(value: object) -> date | None:
    """The date of a field; None where there is none that can be read."""
    found = text(value).split("T")[0]
    for form in _DATE_FORMS:
        try:
            return datetime.strptime(found, form).date()
        except ValueError:
            continue
    return None


def rows_of(body: str, *, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """The rows of a table with a header, by lower-case column name.

    Raises:
        ListError: the text is not a table.
    """
    try:
        for row in csv.DictReader(io.StringIO(body), delimiter=delimiter):
            yield {(name or "").strip().lower().lstrip("\ufeff"): value or "" for name, value in row.items() if name}
    except csv.Error as error:
        raise ListError(f"a list is not a table of values ({error}); check the file and its format") from error


def identity_of(*facts: object) -> str:
    """An id for an entry of a list that gives none: equal facts give equal ids."""
    return hashlib.blake2b(msgspec.json.encode([str(fact) for fact in facts]), digest_size=8).hexdigest()


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """One entry for each id, ascending: lists repeat an entry for each of its addresses or names."""
    found: dict[str, Entry] = {}
    for entry in entries:
        first = found.get(entry.entry_id)
        found[entry.entry_id] = entry if first is None else _joined(first, entry)
    return [found[entry_id] for entry_id in sorted(found)]


def _joined(one: Entry, other: Entry) -> Entry:
    names = tuple(name for name in dict.fromkeys((*one.aliases, *other.names)) if name != one.name)
    both = {
        field: tuple(dict.fromkeys((*getattr(one, field), *getattr(other, field))))
        for field in ("countries", "addresses", "identifiers", "programmes")
    }
    return Entry(
        one.list_id, one.entry_id, one.name, one.kind, names, **both, starts_on=one.starts_on, ends_on=one.ends_on
    )


def last_country(address: str) -> str:
    """The last part of an address, where lists write the country."""
    return re.split(r",\s*", address)[-1].strip()
