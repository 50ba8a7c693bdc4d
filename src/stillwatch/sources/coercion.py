"""What one reported value means: the rules that every source shares, one value at a time."""

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pyarrow as pa

from stillwatch.model.tables import TEXT, TEXTS, TIME

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_US = 946_684_800_000_000
"""2000-01-01: no language model was served before it, and clocks that were never set read 1970."""
LATEST_US = 4_102_444_800_000_000
"""2100-01-01, exclusive: a later clock is broken."""
MAX_INT64 = 2**63 - 1
NUMBER = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
CREDENTIAL = re.compile(r"(?i)^(bearer|basic)\s|^(sk|rk|pk)-[\w-]|^eyJ[\w-]+\.[\w-]+\.|^AKIA[0-9A-Z]{12}")
"""What a key, bearer token, JSON web token or cloud access key looks like at the start of a value."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a value, and with it its record, cannot be used. `detail` names types and fields, never a value."""

    reason: str
    detail: str


Outcome = str | int | float | bool | list[str] | Flaw | None
"""A value of the column's own type, null, or the flaw that rejects the record. Times are microseconds since 1970."""


def wrong_type(expected: str, value: object) -> Flaw:
    """The flaw of a value of another type than `expected`."""
    return Flaw("wrong_type", f"expected {expected}, got {type(value).__name__}")


def as_text(value: object) -> Outcome:
    """Text; a whole number becomes its digits, the empty text becomes null."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bytes):
        try:
            return value.decode() or None
        except UnicodeDecodeError:
            return Flaw("bad_utf8", "text is not valid UTF-8")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) <= MAX_INT64 else Flaw("out_of_range", "integer beyond 64 bits")
    return wrong_type("text", value)


def as_number(value: object) -> float | int | Flaw | None:
    """A finite number, also from its decimal digits as text; NaN is null."""
    if isinstance(value, (str, bytes)):
        value = _spelled_number(value)
    if value is None or isinstance(value, Flaw):
        return value
    if isinstance(value, bool):
        return wrong_type("number", value)
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else Flaw("out_of_range", "number is infinite")
    return value if isinstance(value, int) else wrong_type("number", value)


def _spelled_number(value: str | bytes) -> float | int | Flaw | None:
    digits = value.decode("ascii", "replace").strip() if isinstance(value, bytes) else value.strip()
    if not digits:
        return None
    if not NUMBER.fullmatch(digits):
        return wrong_type("number", value)
    return int(digits) if digits.lstrip("+-").isdecimal() else float(digits)


def as_count(value: object) -> Outcome:
    """A whole number from zero up that fits 64 bits."""
    number = as_number(value)
    if number is None or isinstance(number, Flaw):
        return number
    if isinstance(number, float) and not number.is_integer():
        return wrong_type("whole number", value)
    return int(number) if 0 <= number <= MAX_INT64 else Flaw("out_of_range", "count is negative or beyond 64 bits")


def as_small_count(value: object) -> Outcome:
    """A whole number from zero up that fits 32 bits."""
    number = as_count(value)
    if isinstance(number, int) and number >= 2**31:
        return Flaw("out_of_range", "number beyond 32 bits")
    return number


def as_real(value: object) -> Outcome:
    """A finite number."""
    number = as_number(value)
    if isinstance(number, int):
        return float(number) if abs(number) <= MAX_INT64 else Flaw("out_of_range", "integer beyond 64 bits")
    return number


def as_flag(value: object) -> Outcome:
    """True or false, also as the words or as 1 and 0."""
    if isinstance(value, bool):
        return value
    words = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    known = {"true": True, "false": False, "1": True, "0": False, "": None}
    folded = str(words).strip().lower() if isinstance(words, (str, int)) else "not a flag"
    return known[folded] if folded in known else wrong_type("true or false", value)


def as_texts(value: object) -> Outcome:
    """A list of texts: from a list, from a JSON array as text, or one text alone. Null elements are left out."""
    if isinstance(value, bytes):
        value = as_text(value)
        if value is None or isinstance(value, Flaw):
            return value
    if isinstance(value, str):
        if not value.startswith("["):
            return [value] if value else None
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return Flaw("wrong_type", "expected a list of texts, got damaged JSON")
    if not isinstance(value, (list, tuple)):
        return wrong_type("a list of texts", value)
    texts = [item for item in value if item is not None]
    if any(not isinstance(item, str) for item in texts):
        return Flaw("wrong_type", "expected a list of texts, got a list with other types")
    return texts


def as_moment(value: object) -> Outcome:
    """Microseconds since 1970 of a point in time between 2000 and 2100.

    A number is seconds, milliseconds, microseconds or nanoseconds since 1970 by its size (below 1e11, 1e14, 1e17, or
    more): inside 2000 to 2100 these four ranges do not overlap. Text is ISO 8601 or such a number; without offset it
    is UTC.
    """
    microseconds = _microseconds(value)
    if isinstance(microseconds, int) and not EARLIEST_US <= microseconds < LATEST_US:
        return Flaw("bad_time", "time is not between 2000 and 2100")
    return microseconds


def _microseconds(value: object) -> int | Flaw | None:
    if isinstance(value, (bytes, str)):
        text = value.decode("ascii", "replace").strip() if isinstance(value, bytes) else value.strip()
        if not NUMBER.fullmatch(text):
            return _from_iso(text) if text else None
        value = int(text) if text.lstrip("+-").isdecimal() else float(text)
    if isinstance(value, datetime):
        return _utc_microseconds(value)
    if isinstance(value, date):
        return (value.toordinal() - EPOCH.toordinal()) * 86_400_000_000
    number = as_number(value)
    if isinstance(number, Flaw):
        return Flaw("bad_time", number.detail)
    return None if number is None else scaled_to_microseconds(number)


def _from_iso(text: str) -> int | Flaw:
    try:
        return _utc_microseconds(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return Flaw("bad_time", "text is not an ISO 8601 time")


def _utc_microseconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)


def scaled_to_microseconds(number: float) -> int:
    """Microseconds since 1970 of a number of seconds, milliseconds, microseconds or nanoseconds, told by its size."""
    size = abs(number)
    if size < 1e11:
        return round(number * 1_000_000)
    if size < 1e14:
        return round(number * 1_000)
    return round(number) if size < 1e17 else int(number // 1_000)


def canonical_json(value: object) -> str:
    """JSON text with sorted keys and no spaces: equal values give equal text."""
    return msgspec.json.encode(value, order="sorted").decode()


def key_digest(value: str) -> str:
    """SHA-256 of a credential, hexadecimal: the form in which gateways name keys, so that it still joins."""
    return hashlib.sha256(value.encode()).hexdigest()


RULES: dict[pa.DataType, Callable[[object], Outcome]] = {
    TEXT: as_text,
    TEXTS: as_texts,
    TIME: as_moment,
    pa.int64(): as_count,
    pa.int32(): as_small_count,
    pa.float64(): as_real,
    pa.bool_(): as_flag,
}
"""How a value of each column type is read."""


def from_unit(value: object, per_second: int) -> Outcome:
    """Microseconds since 1970 of a number in a known unit, `per_second` of which make a second; see `as_moment`."""
    number = as_number(value)
    if number is None or isinstance(number, Flaw):
        return number if number is None else Flaw("bad_time", number.detail)
    microseconds = number * 10**6 // per_second if isinstance(number, int) else round(number * (10**6 / per_second))
    if not EARLIEST_US <= microseconds < LATEST_US:
        return Flaw("bad_time", "time is not between 2000 and 2100")
    return microseconds
