"""The Unicode rule: what each code point is to the scanner, and what it folds to.

The rule reads Python's frozen Unicode 3.2 database, so every Python version gives the same table; a test pins its
digest. `docs/sketches.md` states the rule in words.
"""

from enum import IntEnum
from functools import cache
from unicodedata import ucd_3_2_0 as unicode_3_2

import numpy as np
import numpy.typing as npt

N_TABLED = 0x20000  # planes 0 and 1 stand in the table; what lies above is decided by range
CLASS_SHIFT = 24  # an entry is class << 24 | flags << 22 | folded code point (21 bits)
BEYOND_HEX_FLAG = 1 << 22  # a letter other than a to f
LETTER_FLAG = 1 << 23
FOLD_MASK = (1 << 21) - 1


class CharClass(IntEnum):
    """What a code point is to the scanner."""

    LETTER = 0
    DIGIT = 1
    IGNORED = 2  # neither part of a word nor its end
    SEPARATOR = 3
    SPACE = 4
    SPECIAL = 5  # a separator that also means something: quote, slash, dot, ...
    UNSPACED = 6  # of a script that is written without spaces


# Ranges of code points, both ends included.
UNSPACED_RANGES = (
    (0x0E01, 0x0E3A), (0x0E40, 0x0E4E),  # Thai
    (0x0E81, 0x0ECD), (0x0EDC, 0x0EDF),  # Lao
    (0x1000, 0x103F), (0x1050, 0x109F),  # Myanmar
    (0x1780, 0x17D3), (0x17DC, 0x17DD),  # Khmer
    (0x3005, 0x3007), (0x3021, 0x3029), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF),  # Han
    (0x3041, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F),  # Hiragana, Katakana
)  # fmt: skip
IGNORED_RANGES = (
    (0x00AD, 0x00AD), (0x0300, 0x036F), (0x061C, 0x061C), (0x180B, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E),
    (0x2060, 0x206F), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB),
)  # fmt: skip
SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
# Later versions may fill these with punctuation or symbols; other unassigned code points count as letters.
UNASSIGNED_SEPARATORS = ((0x2000, 0x2BFF), (0x2E00, 0x2E7F), (0xD800, 0xF8FF), (0xFFF0, 0xFFFF), (0x1D000, 0x1FFFF))
ABOVE_TABLE_UNSPACED = (0x20000, 0x3FFFF)  # Han of the supplementary planes
ABOVE_TABLE_IGNORED = (0xE0000, 0xE0FFF)  # tags and variation selectors

QUOTES = ('"', "'‘’‚‛", "“”„‟", "«»", "‹›", "「」", "『』", "`")  # noqa: RUF001  any mark of a family closes any mark of it
QUOTE_STRAIGHT, QUOTE_SINGLE, QUOTE_CODE = 1, 2, 8  # families count from 1; these have rules of their own
SPECIALS = "/:.@-"  # hold their code point, which is above the families and CODE_MARK
CODE_MARKS, CODE_MARK = "{};=", 9


def _fold(character: str) -> str:
    """Lower case, compatibility form and no accent, where the outcome is a single code point; else lower case."""
    lower = character.lower() if len(character.lower()) == 1 else character
    bare = "".join(part for part in unicode_3_2.normalize("NFKD", lower) if not "\u0300" <= part <= "\u036f")
    if len(bare) != 1:
        return lower
    return bare.lower() if len(bare.lower()) == 1 else bare


def _letter_entry(character: str) -> int:
    """Entry of a letter that has a lower case or a decomposition."""
    folded = _fold(character)
    beyond_hex = 0 if folded in "abcdef" else BEYOND_HEX_FLAG
    return CharClass.LETTER << CLASS_SHIFT | LETTER_FLAG | beyond_hex | ord(folded)


def _set_ranges(table: npt.NDArray[np.uint32], ranges: tuple[tuple[int, int], ...], kind: CharClass) -> None:
    """Give each code point of the ranges the class, folded to itself."""
    for first, last in ranges:
        table[first : last + 1] = np.arange(first, last + 1) | kind << CLASS_SHIFT


def _set_letters(table: npt.NDArray[np.uint32]) -> None:
    """Letters, combining marks and digits of Unicode 3.2, and code points that it leaves unassigned."""
    categories = np.array([unicode_3_2.category(chr(point)) for point in range(N_TABLED)])
    is_word = np.isin(categories, ("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Cn"))
    for first, last in UNASSIGNED_SEPARATORS:
        is_word[first : last + 1] &= categories[first : last + 1] != "Cn"
    points = np.flatnonzero(is_word)
    table[points] = points | CharClass.LETTER << CLASS_SHIFT | LETTER_FLAG | BEYOND_HEX_FLAG
    for point in np.flatnonzero(categories == "Nd").tolist():
        table[point] = CharClass.DIGIT << CLASS_SHIFT | ord("0") + unicode_3_2.digit(chr(point))


def _fold_entries(table: npt.NDArray[np.uint32]) -> None:
    """Replace the entries of letters and unspaced characters that fold to another code point."""
    classes = table >> CLASS_SHIFT
    for point in np.flatnonzero((classes == CharClass.LETTER) | (classes == CharClass.UNSPACED)).tolist():
        character = chr(point)
        if point < ord("g") or character.lower() != character or unicode_3_2.decomposition(character):
            entry = _letter_entry(character)
            is_unspaced = classes[point] == CharClass.UNSPACED
            table[point] = CharClass.UNSPACED << CLASS_SHIFT | entry & FOLD_MASK if is_unspaced else entry


@cache
def alphabet() -> npt.NDArray[np.uint32]:
    """Entry of each code point below 0x20000, built once in a process (about 0.1 s)."""
    table = np.full(N_TABLED, CharClass.SEPARATOR << CLASS_SHIFT, dtype=np.uint32)
    _set_letters(table)
    table[ord("_")] = CharClass.LETTER << CLASS_SHIFT | LETTER_FLAG | BEYOND_HEX_FLAG | ord("_")
    _set_ranges(table, UNSPACED_RANGES, CharClass.UNSPACED)
    _fold_entries(table)
    for family, marks in enumerate(QUOTES, start=1):
        for mark in marks:
            table[ord(mark)] = CharClass.SPECIAL << CLASS_SHIFT | family
    for character in SPECIALS:
        table[ord(character)] = CharClass.SPECIAL << CLASS_SHIFT | ord(character)
    for character in CODE_MARKS:
        table[ord(character)] = CharClass.SPECIAL << CLASS_SHIFT | CODE_MARK
    for character in SPACES:
        table[ord(character)] = CharClass.SPACE << CLASS_SHIFT
    table[ord("\n")] |= ord("\n")  # the one space that the scanner looks at again
    for first, last in IGNORED_RANGES:
        table[first : last + 1] = CharClass.IGNORED << CLASS_SHIFT
    table.setflags(write=False)
    return table
