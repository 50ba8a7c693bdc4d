"""Accounts against list entries: candidates first, then evidence word by word, alias by alias."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz import fuzz

from stillwatch.screening.block import candidates
from stillwatch.screening.likeness import Likeness, compare
from stillwatch.screening.listed import Entry, Subject
from stillwatch.screening.names import Kind, Name, folded, parse_name
from stillwatch.screening.outcome import Cause, Hit, Level
from stillwatch.screening.rarity import Rarity
from stillwatch.screening.settings import Settings

COUNTRY_AGREES: Final = 0.04
COUNTRY_DIFFERS: Final = -0.06
ADDRESS_AGREES: Final = 0.08
"""What corroboration adds to the strength of a match. Small, so that a name never matches by its country."""

WHOLE_NAME: Final = 0.98
"""A whole name of several words that is this alike is looked at with half the bits: common names are on lists too."""

ADDRESS_RATIO: Final = 88.0
"""Word-set ratio of two addresses, one of them with a number, from which they are the same."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for and against one account being one entry."""

    likeness: Likeness
    alias: str
    is_alias: bool
    strength: float
    level: Level
    reasons: tuple[str, ...]


def rarity_of(entries: Iterable[Entry]) -> Rarity:
    """How rare words are among the names of all entries, aliases included."""
    return Rarity.of(parse_name(name, entry.kind) for entry in entries for name in entry.names)


def match_names(subjects: Sequence[Subject], entries: Sequence[Entry], rarity: Rarity, settings: Settings) -> list[Hit]:
    """The hits of `subjects` against `entries` by name, at review or above, by account and then by entry.

    Each pair of account and entry gives at most one hit, by the alias that speaks loudest.
    """
    said_by = _by_text((at, subject.kind, subject.names) for at, subject in enumerate(subjects))
    listed_by = _by_text((at, entry.kind, entry.names) for at, entry in enumerate(entries))
    left, right = sorted(said_by), sorted(listed_by)
    pairs = candidates(
        [Name(words, frozenset()) for words in left],
        [Name(words, frozenset()) for words in right],
        threads=settings.threads,
    )
    best: dict[tuple[int, int], Evidence] = {}
    for row, column in pairs.tolist():
        for said_at, said in said_by[left[row]]:
            for listed_at, listed in listed_by[right[column]]:
                if not _may_be(subjects[said_at].kind, entries[listed_at].kind):
                    continue
                found = weigh(subjects[said_at], said, entries[listed_at], listed, rarity, settings)
                kept = best.get((said_at, listed_at))
                if found.level is not Level.CLEAR and (kept is None or found.strength > kept.strength):
                    best[said_at, listed_at] = found
    hits = [_hit(subjects[said], entries[listed], found) for (said, listed), found in best.items()]
    return sorted(hits, key=lambda hit: (hit.account_id, hit.object_id))


def weigh(subject: Subject, said: str, entry: Entry, listed: str, rarity: Rarity, settings: Settings) -> Evidence:
    """The evidence that `subject` under the name `said` is `entry` under the name `listed`."""
    kind = entry.kind if subject.kind is Kind.UNKNOWN else subject.kind
    likeness = compare(parse_name(said, kind), parse_name(listed, kind), rarity, kind)
    shift, reasons = 0.0, _words(likeness, listed, is_alias=listed != entry.name)
    if likeness.score >= settings.review_at - ADDRESS_AGREES - COUNTRY_AGREES:
        shift, more = _corroborated(subject, entry)
        reasons = (*reasons, *more)
    strength = max(0.0, min(1.0, likeness.score + shift))
    level = _level(likeness, strength, shift, settings, has_identifier=_shares_identifier(subject, entry))
    return Evidence(likeness, listed, listed != entry.name, strength, level, reasons)


def _may_be(one: Kind, other: Kind) -> bool:
    """Whether a thing of one kind may be a thing of the other: a person is no company."""
    return Kind.UNKNOWN in {one, other} or (one is Kind.PERSON) == (other is Kind.PERSON)


def _level(likeness: Likeness, strength: float, shift: float, settings: Settings, *, has_identifier: bool) -> Level:
    if likeness.score >= 0.5 and has_identifier:
        return Level.HOLD
    is_whole = likeness.score >= WHOLE_NAME and len(likeness.paired) > 1
    if strength < settings.review_at or likeness.bits < settings.review_bits * (0.5 if is_whole else 1.0):
        return Level.CLEAR
    if strength >= settings.hold_at and likeness.bits >= settings.hold_bits and likeness.n_rare and shift >= 0:
        return Level.HOLD
    return Level.REVIEW


def _corroborated(subject: Subject, entry: Entry) -> tuple[float, list[str]]:
    """What country, address and identifier add to the strength, and the reasons for it."""
    shift, reasons = 0.0, []
    listed = frozenset(entry.countries)
    if subject.country_set and listed:
        agrees = bool(subject.country_set & listed)
        shift += COUNTRY_AGREES if agrees else COUNTRY_DIFFERS
        reasons.append(f"country {'agrees' if agrees else 'differs'}: listed {', '.join(sorted(listed))}")
    for address in entry.addresses:
        if any(_same_place(address, other) for other in subject.addresses):
            shift += ADDRESS_AGREES
            reasons.append(f"address agrees: {address}")
            break
    if _shares_identifier(subject, entry):
        reasons.append("identifier agrees")
    return shift, reasons


def _same_place(one: str, other: str) -> bool:
    left, right = folded(one), folded(other)
    has_number = any(char.isdigit() for char in left) and any(char.isdigit() for char in right)
    return has_number and fuzz.token_set_ratio(left, right) >= ADDRESS_RATIO


def _shares_identifier(subject: Subject, entry: Entry) -> bool:
    if not subject.identifiers or not entry.identifiers:
        return False
    mine = {folded(value).replace(" ", "") for value in subject.identifiers}
    return bool(mine & {folded(value).replace(" ", "") for value in entry.identifiers})


def _words(likeness: Likeness, listed: str, *, is_alias: bool) -> tuple[str, ...]:
    """The reasons that the words give, in the list's own words: the account's are personal data."""
    pairs = ", ".join(pair.right if pair.how == "equal" else f"{pair.right} ({pair.how})" for pair in likeness.paired)
    reasons = [f"{'alias' if is_alias else 'name'} {listed!r}: {likeness.score:.2f}, {likeness.bits:.0f} bits"]
    reasons.append(f"words: {pairs}; {likeness.n_rare} rare")
    if likeness.only_right:
        reasons.append(f"only on the list: {', '.join(likeness.only_right)}")
    if likeness.only_left:
        reasons.append(f"only in the account's name: {len(likeness.only_left)} words")
    return tuple(reasons)


def _hit(subject: Subject, entry: Entry, found: Evidence) -> Hit:
    return Hit(
        account_id=subject.account_id,
        cause=Cause.NAME,
        level=found.level,
        object_id=entry.key,
        object_name=entry.name,
        reasons=found.reasons,
        subject_digest=subject.digest,
        object_digest=entry.digest,
        score=round(found.strength, 4),
    )


def _by_text(
    named: Iterable[tuple[int, Kind, Sequence[str]]],
) -> Mapping[tuple[str, ...], list[tuple[int, str]]]:
    """Words of a name to whose names they are: equal names are looked for once."""
    found: dict[tuple[str, ...], list[tuple[int, str]]] = defaultdict(list)
    for at, kind, names in named:
        for name in dict.fromkeys(names):
            words = parse_name(name, kind).core
            if words:
                found[words].append((at, name))
    return found
