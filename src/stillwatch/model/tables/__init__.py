"""The floor plan: every table, its columns with units, its key, and the one room that makes it.

Times are UTC microseconds, windows are half-open. 64-bit hashes and pseudonyms are signed integers (the two's
complement of the unsigned hash), because Spark SQL has no unsigned type. Null means *not reported*, never zero.
"""

from stillwatch.model.table import Table
from stillwatch.model.tables.access import API_KEYS, AUDIT_ENTRIES
from stillwatch.model.tables.aggregates import ACCOUNT_DAYS, TOKEN_USES
from stillwatch.model.tables.attributed import ATTRIBUTION_EVENTS, ATTRIBUTIONS
from stillwatch.model.tables.exposed import EXPOSURE_ACCOUNTS, EXPOSURE_DAYS, EXPOSURE_MODELS, EXPOSURES
from stillwatch.model.tables.findings import (
    ACCOUNT_FINDINGS,
    CAMPAIGN_GROUPS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    DETECTION_RUNS,
    JUDGEMENTS,
    NEAR_TOKENS,
    SEEN_ACCOUNTS,
)
from stillwatch.model.tables.groups import (
    CALIBRATIONS,
    GROUP_MEMBERS,
    GROUP_SCORES,
    GROUP_SIGNALS,
    GROUPS,
    SCORE_CROWD,
    SCORE_SHIFTS,
    SLICE_BINS,
    SLICES,
)
from stillwatch.model.tables.ingested import (
    ACCOUNT_EVENTS,
    ACCOUNTS,
    CONTENTS,
    EXCHANGE_RECORDS,
    EXCHANGES,
    IDENTITIES,
    INGEST_BATCHES,
    INGEST_REJECTS,
    PROMPT_SKETCHES,
    PULLED_FILES,
)
from stillwatch.model.tables.kept import HOLDS
from stillwatch.model.tables.kinds import BINS, COUNT, DAY, FLAG, HASH, REAL, TEXT, TEXTS, TIME
from stillwatch.model.tables.provenance import PROVENANCE_VERDICTS
from stillwatch.model.tables.pulses import PULSES
from stillwatch.model.tables.responses import DECISION_EVENTS, DECISIONS, POLICIES
from stillwatch.model.tables.screened import SCREENING_HITS, SCREENING_MARKS, SCREENING_REVIEWS, SCREENING_RUNS
from stillwatch.model.tables.shared import (
    DISCLOSURES,
    GUARD_DECISIONS,
    INDICATORS,
    MATCHINGS,
    SHARING_CURSORS,
    SHELVED_OBJECTS,
    TAXII_STATUSES,
)
from stillwatch.model.tables.watching import (
    WATCH_RUNS,
    WATCHED_CAMPAIGNS,
    WEBHOOK_DELIVERIES,
    WEBHOOK_ENDPOINTS,
    WEBHOOK_EVENTS,
)

__all__ = [
    "ACCOUNTS",
    "ACCOUNT_DAYS",
    "ACCOUNT_EVENTS",
    "ACCOUNT_FINDINGS",
    "API_KEYS",
    "ATTRIBUTIONS",
    "ATTRIBUTION_EVENTS",
    "AUDIT_ENTRIES",
    "BINS",
    "CALIBRATIONS",
    "CAMPAIGNS",
    "CAMPAIGN_GROUPS",
    "CAMPAIGN_MEMBERS",
    "CONTENTS",
    "COUNT",
    "DAY",
    "DECISIONS",
    "DECISION_EVENTS",
    "DETECTION_RUNS",
    "DISCLOSURES",
    "EXCHANGES",
    "EXCHANGE_RECORDS",
    "EXPOSURES",
    "EXPOSURE_ACCOUNTS",
    "EXPOSURE_DAYS",
    "EXPOSURE_MODELS",
    "FLAG",
    "GROUPS",
    "GROUP_MEMBERS",
    "GROUP_SCORES",
    "GROUP_SIGNALS",
    "GUARD_DECISIONS",
    "HASH",
    "HOLDS",
    "IDENTITIES",
    "INDICATORS",
    "INGEST_BATCHES",
    "INGEST_REJECTS",
    "JUDGEMENTS",
    "MATCHINGS",
    "NEAR_TOKENS",
    "POLICIES",
    "PROMPT_SKETCHES",
    "PROVENANCE_VERDICTS",
    "PULLED_FILES",
    "PULSES",
    "REAL",
    "SCORE_CROWD",
    "SCORE_SHIFTS",
    "SCREENING_HITS",
    "SCREENING_MARKS",
    "SCREENING_REVIEWS",
    "SCREENING_RUNS",
    "SEEN_ACCOUNTS",
    "SHARING_CURSORS",
    "SHELVED_OBJECTS",
    "SLICES",
    "SLICE_BINS",
    "TABLES",
    "TAXII_STATUSES",
    "TEXT",
    "TEXTS",
    "TIME",
    "TOKEN_USES",
    "WATCHED_CAMPAIGNS",
    "WATCH_RUNS",
    "WEBHOOK_DELIVERIES",
    "WEBHOOK_ENDPOINTS",
    "WEBHOOK_EVENTS",
]

TABLES: tuple[Table, ...] = (
    EXCHANGE_RECORDS, PROMPT_SKETCHES, CONTENTS, ACCOUNTS, ACCOUNT_EVENTS, INGEST_BATCHES, INGEST_REJECTS, EXCHANGES,
    PULLED_FILES,
    TOKEN_USES, ACCOUNT_DAYS, PULSES, SLICES, SLICE_BINS, GROUPS, GROUP_MEMBERS, GROUP_SIGNALS, GROUP_SCORES,
    SCORE_SHIFTS, SCORE_CROWD, CALIBRATIONS,
    CAMPAIGNS, CAMPAIGN_GROUPS, CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS, DETECTION_RUNS, NEAR_TOKENS, JUDGEMENTS, IDENTITIES,
    DECISIONS, DECISION_EVENTS, POLICIES, API_KEYS, AUDIT_ENTRIES,
    WATCH_RUNS, WATCHED_CAMPAIGNS, WEBHOOK_EVENTS, WEBHOOK_DELIVERIES, WEBHOOK_ENDPOINTS,
    EXPOSURE_ACCOUNTS, EXPOSURE_DAYS, EXPOSURE_MODELS, EXPOSURES, ATTRIBUTIONS, ATTRIBUTION_EVENTS,
    SCREENING_HITS, SCREENING_RUNS, SCREENING_MARKS, SCREENING_REVIEWS,
    PROVENANCE_VERDICTS,
    DISCLOSURES, GUARD_DECISIONS, INDICATORS, SHELVED_OBJECTS, SHARING_CURSORS, TAXII_STATUSES, MATCHINGS,
    HOLDS,
)  # fmt: skip
