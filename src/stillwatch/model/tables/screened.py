"""What screening writes: runs, the state each account was screened in, hits, and what reviewers said of them."""

import pyarrow as pa

from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables.kinds import COUNT, REAL, TEXT, TEXTS, TIME

SCREENING_HITS = Table(
    name="screening_hits",
    made_by="screening",
    key=("hit_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("hit_id", TEXT, required=True),
            column("run_id", TEXT, "screening run that found it", required=True),
            column("account_id", TEXT, required=True),
            column("cause", TEXT, "name, ownership, region or network", required=True),
            column("level", TEXT, "hold or review; region and network never hold", required=True),
            column("object_id", TEXT, "list entry, company, countries or network that it is about", required=True),
            column("object_name", TEXT, required=True),
            column("score", REAL, "strength of a name match, 0 to 1; null for other causes"),
            column("reasons", TEXTS, required=True),
            column("subject_digest", TEXT, "keyed digest of what was screened of the account", required=True),
            column("object_digest", TEXT, "digest of what it was screened against", required=True),
            column("found_at", TIME, required=True),
            column("ended_at", TIME, "when a run no longer found it; null while it stands"),
        ]
    ),
)

SCREENING_RUNS = Table(
    name="screening_runs",
    made_by="screening",
    key=("run_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("run_id", TEXT, required=True),
            column("ran_at", TIME, required=True),
            column("actor", TEXT, "who asked for it", required=True),
            column("lists", TEXT, "JSON object: list to day of its snapshot", required=True),
            column("method", TEXT, "digest of the settings and of the normaliser's version", required=True),
            column("n_accounts", COUNT, unit="accounts", required=True),
            column("n_screened", COUNT, "whose name was compared in this run", unit="accounts", required=True),
        ]
    ),
)

SCREENING_MARKS = Table(
    name="screening_marks",
    made_by="screening",
    key=("account_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("account_id", TEXT, required=True),
            column("subject_digest", TEXT, "the state of the account that was screened", required=True),
            column("run_id", TEXT, "the run whose lists it was screened against", required=True),
        ]
    ),
)

SCREENING_REVIEWS = Table(
    name="screening_reviews",
    made_by="screening",
    key=("review_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("review_id", TEXT, required=True),
            column("subject_digest", TEXT, required=True),
            column("object_digest", TEXT, required=True),
            column("account_id", TEXT, required=True),
            column("object_id", TEXT, required=True),
            column("verdict", TEXT, "cleared or confirmed; holds until either digest changes", required=True),
            column("author", TEXT, required=True),
            column("note", TEXT, required=True),
            column("reviewed_at", TIME, required=True),
        ]
    ),
)
