"""The policy over everything that leaves or comes in: default-deny, field by field; the only way to a peer channel."""

from stillwatch.guard.clearance import Cleared, Guard, Passage, Recorder
from stillwatch.guard.policy import FieldClass, Policy, Terms, load_policy, shipped_policy
from stillwatch.guard.review import Decision, Offer, Review, Support
from stillwatch.guard.tlp import Tlp

__all__ = [
    "Cleared",
    "Decision",
    "FieldClass",
    "Guard",
    "Offer",
    "Passage",
    "Policy",
    "Recorder",
    "Review",
    "Support",
    "Terms",
    "Tlp",
    "load_policy",
    "shipped_policy",
]
