"""Who may be behind a campaign: competing hypotheses in estimative words, with what speaks for and against each."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Likelihood(Enum):
    """How likely a hypothesis is, in the words of analytic standards; each stands for a range of probability.

    References: Office of the Director of National Intelligence, 2015, Intelligence Community Directive 203.
    """

    ALMOST_NO_CHANCE = ("almost no chance", 0.01, 0.05)
    VERY_UNLIKELY = ("very unlikely", 0.05, 0.20)
    UNLIKELY = ("unlikely", 0.20, 0.45)
    ROUGHLY_EVEN = ("roughly even chance", 0.45, 0.55)
    LIKELY = ("likely", 0.55, 0.80)
    VERY_LIKELY = ("very likely", 0.80, 0.95)
    ALMOST_CERTAIN = ("almost certain", 0.95, 0.99)

    def __init__(self, words: str, low: float, high: float) -> None:
        self.words = words
        self.low = low
        self.high = high

    @classmethod
    def of(cls, words: str) -> "Likelihood":
        """The member with these words.

        Raises:
            ValueError: there is none.
        """
        for member in cls:
            if member.words == words:
                return member
        raise ValueError(f"{words!r} is no estimative word: choose one of {', '.join(member.words for member in cls)}")


class HypothesisKind(Enum):
    """What a hypothesis says that the campaign is."""

    OPERATOR = "operator"
    """Somebody who trains a model on the answers."""
    RESELLER = "reseller"
    """Somebody who sells access on, to others who may do so."""
    HONEST_CUSTOMER = "honest_customer"
    """One customer's bulk work, under many accounts."""
    FRAMING = "framing"
    """Somebody who wants others to be accused."""
    OTHER = "other"


ALTERNATIVES: frozenset[HypothesisKind] = frozenset(
    {HypothesisKind.RESELLER, HypothesisKind.HONEST_CUSTOMER, HypothesisKind.FRAMING}
)
"""What every assessment must have looked at, beside whatever it concludes."""


class PointKind(Enum):
    """Where a point for or against a hypothesis comes from."""

    FINDING = "finding"
    """A campaign id, an account id or a signal of this workspace."""
    SCREENING_HIT = "screening_hit"
    SIGHTING = "sighting"
    """What a peer sent: the STIX id of a sighting, an indicator or another object that came in."""
    PROVENANCE_VERDICT = "provenance_verdict"
    DOCUMENT = "document"
    OBSERVATION = "observation"


class Confidence(Enum):
    """How well founded a judgement is: sources, gaps, agreement; not how likely the event is."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that speaks for or against; `ref` is the id of a row or document, empty for an observation."""

    kind: PointKind
    ref: str
    says: str


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One explanation of a campaign."""

    kind: HypothesisKind
    statement: str
    likelihood: Likelihood
    confidence: Confidence
    supporting: tuple[Point, ...]
    contradicting: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """Competing hypotheses about one campaign, as one author wrote them."""

    assessment_id: str
    campaign_id: str
    hypotheses: tuple[Hypothesis, ...]
    author: str
    written_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    withdrawn_by: str | None = None

    @property
    def stands(self) -> bool:
        """Whether a second person approved it and nobody withdrew it since."""
        return self.approved_by is not None and self.withdrawn_by is None
