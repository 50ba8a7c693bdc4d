"""What each account did on each day, and which tokens it carried: daily and mergeable."""

from stillwatch.features.settings import Settings
from stillwatch.features.stage import READS, WRITES, run

__all__ = ["READS", "WRITES", "Settings", "run"]
