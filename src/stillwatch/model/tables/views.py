"""Shapes of what is derived for readers and never stored: a campaign day by day, its tokens, its history, its graph.

A token is text here, the decimal form of the 64-bit hash of other tables: JavaScript has no integers of that size.
"""

import pyarrow as pa

from stillwatch.model.table import column
from stillwatch.model.tables.kinds import COUNT, DAY, FLAG, REAL, TEXT, TEXTS, TIME

POPULATION_DAYS = pa.schema(
    [
        column("day", DAY, required=True),
        column("n_exchanges", COUNT, "of everybody", unit="exchanges", required=True),
        column("n_accounts", COUNT, "that sent anything", unit="accounts", required=True),
        column("n_errors", COUNT, unit="exchanges", required=True),
        column("n_flagged_exchanges", COUNT, "inside slices of campaigns, at least", unit="exchanges", required=True),
        column("n_flagged_accounts", COUNT, "active in these slices", unit="accounts", required=True),
    ]
)

SOURCE_HEALTH = pa.schema(
    [
        column("source", TEXT, required=True),
        column("n_batches", COUNT, unit="batches", required=True),
        column("records_in", COUNT, unit="records", required=True),
        column("rows_out", COUNT, unit="records", required=True),
        column("duplicates", COUNT, unit="records", required=True),
        column("rejected", COUNT, unit="records", required=True),
        column("last_batch_at", TIME, "when its last batch was done", required=True),
        column("last_exchange_at", TIME, "start of its latest exchange; null for accounts and events"),
    ]
)

REJECT_REASONS = pa.schema(
    [
        column("source", TEXT, required=True),
        column("reason", TEXT, "short code, as in ingest_rejects", required=True),
        column("n", COUNT, unit="records", required=True),
        column("last_batch_id", TEXT, "the latest batch that had it", required=True),
    ]
)

FIELD_COVERAGE = pa.schema(
    [
        column("source", TEXT, required=True),
        column("field", TEXT, required=True),
        column("share", REAL, "of the source's records that had it, over all batches", required=True),
        column("last_share", REAL, "of those of the last batch", required=True),
    ]
)

CAMPAIGN_DAYS = pa.schema(
    [
        column("day", DAY, required=True),
        column("n_exchanges", COUNT, "inside the campaign's slices, at least", unit="exchanges", required=True),
        column("n_accounts", COUNT, "active in these slices", unit="accounts", required=True),
        column("n_new_accounts", COUNT, "whose first slice began on this day", unit="accounts", required=True),
        column("n_suspended", COUNT, "members suspended on this day", unit="accounts", required=True),
        column(
            "n_successors", COUNT, "new accounts that began after another member was suspended", unit="accounts",
            required=True,
        ),
        column("models", TEXTS, "request models of the active accounts, ascending", required=True),
        column("model_accounts", pa.list_(COUNT), "active accounts that used each, parallel to models", required=True),
    ]
)  # fmt: skip

CAMPAIGN_TOKENS = pa.schema(
    [
        column("token_kind", TEXT, required=True),
        column("token", TEXT, "decimal", required=True),
        column("n_members", COUNT, "of the campaign that carry it", unit="accounts", required=True),
        column("n_exchanges", COUNT, unit="exchanges", required=True),
        column(
            "n_adopters",
            COUNT,
            "all accounts of the window that carry it; null: not told by telemetry",
            unit="accounts",
        ),
        column("n_honest", COUNT, "adopters without a finding; null: not told by telemetry", unit="accounts"),
        column("exclusivity", REAL, "share of adopters that are members; null: not told by telemetry"),
        column("is_exclusive", FLAG, "whether it alone brings new accounts into the campaign", required=True),
        column("first_seen_at", TIME, required=True),
        column("last_seen_at", TIME, required=True),
        column("content_ref", TEXT, "a stored text that has it, as sent by a member; null where no text is kept"),
    ]
)

CAMPAIGN_HISTORY = pa.schema(
    [
        column("at", TIME, required=True),
        column("kind", TEXT, "run, judgement, decision, or event: what became of decisions", required=True),
        column("reference", TEXT, "run, judgement, batch of decisions, or the first event of one act", required=True),
        column("what", TEXT, "tier, verdict, action or kind of event", required=True),
        column("author", TEXT, "null: the method itself"),
        column("note", TEXT),
        column("n_accounts", COUNT, "of the campaign, or whom it touched", unit="accounts"),
        column("n_exchanges", COUNT, unit="exchanges"),
        column("score", REAL),
        column("q_value", REAL),
    ]
)

TOKEN_HOLDERS = pa.schema(
    [
        column("account_id", TEXT, required=True),
        column("tier", TEXT, "none, review or accuse", required=True),
        column("campaign_id", TEXT, "null without a finding"),
        column("n", COUNT, "with the token", unit="exchanges", required=True),
        column("first_seen_at", TIME, required=True),
        column("last_seen_at", TIME, required=True),
    ]
)

SHARED_TOKENS = pa.schema(
    [
        column("token_kind", TEXT, required=True),
        column("token", TEXT, "decimal", required=True),
        column("n_first", COUNT, "of the first account", unit="exchanges", required=True),
        column("n_second", COUNT, "of the second account", unit="exchanges", required=True),
        column("n_members", COUNT, "of the campaign that carry it", unit="accounts", required=True),
        column("n_honest", COUNT, "adopters without a finding; null: not told by telemetry", unit="accounts"),
        column("exclusivity", REAL, "share of adopters that are members; null: not told by telemetry"),
    ]
)

GRAPH_NODES = pa.schema(
    [
        column("node", COUNT, "0 upwards, in the order of rows", required=True),
        column("kind", TEXT, "account, token or group", required=True),
        column("label", TEXT, "account, decimal token, or number of the group", required=True),
        column("group", COUNT, "the group of accounts that it belongs to, 0 the largest", required=True),
        column("tier", TEXT, "of accounts; null for others"),
        column("token_kind", TEXT, "of tokens; null for others"),
        column("n_accounts", COUNT, "behind the node: 1, holders, or the group's size", unit="accounts", required=True),
        column("n_exchanges", COUNT, unit="exchanges", required=True),
        column("x", REAL, "a plane without unit", required=True),
        column("y", REAL, required=True),
        column("size", REAL, "radius on that plane", required=True),
    ]
)

GRAPH_EDGES = pa.schema(
    [
        column("source", COUNT, "a node: an account or a group", required=True),
        column("target", COUNT, "a node: a token, or another group", required=True),
        column("token_kind", TEXT, "what links them", required=True),
        column(
            "weight", COUNT, "exchanges of an account with a token; of groups, tokens that both carry", required=True
        ),
    ]
)

LINKING_TOKENS = pa.schema(
    [
        column("token_kind", TEXT, required=True),
        column("token", TEXT, "decimal", required=True),
        column("campaign_id", TEXT, required=True),
        column("n_members", COUNT, "of the campaign that carry it", unit="accounts", required=True),
    ]
)

APPEALS = pa.schema(
    [
        column("account_id", TEXT, required=True),
        column("status", TEXT, "waiting, granted or moot", required=True),
        column("asked_at", TIME, "its latest `appeal_opened` event; null: no event told of it"),
        column("n_standing", COUNT, "against it now", unit="decisions", required=True),
        column("action", TEXT, "of the latest of these; null: none stands"),
        column("mode", TEXT, "of the same"),
        column("rule", TEXT, "of the same"),
        column("campaign_id", TEXT, "of the same"),
        column("decided_at", TIME, "of the same"),
        column("settled_at", TIME, "when an appeal of it was granted last; null: never"),
        column("author", TEXT, "who granted it"),
        column("note", TEXT, "why"),
    ]
)

SEALED_DOSSIERS = pa.schema(
    [
        column("entry", COUNT, "of the ledger, which seals it", required=True),
        column("at", TIME, "when it was first built", required=True),
        column("dossier_id", TEXT, required=True),
        column("campaign_id", TEXT, required=True),
        column("audience", TEXT, "for whom it was built", required=True),
        column("content_digest", TEXT, "of its contents", required=True),
    ]
)
