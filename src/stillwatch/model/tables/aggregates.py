"""What features writes: daily, mergeable aggregates."""

import pyarrow as pa

from stillwatch.model.table import Partition, Table, column
from stillwatch.model.tables.kinds import BINS, COUNT, DAY, HASH, TEXT, TEXTS, TIME

TOKEN_USES = Table(
    name="token_uses",
    made_by="features",
    key=("day", "account_id", "token_kind", "token"),
    partition=Partition.DAY,
    schema=pa.schema(
        [
            column("day", DAY, required=True),
            column("account_id", TEXT, required=True),
            column("token_kind", TEXT, "skeleton, system, tools, shingle, address, prefix or ja4", required=True),
            column("token", HASH, required=True),
            column("n", COUNT, unit="exchanges", required=True),
            column("input_tokens", COUNT, unit="tokens", required=True),
            column("output_tokens", COUNT, unit="tokens", required=True),
            column("openings", BINS, "UTC hour of the first exchange of each conversation, ascending", required=True),
            column("micro_cells", BINS, "micro_cell of each distinct (conversation, prompt), ascending", required=True),
            column(
                "capabilities",
                BINS,
                "capability code of each distinct (conversation, prompt), ascending",
                required=True,
            ),
            column(
                "prompts",
                BINS,
                "bin (15 bits of prompt_hash) of each distinct (conversation, prompt) of a quarter of all, ascending",
                required=True,
            ),
            column("materials", BINS, "materials of each conversation's first prompt, ascending", required=True),
            column("first_seen_at", TIME, required=True),
            column("last_seen_at", TIME, required=True),
        ]
    ),
)

ACCOUNT_DAYS = Table(
    name="account_days",
    made_by="features",
    key=("day", "account_id"),
    partition=Partition.DAY,
    schema=pa.schema(
        [
            column("day", DAY, required=True),
            column("account_id", TEXT, required=True),
            column("n", COUNT, unit="exchanges", required=True),
            column("n_errors", COUNT, unit="exchanges", required=True),
            column("n_rate_limited", COUNT, "HTTP status 429", unit="exchanges", required=True),
            column("input_tokens", COUNT, unit="tokens", required=True),
            column("output_tokens", COUNT, unit="tokens", required=True),
            column("openings", BINS, "UTC hour of the first exchange of each conversation, ascending", required=True),
            column("micro_cells", BINS, "as in token_uses", required=True),
            column("capabilities", BINS, "as in token_uses", required=True),
            column("prompts", BINS, "as in token_uses", required=True),
            column("materials", BINS, "as in token_uses", required=True),
            column("models", TEXTS, "distinct request models, ascending", required=True),
            column("first_seen_at", TIME, required=True),
            column("last_seen_at", TIME, required=True),
        ]
    ),
)
