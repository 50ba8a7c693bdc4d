"""What screening concludes about an account, and why."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """What is to be done. Screening never bans: a hold waits for a person, a review does not wait."""

    CLEAR = "clear"
    REVIEW = "review"
    HOLD = "hold"

    @property
    def rank(self) -> int:
        """0 for clear, 2 for hold."""
        return list(Level).index(self)


class Cause(StrEnum):
    """What kind of fact a hit rests on."""

    NAME = "name"
    OWNERSHIP = "ownership"
    REGION = "region"
    NETWORK = "network"

    @property
    def may_hold(self) -> bool:
        """Whether such a fact alone may make an account wait: geography and networks never do."""
        return self in {Cause.NAME, Cause.OWNERSHIP}


@dataclass(frozen=True, slots=True)
class Hit:
    """One reason to look at one account. `object_id` is the list entry, network or country that it is about.

    Both digests stand for what was compared; a hit, and a reviewer's word on it, ends when either side changes.
    `score` is the strength of a name match, 0 to 1, else None.
    """

    account_id: str
    cause: Cause
    level: Level
    object_id: str
    object_name: str
    reasons: tuple[str, ...]
    subject_digest: str
    object_digest: str
    score: float | None = None

    def __post_init__(self) -> None:
        if self.level is Level.HOLD and not self.cause.may_hold:
            raise ValueError(f"a {self.cause} fact alone cannot hold an account")

    @property
    def pair(self) -> tuple[str, str]:
        """What a reviewer clears: this state of the account against this state of the object."""
        return (self.subject_digest, self.object_digest)

    def row(self) -> dict[str, Any]:
        """The hit as a row of SCREENING_HITS, but for the run that found it."""
        return {**asdict(self), "cause": self.cause.value, "level": self.level.value, "reasons": list(self.reasons)}


def overall(hits: Iterable[Hit]) -> Level:
    """The gravest level of the hits; clear when there is none."""
    return max((hit.level for hit in hits), key=lambda level: level.rank, default=Level.CLEAR)
