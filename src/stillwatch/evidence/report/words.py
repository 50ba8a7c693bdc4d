"""Text and numbers as the report shows them: inert, short, and the same in HTML and in PDF."""

from datetime import datetime
from typing import Final

MAX_SHOWN: Final = 96
"""Characters of a text from telemetry that are shown; what is longer is cut, and says so."""
_SHOWN_BLOCKS: Final = (
    (0x20, 0x7E),
    (0xA1, 0xAC),
    (0xAE, 0x17F),
    (0x391, 0x3A1),
    (0x3A3, 0x3C9),
    (0x410, 0x44F),
    (0x2010, 0x2014),
    (0x2018, 0x201E),
    (0x2026, 0x2026),
)
"""Letters and marks that the report's font has, and that do not change direction: PDF/A admits no other."""


def inert(value: object) -> str:
    """A text from outside as plain characters of the report's font; every other is spelled out, long ones are cut."""
    text = str(value)
    shown = "".join(one if _is_shown(ord(one)) else f"\\u{ord(one):04x}" for one in text[:MAX_SHOWN])
    cut = len(text) > MAX_SHOWN or len(shown) > MAX_SHOWN
    return shown[:MAX_SHOWN] + ("..." if cut else "")


def prose(value: object) -> str:
    """As `inert`, for what people of this deployment wrote: at its full length."""
    return "".join(one if _is_shown(ord(one)) else f"\\u{ord(one):04x}" for one in " ".join(str(value).split()))


def _is_shown(code: int) -> bool:
    return any(low <= code <= high for low, high in _SHOWN_BLOCKS)


def number(value: float) -> str:
    """Whole numbers with thousands apart."""
    return f"{round(value):,}"


def moment(value: datetime) -> str:
    """A time to the minute; all are UTC."""
    return f"{value:%Y-%m-%d %H:%M}"


def short(value: float) -> str:
    """Two significant digits, for probabilities and scores."""
    return f"{value:.2g}"


def money(value: float) -> str:
    """US dollars, three significant digits from a thousand on."""
    for scale, unit in ((1e9, " bn"), (1e6, " m"), (1e3, " k")):
        if abs(value) >= scale:
            return f"${value / scale:.3g}{unit}"
    return f"${value:,.0f}"


def between(row: dict[str, object], name: str) -> str:
    """A quantity with its interval."""
    low, value, high = (int(str(row[f"{name}{end}"])) for end in ("_low", "", "_high"))
    return f"{number(value)} ({number(low)} to {number(high)})"


def plain_name(value: object) -> str:
    """A name of ours without underscores."""
    return str(value).replace("_", " ")
