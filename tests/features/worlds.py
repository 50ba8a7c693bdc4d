"""Small exchanges and sketches for feature tests, and how to run the stage on them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from stillwatch.engines import Engine
from stillwatch.features import Settings, run
from stillwatch.model.stage import Run
from stillwatch.model.table import Table
from stillwatch.model.tables import EXCHANGES, PROMPT_SKETCHES
from stillwatch.model.window import Window

START = datetime(2026, 4, 22, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=3))
USES_KEY = ("day", "account_id", "token_kind", "token")
DAYS_KEY = ("day", "account_id")


def exchange(key: int, account: str | None, *, hours: float = 12.0, **columns: Any) -> dict[str, Any]:
    """One row of the `exchanges` view, `hours` after the window's start."""
    at = START + timedelta(hours=hours)
    row = dict.fromkeys(EXCHANGES.schema.names)
    return row | {
        "day": at.date(),
        "exchange_key": key,
        "account_id": account,
        "start_time": at,
        "status": "ok",
        "input_tokens": 10,
        "output_tokens": 5,
        **columns,
    }


def sketch(key: int, **columns: Any) -> dict[str, Any]:
    """One row of `prompt_sketches`."""
    row = dict.fromkeys(PROMPT_SKETCHES.schema.names)
    fixed = {"day": START.date(), "record_key": key, "exchange_key": key, "ingested_at": START, "sketch_version": 1}
    return row | fixed | columns


def features(
    engine: Engine,
    exchanges: Sequence[dict[str, Any]] | pa.Table,
    sketches: Sequence[dict[str, Any]] | pa.Table = (),
    *,
    window: Window = WINDOW,
    by: str = "account",
    settings: Settings | None = None,
) -> dict[str, pa.Table]:
    """The stage's tables in memory, ordered by key."""
    given = ((EXCHANGES, exchanges), (PROMPT_SKETCHES, sketches))
    with engine.scope():
        tables = {table.name: engine.from_arrow(table, _arrow(table, rows)) for table, rows in given}
        made = run(tables, Run("test", window, by=by), engine=engine, settings=settings or Settings())
        uses = engine.to_arrow(made["token_uses"]).sort_by([(name, "ascending") for name in USES_KEY])
        days = engine.to_arrow(made["account_days"]).sort_by([(name, "ascending") for name in DAYS_KEY])
    return {"token_uses": uses, "account_days": days}


def _arrow(table: Table, rows: Sequence[dict[str, Any]] | pa.Table) -> pa.Table:
    return rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), schema=table.schema)


def random_world(n: int, n_days: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """`n` exchanges with sketches: skewed accounts, templates, resends, nulls in every nullable column."""
    random = np.random.default_rng(seed)
    account = (n // 20 * random.random(n) ** 2).astype(np.int64)
    start = pa.array((START.timestamp() * 1e6 + random.random(n) * n_days * 86.4e9).astype(np.int64))
    at = start.cast(pa.timestamp("us", tz="UTC"))
    keys = random.permutation(n).astype(np.int64)

    def holes(values: Any, share: float = 0.2) -> pa.Array:
        return pa.array(values, mask=random.random(n) < share)

    exchanges = {
        "day": at.cast(pa.date32()),
        "exchange_key": keys,
        "account_id": holes(np.char.add("account-", account.astype(str)), 0.02),
        "org_id": holes(np.char.add("org-", (account // 7).astype(str))),
        "end_user_id": holes(np.char.add("user-", (account * 3 % 101).astype(str)), 0.5),
        "conversation_id": holes(np.char.add("c", (account * 5 + random.integers(0, 3, n)).astype(str)), 0.5),
        "start_time": at,
        "request_model": holes(np.char.add("model-", random.integers(0, 4, n).astype(str))),
        "status": np.where(random.random(n) < 0.05, "error", "ok"),
        "http_status_code": holes(np.where(random.random(n) < 0.03, 429, 200).astype(np.int32)),
        "input_tokens": holes(random.integers(0, 5000, n)),
        "output_tokens": holes(random.integers(0, 5000, n)),
        "client_address": holes(account * 3 + random.integers(0, 3, n)),
        "client_prefix": holes(account // 16),
        "tls_client_ja4_hash": holes(account % 50 - 25),
    }
    lengths = random.integers(0, 9, n)
    n_shingles = int(lengths.sum())
    common, rare = random.integers(0, 500, n_shingles), random.integers(0, 1 << 62, n_shingles)
    shingles = np.where(random.random(n_shingles) < 0.5, common, rare)
    lists = pa.ListArray.from_arrays(np.concatenate([[0], lengths.cumsum()]).astype(np.int32), shingles)
    distinct = pa.array([sorted(set(values)) for values in lists.to_pylist()], pa.list_(pa.int64()))
    micro = random.integers(0, 4096, n).astype(np.int16)
    sketches = {name: pa.nulls(n, PROMPT_SKETCHES.schema.field(name).type) for name in PROMPT_SKETCHES.schema.names} | {
        "day": at.cast(pa.date32()),
        "record_key": keys,
        "exchange_key": keys,
        "ingested_at": at,
        "sketch_version": np.ones(n, dtype=np.int16),
        "skeleton_hash": holes(random.integers(-500, 500, n)),
        "system_hash": holes(random.integers(-50, 50, n), 0.5),
        "tools_hash": holes(random.integers(-9, 9, n), 0.7),
        "shingles": distinct,
        "materials": distinct_lists(random, n),
        "prompt_hash": holes(random.integers(-100, 100, n) << 1),
        "micro_cell": holes(micro),
        "capability": holes(random.integers(0, 8, n).astype(np.int16)),
    }
    kept = pa.table(sketches, schema=PROMPT_SKETCHES.schema).filter(pa.array(random.random(n) < 0.9))
    return pa.table(exchanges, schema=EXCHANGES.schema), kept


def distinct_lists(random: np.random.Generator, n: int) -> pa.Array:
    """Ascending distinct bins, none to five a row."""
    return pa.array(
        [sorted(set(random.integers(0, 1 << 15, size).tolist())) for size in random.integers(0, 6, n)],
        pa.list_(pa.int16()),
    )
