"""Shapes that a value may have: a field is let through only when its value is of the shape that its rule names."""

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Final

from stillwatch.guard.scan import breaches

BAND_EDGES: Final = tuple(step * 10**decade for decade in range(13) for step in (1, 3))
"""Where bands of counts begin: 1, 3, 10, 30, and so on to 3 * 10**12."""
BANDS: Final = ("0", *(f"{low}-{high - 1}" for low, high in pairwise(BAND_EDGES)))

_ID = r"--[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_WORD = re.compile(r"[a-z][a-z0-9]{0,23}(?:[-_+][a-z0-9]{1,24}){0,5}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z")
_TEXTS: Final[Mapping[str, re.Pattern[str]]] = {
    "id": re.compile(rf"[a-z][a-z0-9-]{{1,40}}{_ID}"),
    "atlas": re.compile(r"AML\.(?:T|TA|M|CS)\d{4}(?:\.\d{3})?"),
    "version": re.compile(r"\d{1,3}(?:\.\d{1,3}){1,2}"),
    "digest": re.compile(r"[0-9a-f]{64}"),
    "sketch": re.compile(r"[0-9a-f]{16}(?:,[0-9a-f]{16}){0,63}"),
    "pseudonym": re.compile(r"psn-[0-9a-f]{32}"),
    "ja4": re.compile(r"[tqd][0-9sd]{3}[a-z0-9]{6}_[0-9a-f]{12}_[0-9a-f]{12}"),
    "domain": re.compile(r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}"),
    "schema-url": re.compile(r"https://stillwatch\.example/stix/[a-z0-9-]{1,60}\.json"),
}


def band(count: int) -> str:
    """The band of a count: `30-99`; `0` for none."""
    return BANDS[min(bisect_right(BAND_EDGES, count), len(BANDS) - 1)]


def band_floor(count: int) -> int:
    """The lowest count of the band that holds `count`."""
    return int(band(count).partition("-")[0])


def has_shape(shape: str, value: object) -> bool:
    """Whether the value has the shape. Text shapes (`text`) are decided by the profile, not here."""
    if shape in _TEXTS:
        return isinstance(value, str) and _TEXTS[shape].fullmatch(value) is not None
    return SHAPES[shape](value)


def is_count(value: object) -> bool:
    """Whether the value is a whole number that a count can be."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < BAND_EDGES[-1]


def _is_time(value: object) -> bool:
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        return False
    try:
        return 2000 <= datetime.fromisoformat(value).year < 2100
    except ValueError:
        return False


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_word(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= 64
        and _WORD.fullmatch(value) is not None
        and not breaches(value.replace("-", " ").replace("_", " "))
    )


def _is_address(value: object, version: int) -> bool:
    try:
        address = ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return False
    # NOTE: documentation ranges are not global; they are let through because they name nobody.
    return address is not None and address.version == version and str(address) == value


SHAPES: Final[Mapping[str, Callable[[object], bool]]] = {
    "band": lambda value: value in BANDS,
    "bool": lambda value: isinstance(value, bool),
    "stamp": _is_time,
    "time": _is_time,
    "share": _is_share,
    "percent": lambda value: is_count(value) and isinstance(value, int) and value <= 100,
    "word": _is_word,
    "ipv4": lambda value: _is_address(value, 4),
    "ipv6": lambda value: _is_address(value, 6),
    "asn": lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**32,
    "number": lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10_000,
}

NAMES: Final = frozenset({*SHAPES, *_TEXTS, "text", "pattern", "count", "account", "choice"})
"""Every shape that a rule may name; `text`, `pattern`, `count`, `account` and `choice` are decided with the rule."""
