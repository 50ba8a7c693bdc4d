"""Text from outside, made harmless to look at."""

import unicodedata


def visible(text: str) -> str:
    """The text with control, format and bidirectional characters spelled out as hexadecimal escapes."""
    return "".join(_spelled(character) for character in text)


def _spelled(character: str) -> str:
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}:
        return f"\\u{ord(character):04x}"
    return character
