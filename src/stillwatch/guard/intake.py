"""Reading JSON that a stranger sent: bounded in bytes, nesting and number of objects before anything is built."""

import re
from typing import Any, Final

import msgspec
import numpy as np

from stillwatch.errors import GuardRefused

MAX_BYTES: Final = 8 << 20
"""Of one message; a page of 1,000 objects has about 1 MB."""
MAX_DEPTH: Final = 16
MAX_OBJECTS: Final = 20_000

_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def read_bounded(body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """The JSON object in `body`.

    Raises:
        GuardRefused: it is too large, too deep, or no JSON object. The message never quotes it.
    """
    if len(body) > max_bytes:
        raise GuardRefused(f"a message of {len(body):,} bytes is larger than the {max_bytes:,} that are read")
    if _depth(body) > max_depth:
        raise GuardRefused(f"a message is nested deeper than the {max_depth} levels that are read")
    try:
        read = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise GuardRefused("a message is not valid JSON") from None
    if not isinstance(read, dict):
        raise GuardRefused("a message is JSON but no object")
    return read


def read_objects(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The STIX objects of an envelope or bundle; an empty list when it has none.

    Raises:
        GuardRefused: there are too many, or `objects` is not a list of JSON objects.
    """
    objects = message.get("objects", [])
    if not isinstance(objects, list) or not all(isinstance(stix, dict) for stix in objects):
        raise GuardRefused("`objects` of a message is not a list of JSON objects")
    if len(objects) > MAX_OBJECTS:
        raise GuardRefused(f"a message of {len(objects):,} objects has more than the {MAX_OBJECTS:,} that are read")
    return objects


def _depth(body: bytes) -> int:
    marks = np.frombuffer(_STRINGS.sub(b"", body), dtype=np.uint8)
    opened = np.isin(marks, np.frombuffer(b"[{", dtype=np.uint8)).astype(np.int32)
    closed = np.isin(marks, np.frombuffer(b"]}", dtype=np.uint8)).astype(np.int32)
    return int(np.cumsum(opened - closed).max(initial=0))
