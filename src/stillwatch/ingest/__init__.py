"""Raw telemetry becomes rows that may be kept: pseudonymised, redacted, sketched, without duplicates."""

from stillwatch.ingest.batches import BatchReport
from stillwatch.ingest.exchanges import call_names, exchanges, folded_sketches, under_one_key
from stillwatch.ingest.intake import Progress
from stillwatch.ingest.memory import ingest_table
from stillwatch.ingest.registers import ingest_account_events, ingest_accounts
from stillwatch.ingest.settings import Settings
from stillwatch.ingest.telemetry import ingest_paths

__all__ = [
    "BatchReport",
    "Progress",
    "Settings",
    "call_names",
    "exchanges",
    "folded_sketches",
    "ingest_account_events",
    "ingest_accounts",
    "ingest_paths",
    "ingest_table",
    "under_one_key",
]
