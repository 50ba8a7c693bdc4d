"""Who gets access: names, ownership, regions and networks, each a reason for a person to look. Nothing here bans.

The parts that compare names need the `share` extra, so this file imports none of them.
"""

from stillwatch.model.tables import (
    ACCOUNT_FINDINGS,
    ACCOUNTS,
    EXCHANGE_RECORDS,
    SCREENING_HITS,
    SCREENING_MARKS,
    SCREENING_REVIEWS,
    SCREENING_RUNS,
)
from stillwatch.screening.settings import Settings

READS = (ACCOUNTS, EXCHANGE_RECORDS, ACCOUNT_FINDINGS)
WRITES = (SCREENING_HITS, SCREENING_RUNS, SCREENING_MARKS, SCREENING_REVIEWS)

__all__ = ["READS", "WRITES", "Settings"]
