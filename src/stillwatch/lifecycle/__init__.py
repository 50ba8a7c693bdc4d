"""Years of a workspace: what is erased, how long rows are kept, and new keys, by segment and under one commit."""

from stillwatch.lifecycle.erase import Trace, erase, read_rows, trace
from stillwatch.lifecycle.rekey import Renamer, rekey
from stillwatch.lifecycle.retain import Expiring, expire, expiring, held_identities
from stillwatch.lifecycle.settings import BY_TIME, Settings

__all__ = [
    "BY_TIME",
    "Expiring",
    "Renamer",
    "Settings",
    "Trace",
    "erase",
    "expire",
    "expiring",
    "held_identities",
    "read_rows",
    "rekey",
    "trace",
]
