"""What a campaign took: by account, capability, day and model, with intervals."""

from stillwatch.exposure.flagged import IDENTITY_COLUMNS
from stillwatch.exposure.settings import Settings
from stillwatch.exposure.stage import READS, WRITES, run, wanted_accounts
from stillwatch.exposure.summary import ALL, summarise

__all__ = ["ALL", "IDENTITY_COLUMNS", "READS", "WRITES", "Settings", "run", "summarise", "wanted_accounts"]
