"""Names as they are compared: folded to Latin letters, without legal forms and titles, cut to words."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from anyascii import anyascii

from stillwatch.screening.vocabulary import LEGAL_FORMS, NUMBER_WORDS, PARTICLES, SYNONYMS, TITLES

NORMALISER_VERSION: Final = 1
"""Raised whenever a name may come out differently, so that everything is screened again."""

_ABBREVIATION: Final = re.compile(r"\b(?:[a-z0-9]\.){2,}[a-z]?|\b(?:[a-z]/){1,2}[a-z]\b")
_APOSTROPHES: Final = re.compile(r"['`\u00b4\u2018\u2019\u02bb\u02bc\u02be\u02bf\"]+")
_NOT_WORD: Final = re.compile(r"[^a-z0-9]+")
_POSSESSIVE: Final = re.compile(r"['\u2019]s\b")
_ORDINAL: Final = re.compile(r"(?<=\d)(?:st|nd|rd|th)$")
_DIGRAPHS: Final = (
    ("shch", "s"), ("sch", "s"), ("tch", "c"), ("kh", "h"), ("gh", "g"), ("ph", "f"), ("th", "t"), ("sh", "s"),
    ("zh", "z"), ("ch", "c"), ("ts", "c"), ("tz", "c"), ("ck", "k"), ("dj", "j"), ("dzh", "j"), ("hs", "s"),
    ("ks", "x"), ("ou", "u"), ("oo", "u"), ("ee", "i"), ("ij", "i"), ("iy", "i"), ("ya", "a"), ("ia", "a"),
    ("yu", "u"), ("iu", "u"), ("ye", "e"), ("yo", "o"),
)  # fmt: skip
_LETTERS: Final = str.maketrans({"y": "i", "w": "v", "q": "k", "c": "k", "x": "s", "z": "s", "o": "u", "e": "i"})
_REPEATED: Final = re.compile(r"(.)\1+")
_FORMS: Final = sorted(
    ((tuple(spelling.split()), form) for form, spellings in LEGAL_FORMS.items() for spelling in spellings),
    key=lambda pair: (-len(pair[0]), pair[0]),
)


class Kind(StrEnum):
    """What a name belongs to. `UNKNOWN` is compared as an organisation and as a person, and the better one counts."""

    PERSON = "person"
    ORGANISATION = "organisation"
    VESSEL = "vessel"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Name:
    """One name in words: `core` without forms and titles (never empty unless the name is), `forms` what was cut off."""

    core: tuple[str, ...]
    forms: frozenset[str]

    @property
    def text(self) -> str:
        """The words of the core in the order of the alphabet, for blocking."""
        return " ".join(sorted(self.core))


@lru_cache(maxsize=200_000)
def folded(raw: str) -> str:
    """The name in lower-case Latin letters, digits and single spaces; `&` and `+` are `and`."""
    text = unicodedata.normalize("NFKC", raw).casefold()
    text = "".join(
        char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char) or ord(char) > 0x36F
    )
    text = anyascii(unicodedata.normalize("NFC", text)).lower().replace("&", " and ").replace("+", " and ")
    text = _POSSESSIVE.sub("", text)
    text = _ABBREVIATION.sub(lambda found: found.group().replace(".", "").replace("/", "") + " ", text)
    return _NOT_WORD.sub(" ", _APOSTROPHES.sub("", text)).strip()


def parse_name(raw: str, kind: Kind = Kind.UNKNOWN) -> Name:
    """The name as it is compared. "Surname, Given" needs no turning round: the order of words is not compared."""
    return _parsed(folded(raw), kind)


@lru_cache(maxsize=200_000)
def _parsed(text: str, kind: Kind) -> Name:
    words = [_word(word) for word in text.split()]
    forms: frozenset[str] = frozenset()
    if kind is not Kind.PERSON:
        words, forms = _without_forms(words)
    if kind in {Kind.PERSON, Kind.UNKNOWN}:
        bare = [word for word in words if word not in TITLES]
        words = bare if len(bare) >= 2 else words
    return Name(tuple(words), forms)


def _word(word: str) -> str:
    bare = _ORDINAL.sub("", word)
    return NUMBER_WORDS.get(bare) or SYNONYMS.get(bare, bare)


def _without_forms(words: list[str]) -> tuple[list[str], frozenset[str]]:
    """The words without legal forms at the beginning or the end, and which forms these were."""
    forms: set[str] = set()
    left = words
    changed = True
    while changed:
        changed = False
        for spelling, form in _FORMS:
            n = len(spelling)
            if len(left) <= n:
                continue
            if tuple(left[-n:]) == spelling:
                left, changed = left[:-n], True
            elif tuple(left[:n]) == spelling and n + len(spelling[0]) > 2:
                left, changed = left[n:], True
            else:
                continue
            forms.add(form)
            break
    return left, frozenset(forms)


@lru_cache(maxsize=200_000)
def sound(word: str) -> str:
    """A coarse key that spellings of one word in several romanisations share: `osama` and `usama`, `qadir`, `kader`."""
    text = word
    for letters, one in _DIGRAPHS:
        text = text.replace(letters, one)
    text = _REPEATED.sub(r"\1", text.translate(_LETTERS).replace("h", ""))
    return text[:1] + re.sub(r"[aiu]", "", text[1:]) if len(word) > 3 else text


def is_particle(word: str) -> bool:
    """Whether the word comes and goes between spellings of one name."""
    return word in PARTICLES
