"""Prompt templates as keyed sketches: those of a campaign, and own ones that a peer's sketch means."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.engines import Engine
from stillwatch.errors import ConfigError, UsageError
from stillwatch.guard import Support
from stillwatch.model.tables import DETECTION_RUNS, NEAR_TOKENS
from stillwatch.sharing.case import Trait
from stillwatch.sharing.traits import keyed_sketch, template_shingles
from stillwatch.store.lake import Snapshot

if TYPE_CHECKING:
    import ibis.expr.types as ir

GROUP_KEY_BYTES: Final = 32
TEMPLATES_AT_MOST: Final = 5
"""Skeletons of a campaign that are sketched; the rest are variants of these."""
SKELETON: Final = "skeleton"


def group_key(named: str) -> bytes | None:
    """The sharing group's key in a file; None where none is named.

    Raises:
        ConfigError: the file cannot be read, or holds no key.
    """
    if not named:
        return None
    try:
        key = Path(named).read_bytes()
    except OSError as error:
        raise ConfigError(f"the sharing group's key {named} cannot be read ({type(error).__name__})") from error
    if len(key) != GROUP_KEY_BYTES:
        raise ConfigError(f"the sharing group's key {named} has {len(key)} bytes, not {GROUP_KEY_BYTES}")
    return key


def campaign_templates(
    members: pa.Table, records: "ir.Table", sketches: "ir.Table", key: bytes, *, engine: Engine
) -> list[Trait]:
    """The templates that most of a campaign's accounts share, as sketches under the group's key."""
    slices = members.filter(pc.equal(members["token_kind"], SKELETON))
    counted = slices.group_by("token").aggregate(
        [("account_id", "count_distinct"), ("first_seen_at", "min"), ("last_seen_at", "max")]
    )
    ordered = counted.sort_by([("account_id_count_distinct", "descending"), ("token", "ascending")])
    rows = {row["token"]: row for row in ordered.slice(0, TEMPLATES_AT_MOST).to_pylist()}
    shingles = template_shingles(sketches, list(rows), engine=engine)
    used = records.inner_join(sketches.select("record_key", "skeleton_hash"), "record_key")
    found = []
    for token, row in rows.items():
        if token not in shingles:
            continue
        mine = used.filter(used.skeleton_hash == token)
        n_all = engine.to_arrow(mine.aggregate(n=mine.account_id.nunique()))["n"][0].as_py()
        n = row["account_id_count_distinct"]
        support = Support(n, n / max(n, n_all), n_shingles=len(shingles[token]))
        times = row["first_seen_at_min"], row["last_seen_at_max"]
        found.append(Trait("sketch", keyed_sketch(shingles[token], key), support, *times))
    return found


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
