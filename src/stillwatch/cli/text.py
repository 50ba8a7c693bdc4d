"""Text from outside, made harmless to look at."""

import unicodedata

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins with one of these (OWASP, CSV injection)."""


def visible(text: str) -> str:
    """The text with control, format and bidirectional characters spelled out as hexadecimal escapes."""
    return "".join(_spelled(character) for character in text)


def _spelled(character: str) -> str:
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}:
        return f"\\u{ord(character):04x}"
    return character


def for_spreadsheet(text: str) -> str:
    """The text with a quote before it where a spreadsheet would run it as a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
