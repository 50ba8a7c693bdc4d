"""Text from outside, made harmless to open in a spreadsheet, and to look at."""

from stillwatch.model.inert import visible

__all__ = ["for_spreadsheet", "visible"]

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins with one of these (OWASP, CSV injection)."""


def for_spreadsheet(text: str) -> str:
    """The text with a quote before it where a spreadsheet would run it as a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
