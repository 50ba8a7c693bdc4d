"""What free text must not say, however it is disguised.

A text is looked at as it stands and as what it turns into when somebody undoes a disguise: compatibility forms,
invisible characters, look-alike letters, letters spaced out, percent signs, character references, base64 and
hexadecimal. What cannot be read at all (a long run of letters and digits, a word of two scripts) is a breach by itself.
"""

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from stillwatch.guard.words import BREACHES, INNOCENT

LONGEST: Final = 600
"""Characters of a text; prompts and documents are longer than what a finding needs."""
DEEPEST: Final = 3
"""How often a disguise inside a disguise is undone."""

_LOOKALIKES: Final = str.maketrans(
    "аеорсухкмтвнідѕјԁɡⅼαβεικνορτυχ", "aeopcyxkmtbhidsjdglabeiknoptux"
)  # Cyrillic, Greek and a few others that most fonts draw like Latin letters
_LEET: Final = str.maketrans("013457@$", "oieastas")

_COMPILED: Final = tuple(
    (field_class, what, re.compile("|".join(alternatives), re.IGNORECASE))
    for (field_class, what), alternatives in BREACHES.items()
)
_INNOCENT: Final = re.compile("|".join(INNOCENT))
_OPAQUE: Final = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
_SPACED: Final = re.compile(r"\b(?:\w[ .\-_*]){3,}\w\b")


@lru_cache(maxsize=4096)
def breaches(text: str) -> frozenset[tuple[str, str]]:
    """What the text says that it must not: pairs of field class and words for a person. Never the text itself."""
    if len(text) > LONGEST:
        return frozenset({("content", "a text that is too long")})
    found: set[tuple[str, str]] = set(_unreadable(text))
    for shown in _undisguised(text, DEEPEST):
        plain = _INNOCENT.sub(" ", shown)
        found.update((field_class, what) for field_class, what, pattern in _COMPILED if pattern.search(plain))
    return frozenset(found)


def _unreadable(text: str) -> Iterator[tuple[str, str]]:
    if any(unicodedata.category(letter) in {"Cf", "Co", "Cs", "Cn", "Cc"} for letter in text):
        yield "content", "invisible characters"
    if any(len(_scripts(word)) > 1 for word in text.split()):
        yield "content", "a word of two scripts"
    if any(_is_opaque(run) for run in _OPAQUE.findall(_INNOCENT.sub(" ", text))):
        yield "content", "an unreadable run of characters"


def _scripts(word: str) -> set[str]:
    letters = (letter for letter in word if letter.isalpha())
    return {unicodedata.name(letter, "UNKNOWN").partition(" ")[0] for letter in letters}


def _is_opaque(run: str) -> bool:
    """Whether a run of characters is more likely a code than words joined by dashes."""
    parts = re.split(r"[-_/=+]", run)
    longest = max(parts, key=len)
    return len(longest) >= 20 or (sum(part.isalpha() for part in parts) < len(parts) / 2)


def _undisguised(text: str, depth: int) -> Iterator[str]:
    """The text and what it turns into when disguises are undone, each at most `depth` deep."""
    flat = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in {"Cf", "Mn"})
    folded = flat.casefold().translate(_LOOKALIKES)
    shown = {text, flat, folded, folded.translate(_LEET), _joined(folded)}
    yield from shown
    if depth:
        inner = {unquote(folded), html.unescape(folded), unquote(text), html.unescape(text), *_decoded(text)} - shown
        for disguised in sorted(inner):
            yield from _undisguised(disguised, depth - 1)


def _joined(text: str) -> str:
    """The text with letters that stand apart put together."""
    return _SPACED.sub(lambda found: re.sub(r"[ .\-_*]", "", found[0]), text)


def _decoded(text: str) -> Iterator[str]:
    """Readable texts inside base64, base32 and hexadecimal runs."""
    for run in re.findall(r"[A-Za-z0-9+/_-]{8,}={0,2}", text):
        padded = run.rstrip("=") + "=" * (-len(run.rstrip("=")) % 4)
        for decode in (base64.urlsafe_b64decode, base64.b64decode, bytes.fromhex, base64.b32decode):
            try:
                body = decode(run if decode == bytes.fromhex else padded)
                shown = body.decode("utf-8")
            except (ValueError, binascii.Error):
                continue
            if len(shown) > 3 and shown.isprintable():
                yield shown
