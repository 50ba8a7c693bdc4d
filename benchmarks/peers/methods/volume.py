"""Volume: the floor. Who sends most is most suspicious; no peer claims this, every rate limit does it."""

import numpy as np
from peer import Peer, Reals
from telemetry import Telemetry

PEER = Peer(
    title="volume (floor)",
    source="none: a count of exchanges",
    licence="ours",
    made_for="rate limits",
    stretch="",
)


def rank(telemetry: Telemetry) -> Reals:
    """The number of exchanges of each account."""
    return np.bincount(telemetry.account, minlength=telemetry.n_accounts).astype(np.float64)
