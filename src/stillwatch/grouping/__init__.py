"""Which parts of which accounts' traffic belong together: slices, and the groups of them that are worth a test."""

from stillwatch.grouping.remainders import REMAINDER_READS, remainders
from stillwatch.grouping.settings import Settings
from stillwatch.grouping.stage import READS, WRITES, run

__all__ = ["READS", "REMAINDER_READS", "WRITES", "Settings", "remainders", "run"]
