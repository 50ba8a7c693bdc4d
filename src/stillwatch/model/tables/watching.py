"""What the watch loop remembers: runs that it announced, campaigns as it announced them, and events on their way out."""

import pyarrow as pa

from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables.kinds import COUNT, FLAG, TEXT, TEXTS, TIME

WATCH_RUNS = Table(
    name="watch_runs",
    made_by="pipeline",
    key=("number",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("number", COUNT, "from 1, in the order of announcement", required=True),
            column("at", TIME, required=True),
            column("run_id", TEXT, "detection run; null when it failed"),
            column("seen", TEXT, "the version of everything that the run read", required=True),
            column("fault", TEXT, "kind of error; null when the run succeeded"),
            column("n_events", COUNT, unit="events", required=True),
        ]
    ),
)

WATCHED_CAMPAIGNS = Table(
    name="watched_campaigns",
    made_by="campaigns",
    key=("campaign_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("campaign_id", TEXT, required=True),
            column(
                "tier", TEXT, "as the last run has it: accuse, review, or none where it was not found", required=True
            ),
            column("highest_tier", TEXT, "announced since it began or came back", required=True),
            column("n_accounts", COUNT, "when its size was announced last", unit="accounts", required=True),
            column("has_pivoted", FLAG, "whether its turn to a new model was announced", required=True),
            column("capabilities", TEXTS, required=True),
            column("last_seen_at", TIME, required=True),
            column("has_ended", FLAG, required=True),
        ]
    ),
)

WEBHOOK_EVENTS = Table(
    name="webhook_events",
    made_by="response",
    key=("event_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("event_id", TEXT, "webhook-id and CloudEvents id of every delivery", required=True),
            column("kind", TEXT, "such as campaign.alarm", required=True),
            column("subject", TEXT, "campaign; null where it is about none"),
            column("happened_at", TIME, required=True),
            column("body", TEXT, "the CloudEvents document as it is sent", required=True),
        ]
    ),
)

WEBHOOK_DELIVERIES = Table(
    name="webhook_deliveries",
    made_by="response",
    key=("event_id", "endpoint"),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("event_id", TEXT, required=True),
            column("endpoint", TEXT, "name in the settings", required=True),
            column("status", TEXT, "pending, delivered or dead", required=True),
            column("n_attempts", COUNT, unit="attempts", required=True),
            column("next_at", TIME, "when it is tried next, while pending", required=True),
            column("last_status", COUNT, "HTTP status of the last answer; null without one"),
            column("last_fault", TEXT, "why the last attempt failed; null when it did not"),
            column("settled_at", TIME, "when it was delivered or given up"),
        ]
    ),
)

WEBHOOK_ENDPOINTS = Table(
    name="webhook_endpoints",
    made_by="response",
    key=("endpoint",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("endpoint", TEXT, required=True),
            column("disabled_at", TIME, "null while it is in use"),
            column("reason", TEXT),
        ]
    ),
)
