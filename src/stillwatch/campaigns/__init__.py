"""Flagged groups become campaigns with members, stable ids and account findings."""

from stillwatch.campaigns.changes import Change, ChangeKind, Compared, compare, count_successors
from stillwatch.campaigns.findings import flagged_exchanges, reasons_of
from stillwatch.campaigns.run import READS, WRITES, run
from stillwatch.campaigns.settings import Settings

__all__ = [
    "READS",
    "WRITES",
    "Change",
    "ChangeKind",
    "Compared",
    "Settings",
    "compare",
    "count_successors",
    "flagged_exchanges",
    "reasons_of",
    "run",
]
