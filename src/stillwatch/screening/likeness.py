"""How alike two names are, word by word, so that every point of the score can be shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rapidfuzz.distance import DamerauLevenshtein, JaroWinkler

from stillwatch.screening.names import Kind, Name, is_particle, sound
from stillwatch.screening.rarity import RARE_BITS, Rarity
from stillwatch.screening.vocabulary import NICKNAMES

WORD_FLOOR: Final = 0.72
"""Two words below this likeness are two words. Set before any pair was scored; measured in docs/screening.md."""

ADDITION_PERSON: Final = 0.25
ADDITION_ONE_WORD: Final = 0.8
ADDITION_ORGANISATION: Final = 0.75
"""Share of the score that words on one side only take: little for people who agree in two words (patronymics)."""

TOGETHER_LETTERS: Final = 7
"""Names with fewer letters are not compared without their spaces."""

CONTRADICTION: Final = 1.6
"""How fast words left over on both sides take the score; set as WORD_FLOOR was."""

_DIFFERENT: Final = (0.0, "different")
_SHORT: dict[str, frozenset[int]] = {}
for _number, _group in enumerate(NICKNAMES):
    for _member in _group:
        _SHORT[_member] = _SHORT.get(_member, frozenset()) | {_number}


@dataclass(frozen=True, slots=True)
class Paired:
    """One word (or several joined) of either name that stand for each other, how alike (0 to 1) and why."""

    left: str
    right: str
    likeness: float
    how: str


@dataclass(frozen=True, slots=True)
class Likeness:
    """The comparison of two names. `score` is 0 to 1; the rest is why."""

    score: float
    paired: tuple[Paired, ...] = ()
    only_left: tuple[str, ...] = ()
    only_right: tuple[str, ...] = ()
    bits: float = 0.0
    """Information in the words that are paired: what would have to happen by chance."""
    n_rare: int = 0
    """Paired words that fewer than one listed name in 512 has."""


def compare(left: Name, right: Name, rarity: Rarity, kind: Kind = Kind.UNKNOWN) -> Likeness:
    """The likeness of two names of one kind; of an unknown kind the better of the two readings.

    Unpaired words on both sides contradict each other; on one side only they are an addition, which is usual among
    people (patronymics) and rare among organisations.
    """
    if kind is Kind.UNKNOWN:
        as_person = _compared(left, right, rarity, is_person=True)
        as_organisation = _compared(left, right, rarity, is_person=False)
        return max(as_person, as_organisation, key=lambda found: found.score)
    return _compared(left, right, rarity, is_person=kind is Kind.PERSON)


def _compared(left: Name, right: Name, rarity: Rarity, *, is_person: bool) -> Likeness:
    paired, rest_left, rest_right = _aligned(left.core, right.core, is_person=is_person)
    if not paired and not _together(left, right):
        return Likeness(0.0, (), left.core, right.core)
    weights = [min(_weight(pair.left, rarity), _weight(pair.right, rarity)) for pair in paired]
    if not paired:
        return _written_together(left, right, rarity)
    agreed = sum(weight * pair.likeness for weight, pair in zip(weights, paired, strict=True))
    base = agreed / sum(weights)
    lost = [sum(_weight(word, rarity) for word in rest) for rest in (rest_left, rest_right)]
    score = _together(left, right) or base * _kept(
        sum(weights), min(lost), max(lost), _n_solid(paired), is_person=is_person
    )
    if _numbers(rest_left) != _numbers(rest_right):
        score = min(score, 0.5)
    return Likeness(
        round(score, 4),
        tuple(paired),
        tuple(rest_left),
        tuple(rest_right),
        round(agreed, 2),
        sum(weight >= RARE_BITS and pair.likeness >= 0.9 for weight, pair in zip(weights, paired, strict=True)),
    )


def _written_together(left: Name, right: Name, rarity: Rarity) -> Likeness:
    """The likeness of names that share no word, only their letters in a row."""
    pair = Paired(" ".join(left.core), " ".join(right.core), _together(left, right), "joined")
    bits = min(_weight(pair.left, rarity), _weight(pair.right, rarity))
    return Likeness(pair.likeness, (pair,), bits=round(bits, 2), n_rare=0)


def _together(left: Name, right: Name) -> float:
    """Likeness of two names whose letters are the same but for where words end, one letter aside; else 0."""
    one, other = "".join(left.core), "".join(right.core)
    if left.core == right.core or min(len(one), len(other)) < TOGETHER_LETTERS or _digits(one) != _digits(other):
        return 0.0
    if len(left.core) == len(right.core) and _differ_in_one_word(left.core, right.core):
        return 0.0
    return {0: 0.97, 1: 0.9}.get(DamerauLevenshtein.distance(one, other, score_cutoff=1), 0.0)


def _differ_in_one_word(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether all words but one are equal in place: then no word ends elsewhere, and the words decide."""
    return sum(one != other for one, other in zip(left, right, strict=True)) == 1


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


def _kept(matched: float, both: float, more: float, n_solid: int, *, is_person: bool) -> float:
    """The share of the score that unpaired words leave.

    `both` is the weight left over on the side with less of it (a contradiction), `more` on the other side.
    """
    contradiction = both / (both + matched)
    addition = (more - both) / (more + matched)
    cost = (ADDITION_PERSON if n_solid >= 2 else ADDITION_ONE_WORD) if is_person else ADDITION_ORGANISATION
    return max(0.0, 1.0 - CONTRADICTION * contradiction) * (1.0 - cost * addition)


def _n_solid(paired: Sequence[Paired]) -> int:
    """Paired words that are no particles and no initials."""
    return sum(not is_particle(pair.left) and len(pair.left) > 1 and len(pair.right) > 1 for pair in paired)


def _weight(words: str, rarity: Rarity) -> float:
    return sum(rarity.bits(word) for word in words.split())


def _numbers(words: Sequence[str]) -> frozenset[str]:
    return frozenset(word for word in words if word.isdigit())


def _aligned(
    left: Sequence[str], right: Sequence[str], *, is_person: bool
) -> tuple[list[Paired], list[str], list[str]]:
    """Words of both names in pairs, best first, and what is left over on either side."""
    free_left, free_right = list(left), list(right)
    paired = _joined(free_left, free_right) + _joined_other_way(free_left, free_right)
    found = sorted(
        (
            (-likeness, row, column, how)
            for row, one in enumerate(free_left)
            for column, other in enumerate(free_right)
            for likeness, how in (word_likeness(one, other, is_person),)
            if likeness >= WORD_FLOOR
        ),
    )
    rows: set[int] = set()
    columns: set[int] = set()
    for cost, row, column, how in found:
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            paired.append(Paired(free_left[row], free_right[column], -cost, how))
    return (
        paired,
        [word for at, word in enumerate(free_left) if at not in rows],
        [word for at, word in enumerate(free_right) if at not in columns],
    )


def _joined(left: list[str], right: list[str]) -> list[Paired]:
    """Pairs of two or three neighbouring words on the left with one joined word on the right; takes them out."""
    paired = []
    for n_words in (3, 2):
        at = 0
        while at + n_words <= len(left):
            words = left[at : at + n_words]
            joined = "".join(words)
            if len(joined) > 3 and joined in right and joined not in words:
                right.remove(joined)
                del left[at : at + n_words]
                paired.append(Paired(" ".join(words), joined, 1.0, "joined"))
            else:
                at += 1
    return paired


def _joined_other_way(left: list[str], right: list[str]) -> list[Paired]:
    return [Paired(pair.right, pair.left, pair.likeness, pair.how) for pair in _joined(right, left)]


@lru_cache(maxsize=500_000)
def word_likeness(one: str, other: str, is_person: bool) -> tuple[float, str]:  # noqa: FBT001
    """How alike two words are (0 to 1), and in what way."""
    if one == other:
        return 1.0, "equal"
    if one.isdigit() or other.isdigit():
        return _DIFFERENT
    if len(one) == 1 or len(other) == 1:
        return (0.8, "initial") if is_person and one[0] == other[0] else _DIFFERENT
    if is_person and _SHORT.get(one, frozenset()) & _SHORT.get(other, frozenset()):
        return 0.85, "short form"
    return _spelled(one, other)


def _spelled(one: str, other: str) -> tuple[float, str]:
    """How alike two words are as letters and as sounds."""
    edits = DamerauLevenshtein.distance(one, other)
    longest = max(len(one), len(other))
    if sound(one) == sound(other) and min(len(one), len(other)) > 2 and edits <= (longest + 1) // 2:
        return 0.93, "same sound"
    if edits == 1 and longest >= 4:
        return 1.0 - 0.8 / longest, "one letter"
    if edits == 2 and longest >= 7:
        return 1.0 - 2.0 / longest, "two letters"
    near = JaroWinkler.similarity(one, other) if longest >= 8 else 0.0
    return (0.8 * near, "similar") if near >= 0.92 else _DIFFERENT
