"""What response writes: decisions, what became of them, and the policies that they rest on. Append-only."""

import pyarrow as pa

from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables.kinds import COUNT, FLAG, REAL, TEXT, TEXTS, TIME

DECISIONS = Table(
    name="decisions",
    made_by="response",
    key=("decision_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("decision_id", TEXT, required=True),
            column(
                "batch_id", TEXT, "what was applied together; its ledger entry seals all of its rows", required=True
            ),
            column("account_id", TEXT, "null: whoever sends tokens exclusive to the campaign"),
            column("campaign_id", TEXT),
            column(
                "action", TEXT, "observe, step_up, rate_limit, withhold_reasoning, canary or suspend", required=True
            ),
            column("mode", TEXT, "shadow, canary or enforce: how it acts on this subject", required=True),
            column("rule", TEXT, "name of the policy's rule", required=True),
            column("reasons", TEXTS, required=True),
            column("decided_at", TIME, required=True),
            column("expires_at", TIME, required=True),
            column("policy_digest", TEXT, "of the policy's text: a row of policies", required=True),
            column("run_id", TEXT, "detection run that found it", required=True),
            column("calibration_id", TEXT, required=True),
            column("approved_by", TEXT, required=True),
            column("second_by", TEXT, "the other person, where two had to agree"),
            column(
                "min_token_kinds",
                COUNT,
                "independent kinds of exclusive tokens; 0 for accounts",
                unit="kinds",
                required=True,
            ),
            column("models", TEXTS, "request models that it is limited to; empty is all", required=True),
            column("pause_seconds", REAL, "between two requests under a rate limit", unit="seconds"),
            column("canary_percent", REAL, "share of unknown accounts on which a canary acts", unit="percent"),
        ]
    ),
)

DECISION_EVENTS = Table(
    name="decision_events",
    made_by="response",
    key=("event_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("event_id", TEXT, required=True),
            column(
                "kind", TEXT, "superseded, renewed, released, appealed, rolled_back, kill_on or kill_off", required=True
            ),
            column(
                "decision_id", TEXT, "the decision that it ends; null for the kill switch and for accounts without one"
            ),
            column("account_id", TEXT),
            column("counts", FLAG, "an appeal that was granted against a decision in force", required=True),
            column("author", TEXT, "who did it", required=True),
            column("second_by", TEXT),
            column("note", TEXT, required=True),
            column("happened_at", TIME, required=True),
        ]
    ),
)

POLICIES = Table(
    name="policies",
    made_by="response",
    key=("policy_digest",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("policy_digest", TEXT, "BLAKE2b-128 of the text, hexadecimal", required=True),
            column("body", TEXT, "the TOML as it was applied", required=True),
            column("first_applied_at", TIME, required=True),
        ]
    ),
)
