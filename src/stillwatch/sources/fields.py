"""Which fields a source's records had, counted by name only."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache

from stillwatch.sources.coercion import CREDENTIAL
from stillwatch.sources.known_tools import tool_field

MAX_NAMES = 512
"""Distinct names kept of one chunk: a format has tens to hundreds, only a hostile file has more."""
MAX_DEPTH = 3
PLAIN = re.compile(r"[A-Za-z_$][\w.\-:/ ]{0,95}")
INDEX = re.compile(r"\.\d+(?=\.|$)")
OTHER = "*"
"""Stands for names that are no plain words: a key may itself hold an address, an e-mail or a token."""


Shape = tuple["str | tuple[str, Shape]", ...]


class FieldCounter:
    """Counts records by field name; nested names are dotted, list positions and odd names are `*`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._shapes: Counter[Shape] = Counter()

    def add(self, record: Mapping[str, object]) -> None:
        """Count every field of a record that is not null, once."""
        self._shapes[_shape(record, MAX_DEPTH)] += 1

    def add_many(self, name: str, n: int) -> None:
        """Count one field for `n` records at once."""
        if n:
            self._counts[next(iter(self._admit([plain_name(name)])))] += n

    def add_tool(self, name: object, version: object) -> None:
        """Count the tool that wrote one record, where the record names it."""
        if field := tool_field(name, version):
            self._counts[next(iter(self._admit([field])))] += 1

    def take(self) -> dict[str, int]:
        """The counts so far, by name in order; counting starts again from zero."""
        for shape, n in self._shapes.items():
            for name in self._admit(list(_names(shape, ""))):
                self._counts[name] += n
        counts, self._counts, self._shapes = self._counts, Counter(), Counter()
        return dict(sorted(counts.items()))

    def _admit(self, names: list[str]) -> list[str]:
        distinct = list(dict.fromkeys(names))
        if len(self._counts) + len(distinct) <= MAX_NAMES:
            return distinct
        return list(dict.fromkeys(name if name in self._counts else OTHER for name in distinct))


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """A field name that is safe to keep: `*` unless it is a plain word, positions in lists as `*`."""
    if not PLAIN.fullmatch(name) or CREDENTIAL.search(name):
        return OTHER
    return INDEX.sub("." + OTHER, name)


def _shape(record: Mapping[str, object], depth: int) -> Shape:
    """The fields of a record that are not null, with those inside of them: records of one format have few shapes."""
    return tuple(
        (key, _shape(value, depth - 1)) if isinstance(value, dict) and value and depth > 1 else key
        for key, value in record.items()
        if value is not None
    )


def _names(shape: Shape, prefix: str) -> Iterator[str]:
    for field in shape:
        if isinstance(field, str):
            yield prefix + plain_name(field)
        else:
            yield from _names(field[1], prefix + plain_name(field[0]) + ".")
