"""What provenance writes: verdicts about suspect models. Append-only."""

import pyarrow as pa

from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables.kinds import REAL, TEXT, TEXTS, TIME

PROVENANCE_VERDICTS = Table(
    name="provenance_verdicts",
    made_by="provenance",
    key=("verdict_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("verdict_id", TEXT, "digest of suspect, findings and time", required=True),
            column("suspect", TEXT, "as the operator calls the suspect model", required=True),
            column(
                "verdict",
                TEXT,
                "supported, supported_if_twins_are_accepted, consistent_with, no_evidence or inconclusive",
                required=True,
            ),
            column("tests", TEXTS, "tests that were run", required=True),
            column("reasons", TEXTS, "why tests did not answer", required=True),
            column("e_value", REAL, "weighted mean of e-values; null where no weights were registered"),
            column("registration", TEXT, "digest of the plan that was registered before the suspect was asked"),
            column("findings", TEXT, "JSON: p-values, effects, assumptions and controls of each test", required=True),
            column("ledger_digest", TEXT, "ledger entry that seals the findings", required=True),
            column("reached_at", TIME, required=True),
        ]
    ),
)
