"""Private matching with another laboratory: how many items both hold, and, if both agree, which."""

from stillwatch.sharing.matching.points import Points
from stillwatch.sharing.matching.session import Item, MatchRefused, Progress, Session, answer, consent, offer

__all__ = [
    "Item",
    "MatchRefused",
    "Points",
    "Progress",
    "Session",
    "answer",
    "consent",
    "offer",
]
