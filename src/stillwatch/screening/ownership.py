"""The 50 % rule: who is owned, all blocked owners taken together, by half or more, directly or through others."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from stillwatch.errors import ListError
from stillwatch.screening.countries import country_code
from stillwatch.screening.lists.fields import day, rows_of, text

WHOLE: Final = 100.0
_SLACK: Final = 1e-9
"""Shares are sums of decimal percentages: 16.7 + 33.3 is to reach 50."""


@dataclass(frozen=True, slots=True)
class Stake:
    """One owner's share of one company. `percent` None: it is an owner, and nobody says of how much."""

    owner: str
    owned: str
    percent: float | None
    starts_on: date | None = None
    ends_on: date | None = None
    owner_country: str | None = None

    def __post_init__(self) -> None:
        if self.percent is not None and not 0 < self.percent <= WHOLE:
            raise ListError(f"{self.owner!r} cannot own {self.percent} percent of {self.owned!r}")

    def holds_on(self, on: date) -> bool:
        """Whether the stake is held on that day: from its first day on, and no longer on the day it ended."""
        return (self.starts_on is None or self.starts_on <= on) and (self.ends_on is None or on < self.ends_on)


@dataclass(frozen=True, slots=True)
class Owned:
    """A company that blocked owners hold, or may hold, by the rule's share or more.

    `percent` is what is known to be theirs. `is_certain` False: only if shares that nobody states are large enough.
    `owners` are the owners that count, with their percentages, largest first; unknown ones last.
    """

    company: str
    percent: float
    is_certain: bool
    owners: tuple[tuple[str, float | None], ...]

    @property
    def reason(self) -> str:
        """The finding in words."""
        shares = " + ".join(
            f"{'unknown' if share is None else f'{share:g} %'} by {owner}" for owner, share in self.owners
        )
        return f"owned {self.percent:g} % by blocked owners: {shares}"


def close_ownership(
    stakes: Iterable[Stake], blocked: Collection[str], *, on: date, percent: float = 50.0
) -> dict[str, Owned]:
    """Companies that count as blocked through their owners on a day, by name; `blocked` themselves are left out.

    A company whose blocked owners together hold at least `percent` is blocked, and its own stakes then count in full
    (they are not multiplied along a chain). The least such set is taken, so that companies that own each other in a
    ring do not block one another out of nothing. Stakes of several lines of one owner add up. A share that nobody
    states counts as nothing for `is_certain`, and as all that the stated shares leave otherwise.

    References:
        OFAC, Revised Guidance on Entities Owned by Persons Whose Property and Interests in Property Are Blocked
        (13 August 2014). The guidance knows no unknown share; that part is ours.
    """
    held = _shares(stakes, on)
    certain = _closure(held, frozenset(blocked), percent, takes_unknown=False)
    possible = _closure(held, frozenset(blocked), percent, takes_unknown=True)
    found = {}
    for company in sorted(possible - frozenset(blocked)):
        owners = {owner: share for owner, share in held[company].items() if owner in possible}
        ordered = sorted(owners.items(), key=lambda pair: (pair[1] is None, -(pair[1] or 0.0), pair[0]))
        found[company] = Owned(
            company,
            round(sum(share or 0.0 for owner, share in ordered if owner in certain), 6),
            company in certain,
            tuple(ordered),
        )
    return found


def _shares(stakes: Iterable[Stake], on: date) -> dict[str, dict[str, float | None]]:
    """Company to owner to share on the day; an owner with any unknown line and none stated is None."""
    held: dict[str, dict[str, float | None]] = defaultdict(dict)
    for stake in stakes:
        if stake.holds_on(on) and stake.owner != stake.owned:
            before = held[stake.owned].get(stake.owner)
            both = None if stake.percent is None and before is None else (before or 0.0) + (stake.percent or 0.0)
            held[stake.owned][stake.owner] = both
    return held


def _closure(
    held: Mapping[str, Mapping[str, float | None]], blocked: frozenset[str], percent: float, *, takes_unknown: bool
) -> frozenset[str]:
    companies_of: dict[str, set[str]] = defaultdict(set)
    for company, owners in held.items():
        for owner in owners:
            companies_of[owner].add(company)
    reached = set(blocked)
    waiting = sorted(blocked)
    while waiting:
        for company in sorted(companies_of[waiting.pop()] - reached):
            if _held_by(held[company], reached, takes_unknown=takes_unknown) + _SLACK >= percent:
                reached.add(company)
                waiting.append(company)
    return frozenset(reached)


def _held_by(owners: Mapping[str, float | None], reached: Collection[str], *, takes_unknown: bool) -> float:
    """Percent that `reached` hold; with `takes_unknown` all that stated shares leave is theirs if one is unstated."""
    known = sum(share for owner, share in owners.items() if share is not None and owner in reached)
    if takes_unknown and any(share is None and owner in reached for owner, share in owners.items()):
        known += max(0.0, WHOLE - sum(share for share in owners.values() if share is not None))
    return known


def read_stakes(body: str) -> list[Stake]:
    """Stakes from a table with the columns `owner`, `owned`, `percent`, `from`, `until`, `owner_country`.

    An empty percentage is a share that nobody states.

    Raises:
        ListError: an owner or a company is missing, or a percentage cannot be.
    """
    stakes = []
    for number, row in enumerate(rows_of(body), 2):
        owner, owned, percent = text(row.get("owner")), text(row.get("owned")), text(row.get("percent"))
        if not owner or not owned:
            raise ListError(f"line {number} of the owners names no owner or no company")
        try:
            share = float(percent.rstrip("% ")) if percent else None
        except ValueError:
            raise ListError(f"line {number} of the owners: {percent!r} is no percentage") from None
        country = country_code(text(row.get("owner_country")))
        stakes.append(Stake(owner, owned, share, day(row.get("from")), day(row.get("until")), country))
    return stakes
