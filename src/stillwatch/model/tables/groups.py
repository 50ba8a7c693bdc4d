"""What grouping, signals and scoring write."""

import pyarrow as pa

from stillwatch.model.table import Home, Partition, Table, column
from stillwatch.model.tables.kinds import COUNT, FLAG, HASH, REAL, TEXT, TEXTS, TIME

SLICES = Table(
    name="slices",
    made_by="grouping",
    key=("slice_id",),
    home=Home.RUN,
    schema=pa.schema(
        [
            column("slice_id", COUNT, "rank of (token_kind, token, account_id) in this run", required=True),
            column("account_id", TEXT, required=True),
            column(
                "token_kind",
                TEXT,
                "as in token_uses; shingles are folded to shingle_bundle; device, payment, ... too",
                required=True,
            ),
            column("token", HASH, required=True),
            column("n", COUNT, unit="exchanges", required=True),
            column("input_tokens", COUNT, unit="tokens", required=True),
            column("output_tokens", COUNT, unit="tokens", required=True),
            column("first_seen_at", TIME, required=True),
            column("last_seen_at", TIME, required=True),
            column("age_days", REAL, "onset minus the account's creation; null when unknown", unit="days"),
        ]
    ),
)

SLICE_BINS = Table(
    name="slice_bins",
    made_by="grouping",
    key=("slice_id", "axis", "bin"),
    home=Home.RUN,
    schema=pa.schema(
        [
            column("slice_id", COUNT, required=True),
            column(
                "axis",
                TEXT,
                "cell (0-255), hour (0-23), day (since the window's first), moment (hours since it), capability (0-7), "
                "prompt or material (15 bits)",
                required=True,
            ),
            column("bin", pa.int32(), required=True),
            column("n", COUNT, unit="exchanges", required=True),
        ]
    ),
)

GROUPS = Table(
    name="groups",
    made_by="grouping",
    key=("group_id",),
    home=Home.RUN,
    schema=pa.schema(
        [
            column("group_id", TEXT, required=True),
            column(
                "proposal", TEXT, "token (G1), stratum (G2), linked (G3), community (G4) or remainder", required=True
            ),
            column("token_kind", TEXT, "of the shared token; linked for G3 and G4", required=True),
            column("token", HASH, "null for G3 and G4"),
            column("stratum", TEXT, "null unless the group is a stratum of a popular token"),
            column(
                "is_whole_popular",
                FLAG,
                "whole adopters of a popular token, which is judged by strata as well",
                required=True,
            ),
            column(
                "is_mixed", FLAG, "popular, and a few of its accounts send most: never judged as a whole", required=True
            ),
            column("n_accounts", COUNT, unit="accounts", required=True),
            column("n_exchanges", COUNT, unit="exchanges", required=True),
            column("first_seen_at", TIME, required=True),
            column("last_seen_at", TIME, required=True),
            column(
                "n_tests",
                COUNT,
                "tests that this proposal is one of (strata of one token, a token and its remainder)",
                unit="tests",
                required=True,
            ),
        ]
    ),
)

GROUP_MEMBERS = Table(
    name="group_members",
    made_by="grouping",
    key=("group_id", "slice_id"),
    home=Home.RUN,
    schema=pa.schema(
        [
            column("group_id", TEXT, required=True),
            column("slice_id", COUNT, required=True),
            column("account_id", TEXT, required=True),
        ]
    ),
)

GROUP_SIGNALS = Table(
    name="group_signals",
    made_by="signals",
    key=("group_id", "signal"),
    home=Home.RUN,
    schema=pa.schema(
        [
            column("group_id", TEXT, required=True),
            column("signal", TEXT, required=True),
            column("value", REAL, "point estimate in the signal's own unit"),
            column(
                "conservative_value",
                REAL,
                "the end of its uncertainty that accuses least, oriented so that high is suspicious",
            ),
            column("n", COUNT, "observations behind the value", required=True),
        ]
    ),
)

GROUP_SCORES = Table(
    name="group_scores",
    made_by="scoring",
    key=("group_id",),
    home=Home.RUN,
    schema=pa.schema(
        [
            column("group_id", TEXT, required=True),
            column("signals", TEXTS, "names, parallel to p_values and contributions", required=True),
            column("p_values", pa.list_(REAL), "conformal p of each signal among honest groups", required=True),
            column("contributions", pa.list_(REAL), "what each signal adds to the score, in its unit", required=True),
            column("baseline", REAL, "score less all contributions: size, volume, number of tests", required=True),
            column("score", REAL, "log odds of the calibration's boosting, or its sum of -log10 p", required=True),
            column("p_value", REAL, "rank of the margin among the best groups of honest windows", required=True),
            column("q_value", REAL, "share of honest people among all people at this margin or above", required=True),
            column("tier", TEXT, "none, review or accuse", required=True),
            column("is_near", FLAG, "flagged, or would be reviewed if a peer named its token", required=True),
            column("is_lifted", FLAG, "to be reviewed only because a peer's indicator names its token", required=True),
            column("nearest_lookalike", TEXT, required=True),
            column("margin", REAL, "score minus the 0.99 quantile of that class", required=True),
            column("calibration_id", TEXT, required=True),
        ]
    ),
)

SCORE_SHIFTS = Table(
    name="score_shifts",
    made_by="scoring",
    key=("run_id", "signal", "family"),
    partition=Partition.RUN,
    schema=pa.schema(
        [
            column("run_id", TEXT, required=True),
            column("signal", TEXT, "that some judged group had", required=True),
            column("family", TEXT, "of tokens; all: for families with too few groups of their own", required=True),
            column("n_groups", COUNT, "that have the signal", unit="groups", required=True),
            column("centre", REAL, "median of the standardised values; null where too few groups have the signal"),
            column("spread", REAL, "half of their central 68 % range; null with the centre"),
        ]
    ),
)

SCORE_CROWD = Table(
    name="score_crowd",
    made_by="scoring",
    key=("run_id", "margin"),
    partition=Partition.RUN,
    schema=pa.schema(
        [
            column("run_id", TEXT, required=True),
            column("margin", REAL, "score less what accuses in the family; null: at or below the calibration's tail"),
            column("n_people", COUNT, "in judged groups of this margin", unit="accounts", required=True),
        ]
    ),
)

CALIBRATIONS = Table(
    name="calibrations",
    made_by="scoring",
    key=("calibration_id",),
    schema=pa.schema(
        [
            column("calibration_id", TEXT, "digest of the body", required=True),
            column("kind", TEXT, "shipped or fitted", required=True),
            column("created_at", TIME, required=True),
            column("body", TEXT, "the calibration as JSON", required=True),
        ]
    ),
)
