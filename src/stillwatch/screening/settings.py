"""Settings of the screening room."""

from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(gt=0, le=1)]


class OwnershipRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule on companies whose blocked owners together hold `percent` or more."""

    name: str = "50-percent"
    percent: Annotated[float, Meta(gt=0, le=100)] = 50.0
    lists: tuple[str, ...] = ()
    """Lists whose entries are the blocked owners; empty: all."""
    periods: tuple[tuple[date, date | None], ...] = ()
    """Each `[from, until)`, until null for no end; empty: always in force."""

    def is_in_force(self, on: date) -> bool:
        """Whether the rule holds on that day."""
        return not self.periods or any(start <= on and (end is None or on < end) for start, end in self.periods)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How alike is alike, what may be served where, and how many accounts behind one network are many."""

    review_at: Share = 0.8
    """Strength of a name match from which a person looks at it."""
    hold_at: Share = 0.93
    """Strength from which access waits for that person, when the name also says enough (`hold_bits`)."""
    review_bits: Annotated[float, Meta(ge=0)] = 12.0
    """Bits that the agreeing words must carry: below, the name is too common to tell anything (2**-12 of names)."""
    hold_bits: Annotated[float, Meta(ge=0)] = 20.0
    """Bits from which a name alone may hold."""
    threads: Annotated[int, Meta(ge=1)] = 2
    """Threads of the first stage of name matching."""
    supported_countries: tuple[str, ...] = ()
    """ISO 3166 codes of countries that are served; empty: no such list, all are."""
    unsupported_countries: tuple[str, ...] = ()
    """ISO 3166 codes of countries that are not served."""
    majority_share: Share = 0.5
    """Share of owners in unsupported countries from which a company is looked at."""
    ownership_rules: tuple[OwnershipRule, ...] = (OwnershipRule(),)
    """Rules on owned companies, each with the periods in which it holds: law is configuration, with dates."""
    crowd_accounts: Annotated[int, Meta(ge=2)] = 50
    """Unrelated accounts behind one hosting, VPN or proxy network, or one address block, that are many."""
    min_crowd_share: Share = 0.5
    """An account belongs to the crowd of a network when at least this share of its exchanges came from it."""
