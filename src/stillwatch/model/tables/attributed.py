"""What people write about who is behind a campaign, and who stands for it. Append-only; never read by detection."""

import pyarrow as pa

from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables.kinds import COUNT, TEXT, TIME

ATTRIBUTIONS = Table(
    name="attributions",
    made_by="evidence",
    key=("assessment_id", "position"),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("assessment_id", TEXT, "digest of what was written", required=True),
            column("position", COUNT, "place of the hypothesis in its assessment, from 0", required=True),
            column("campaign_id", TEXT, required=True),
            column("kind", TEXT, "operator, reseller, honest_customer, framing or other", required=True),
            column("statement", TEXT, "the hypothesis in a sentence", required=True),
            column("likelihood", TEXT, "estimative words of model.attribution.Likelihood", required=True),
            column("confidence", TEXT, "low, moderate or high: in the judgement, not in the event", required=True),
            column("supporting", TEXT, "JSON array of kind, ref and says", required=True),
            column("contradicting", TEXT, "JSON array of kind, ref and says", required=True),
            column("author", TEXT, required=True),
            column("written_at", TIME, required=True),
        ]
    ),
)

ATTRIBUTION_EVENTS = Table(
    name="attribution_events",
    made_by="evidence",
    key=("event_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("event_id", TEXT, required=True),
            column("assessment_id", TEXT, required=True),
            column("kind", TEXT, "approved or withdrawn", required=True),
            column("author", TEXT, "who stands for it", required=True),
            column("note", TEXT, required=True),
            column("happened_at", TIME, required=True),
        ]
    ),
)
