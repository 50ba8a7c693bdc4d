"""The latest stored detection run at account level, and what it found near."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.errors import UsageError
from stillwatch.model.tables import DETECTION_RUNS, NEAR_TOKENS
from stillwatch.store.lake import Snapshot


def latest_account_run(lake: Snapshot) -> dict[str, Any] | None:
    """The latest stored detection run at account level, as a row of DETECTION_RUNS; None where there is none."""
    runs = [row for file in lake.files(DETECTION_RUNS) for row in pq.read_table(file, partitioning=None).to_pylist()]
    return max((row for row in runs if row["by"] == "account"), key=lambda row: row["as_of"], default=None)


def near_tokens(lake: Snapshot, token_kind: str) -> list[int]:
    """The near tokens of a kind in the latest run at account level, ascending.

    Raises:
        UsageError: no run at account level is stored.
    """
    run = latest_account_run(lake)
    if run is None:
        raise UsageError("no detection run at account level is stored: run `stillwatch detect` first")
    parts = [pq.read_table(file, partitioning=None) for file in lake.files(NEAR_TOKENS, [run["run_id"]])]
    rows = pa.concat_tables(parts) if parts else NEAR_TOKENS.empty()
    tokens: list[int] = rows.filter(pc.equal(rows["token_kind"], token_kind))["token"].to_pylist()
    return sorted(tokens)
