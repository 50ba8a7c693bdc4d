"""How far a finding goes."""

from enum import Enum


class Tier(Enum):
    """Verdict on a campaign or an account."""

    NONE = "none"
    REVIEW = "review"
    ACCUSE = "accuse"
