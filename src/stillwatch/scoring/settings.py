"""What the deployer may set about scoring."""

from typing import Final

import msgspec

REVIEW_FACTOR: Final = 10.0
"""The review tier opens at ten times the accuse rate (DESIGN section 6, step 6: 1e-4 and 1e-3)."""


NAMED_FACTOR: Final = 100.0
"""For a group whose token a peer's indicator names, at a hundred times: a peer's word counts as much as one odd signal.

A judgement, not a measurement. Above this rate the group's own signals say too little, whatever a peer says.
"""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the scoring room.

    `min_strong_signals` is how many signals with p <= `strong_p` an accused group needs: a single odd signal,
    however extreme, never accuses. `min_volume` is the exchanges per account below which members cannot be compared:
    such a group is at most reviewed.
    """

    min_strong_signals: int = 2
    strong_p: float = 0.05
    min_volume: float = 2.0
