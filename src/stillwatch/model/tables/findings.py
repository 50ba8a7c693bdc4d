"""What the campaigns stage and the people who read it write."""

import pyarrow as pa

from stillwatch.model.table import Home, Partition, Table, column
from stillwatch.model.tables.groups import GROUP_SCORES, GROUPS
from stillwatch.model.tables.kinds import COUNT, HASH, REAL, TEXT, TEXTS, TIME

CAMPAIGNS = Table(
    name="campaigns",
    made_by="campaigns",
    key=("run_id", "campaign_id"),
    partition=Partition.RUN,
    schema=pa.schema(
        [
            column("run_id", TEXT, "detection run", required=True),
            column("campaign_id", TEXT, "stable across runs", required=True),
            column("tier", TEXT, "review or accuse", required=True),
            column("n_accounts", COUNT, unit="accounts", required=True),
            column("n_exchanges", COUNT, "inside flagged slices", unit="exchanges", required=True),
            column("input_tokens", COUNT, unit="tokens", required=True),
            column("output_tokens", COUNT, unit="tokens", required=True),
            column("first_seen_at", TIME, required=True),
            column("last_seen_at", TIME, required=True),
            column("capabilities", TEXTS, "by share of exchanges, largest first", required=True),
            column("signals", TEXTS, "by what they add to the score, most first", required=True),
            column("signal_p_values", pa.list_(REAL), "parallel to signals, of the best group", required=True),
            column("signal_contributions", pa.list_(REAL), "parallel to signals, in units of the score", required=True),
            column("token_kinds", TEXTS, required=True),
            column("nearest_lookalike", TEXT, required=True),
            column("margin", REAL, required=True),
            column("score", REAL, required=True),
            column("baseline", REAL, "what size, volume and number of tests gave to the score", required=True),
            column("p_value", REAL, required=True),
            column("q_value", REAL, required=True),
            column("calibration", TEXT, "shipped or fitted", required=True),
            column("calibration_id", TEXT, required=True),
            column("best_group_id", TEXT, required=True),
            column("n_groups", COUNT, unit="groups", required=True),
        ]
    ),
)

CAMPAIGN_MEMBERS = Table(
    name="campaign_members",
    made_by="campaigns",
    key=("run_id", "campaign_id", "account_id", "token_kind", "token"),
    partition=Partition.RUN,
    schema=pa.schema(
        [
            column("run_id", TEXT, required=True),
            column("campaign_id", TEXT, required=True),
            column("account_id", TEXT, required=True),
            column("token_kind", TEXT, required=True),
            column("token", HASH, required=True),
            column("n", COUNT, unit="exchanges", required=True),
            column("first_seen_at", TIME, required=True),
            column("last_seen_at", TIME, required=True),
        ]
    ),
)

CAMPAIGN_GROUPS = Table(
    name="campaign_groups",
    made_by="campaigns",
    key=("run_id", "campaign_id", "group_id"),
    partition=Partition.RUN,
    schema=pa.schema(
        [
            column("run_id", TEXT, required=True),
            column("campaign_id", TEXT, required=True),
            column("group_id", TEXT, "flagged, through which some member belongs to the campaign", required=True),
            *(GROUPS.schema.field(name) for name in ("proposal", "token_kind", "n_accounts", "n_exchanges", "n_tests")),
            *(GROUP_SCORES.schema.field(name) for name in GROUP_SCORES.schema.names if name != "group_id"),
            column("values", pa.list_(REAL), "conservative values of the signals, parallel to them", required=True),
        ]
    ),
)

ACCOUNT_FINDINGS = Table(
    name="account_findings",
    made_by="campaigns",
    key=("run_id", "account_id"),
    partition=Partition.RUN,
    schema=pa.schema(
        [
            column("run_id", TEXT, required=True),
            column("account_id", TEXT, required=True),
            column("tier", TEXT, "none, review or accuse", required=True),
            column("campaign_id", TEXT),
            column("score", REAL),
            column("p_value", REAL),
            column("q_value", REAL),
            column("first_flagged_at", TIME, "as_of of the first run that flagged the account"),
            column("reasons", TEXTS, "signal names, strongest first", required=True),
            column("queue", TEXT, "enforcement, review or account_manager; null without a finding"),
            column(
                "held_back",
                TEXT,
                "why an account in accused groups is not accused: few_exchanges, unlike_members, one_token_kind or account_manager; else null",
            ),
            column("n_exchanges", COUNT, "all exchanges in the window", unit="exchanges", required=True),
            column("n_flagged_exchanges", COUNT, "inside flagged slices", unit="exchanges", required=True),
        ]
    ),
)

DETECTION_RUNS = Table(
    name="detection_runs",
    made_by="pipeline",
    key=("run_id",),
    partition=Partition.RUN,
    schema=pa.schema(
        [
            column("run_id", TEXT, required=True),
            column("as_of", TIME, required=True),
            column("known_at", TIME),
            column("window_start", TIME, required=True),
            column("by", TEXT, "account, org or end_user", required=True),
            column("engine", TEXT, required=True),
            column("alpha", REAL, required=True),
            column("calibration_id", TEXT, required=True),
            column("n_accounts", COUNT, unit="accounts", required=True),
            column("n_exchanges", COUNT, unit="exchanges", required=True),
            column("n_groups", COUNT, "judged", unit="groups", required=True),
            column("notes", TEXTS, "what the run could not do and why", required=True),
        ]
    ),
)

NEAR_TOKENS = Table(
    name="near_tokens",
    made_by="pipeline",
    key=("run_id", "token_kind", "token"),
    partition=Partition.RUN,
    schema=pa.schema(
        [
            column("run_id", TEXT, required=True),
            column("token_kind", TEXT, required=True),
            column("token", HASH, "of a group that is flagged, or would be reviewed if a peer named it", required=True),
            column("n_accounts", COUNT, "of the largest such group", unit="accounts", required=True),
        ]
    ),
)

JUDGEMENTS = Table(
    name="judgements",
    made_by="campaigns",
    key=("judgement_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("judgement_id", TEXT, required=True),
            column("subject_kind", TEXT, "campaign or account", required=True),
            column("subject_id", TEXT, required=True),
            column("verdict", TEXT, "distillation, honest or unsure", required=True),
            column("author", TEXT, required=True),
            column("note", TEXT, required=True),
            column("judged_at", TIME, required=True),
        ]
    ),
)

_KNOWN_OF_EVERYBODY = frozenset({"account_id", "tier", "n_exchanges"})
SEEN_ACCOUNTS = pa.schema(
    [
        ACCOUNT_FINDINGS.schema.field(name).with_nullable(name not in _KNOWN_OF_EVERYBODY)
        for name in (
            "account_id", "tier", "campaign_id", "score", "p_value", "q_value", "first_flagged_at", "reasons", "queue",
            "held_back", "n_exchanges", "n_flagged_exchanges",
        )
    ]
)  # fmt: skip
"""Columns of every account seen in a run's window; most are null where nothing was found. Derived, never stored."""
