"""What the life cycle writes: legal holds."""

import pyarrow as pa

from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables.kinds import TEXT, TIME

HOLDS = Table(
    name="holds",
    made_by="lifecycle",
    key=("hold_id", "account_id"),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("hold_id", TEXT, required=True),
            column("case_id", TEXT, "as whoever asked for it calls the case", required=True),
            column("account_id", TEXT, "whose rows are neither erased nor expire", required=True),
            column("campaign_id", TEXT, "campaign through which the account is held; null: named itself"),
            column("reason", TEXT, required=True),
            column("approver", TEXT, "who stands for the hold, another person than placed it", required=True),
            column("placed_by", TEXT, required=True),
            column("placed_at", TIME, required=True),
            column("expires_at", TIME, required=True),
            column("released_at", TIME, "null while it was not released"),
            column("released_by", TEXT),
        ]
    ),
)
