"""Seconds and peak memory of grouping and signals on a window of random token uses.

    PYTHONPATH=src python benchmarks/grouping_rate.py --exchanges 3000000

The world is made for its *shape*, not its truth: heavy-tailed accounts over 45 days; nine tokens an exchange (skeleton,
system, tools, address, prefix, ja4 and three shingles), popular ones, cohorts of tens, private ones; a planted
campaign of 500 accounts with 5 templates. It says nothing about what is detected. Prints one JSON object.
"""

import argparse
import json
import platform
import resource
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch import grouping, signals
from stillwatch.engines import Settings as EngineSettings
from stillwatch.engines import open_engine
from stillwatch.model.stage import Run
from stillwatch.model.table import Table
from stillwatch.model.tables import ACCOUNT_DAYS, ACCOUNT_EVENTS, ACCOUNTS, TOKEN_USES
from stillwatch.model.window import Window

START = datetime(2026, 4, 22, tzinfo=UTC)
N_DAYS = 45
EXCHANGES_PER_ACCOUNT = 15
POOLS = {"skeleton": 8, "system": 3, "tools": 3, "address": 2, "prefix": 2, "ja4": 1, "shingle": 8}
"""Private or small-group tokens an account draws from, by kind; a part of the draws goes to popular tokens instead."""
POPULAR_SHARE = {
    "skeleton": 0.2,
    "system": 0.6,
    "tools": 0.7,
    "address": 0.2,
    "prefix": 0.4,
    "ja4": 0.95,
    "shingle": 0.3,
}
N_CAMPAIGN, N_TEMPLATES = 500, 5


def exchanges(rng: np.random.Generator, n: int) -> dict[str, NDArray[np.int64]]:
    """`n` exchanges: account, day, hour, micro_cell and capability of each."""
    n_accounts = n // EXCHANGES_PER_ACCOUNT
    weight = rng.lognormal(0.0, 1.5, n_accounts)
    account = np.sort(rng.choice(n_accounts, n, p=weight / weight.sum()))
    favourite = rng.integers(0, 4096, n_accounts)
    cell = np.where(rng.random(n) < 0.7, favourite[account], rng.integers(0, 4096, n))
    return {
        "account": account,
        "day": rng.integers(0, N_DAYS, n),
        "hour": rng.integers(0, 24, n),
        "cell": cell,
        "capability": cell % 8,
    }


def tokens(rng: np.random.Generator, kind: str, account: NDArray[np.int64]) -> NDArray[np.int64]:
    """The token of each exchange: popular (Zipf), of a cohort of accounts, or of a small pool of the account."""
    n = len(account)
    salt = (sorted(POOLS).index(kind) + 1) << 48
    popular = np.minimum(rng.zipf(1.3, n), 3000)
    cohort = account // 20 + (1 << 32)
    private = account * 64 + rng.integers(0, POOLS[kind], n) + (1 << 40)
    draw = rng.random(n)
    share = POPULAR_SHARE[kind]
    token = np.where(draw < share, popular, np.where(draw < share + 0.05, cohort, private))
    is_campaign = account % 400 == 7
    template = (1 << 41) + rng.integers(0, N_TEMPLATES, n)
    planted = is_campaign & (account // 400 < N_CAMPAIGN) & (kind in {"skeleton", "shingle"})
    return np.where(planted, template, token) + salt


def daily(table: Table, world: dict[str, NDArray[np.int64]], token: NDArray[np.int64] | None, kind: str) -> pa.Table:
    """Rows of `table` from exchanges: one a day, account and token, with their lists in order of hour."""
    keys = [world["day"], world["account"]] if token is None else [token, world["account"], world["day"]]
    order = np.lexsort([world["hour"], *keys])
    sorted_keys = [key[order] for key in keys]
    is_first = np.append(True, np.any([key[1:] != key[:-1] for key in sorted_keys], axis=0))
    starts = np.flatnonzero(is_first)
    offsets = pa.array(np.append(starts, len(order)).astype(np.int32))
    n = np.diff(np.append(starts, len(order)))
    rows = order[starts]
    first = np.datetime64(START.date(), "us") + world["day"][rows].astype("timedelta64[D]")
    seen = pa.array(first + world["hour"][rows].astype("timedelta64[h]")).cast(pa.timestamp("us", "UTC"))
    names = np.char.add("acct-", np.arange(world["account"].max() + 1).astype(str))
    zeros = pa.array(np.zeros(len(rows), np.int64))
    lists = {
        name: pa.ListArray.from_arrays(offsets, pa.array(world[column][order].astype(np.int16)))
        for name, column in (("hours", "hour"), ("micro_cells", "cell"), ("capabilities", "capability"))
    }
    columns = lists | {
        "day": pa.array(first.astype("datetime64[D]")),
        "account_id": pa.array(names).take(pa.array(world["account"][rows])),
        "token_kind": pa.array([kind]).take(pa.array(np.zeros(len(rows), np.int64))),
        "token": zeros if token is None else pa.array(token[rows]),
        "n": pa.array(n),
        "input_tokens": pa.array(n * 400),
        "output_tokens": pa.array(n * 300),
        "n_errors": zeros,
        "n_rate_limited": zeros,
        "models": pa.ListArray.from_arrays(pa.array(np.zeros(len(rows) + 1, np.int32)), pa.array([], pa.string())),
        "first_seen_at": seen,
        "last_seen_at": seen,
    }
    return pa.table([columns[name] for name in table.schema.names], schema=table.schema)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory-limit", default="3GB")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    world = exchanges(rng, options.exchanges)
    engine = open_engine("duckdb", EngineSettings(memory_limit=options.memory_limit))
    kinds = [kind for kind in POOLS for _ in range(3 if kind == "shingle" else 1)]
    uses = None
    for place, kind in enumerate(kinds):
        token = tokens(rng, kind, world["account"]) + (place << 56 if kind == "shingle" else 0)
        part = engine.from_arrow(TOKEN_USES, daily(TOKEN_USES, world, token, kind))
        uses = part if uses is None else uses.union(part)
    tables = {
        "token_uses": uses,
        "account_days": engine.from_arrow(ACCOUNT_DAYS, daily(ACCOUNT_DAYS, world, None, "")),
        "accounts": engine.from_arrow(ACCOUNTS, ACCOUNTS.empty()),
    }
    n_rows = int(engine.to_arrow(uses.aggregate(n=uses.count()))["n"][0].as_py())
    del world
    run = Run("benchmark", Window(START, START + timedelta(days=N_DAYS)))
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    grouped = grouping.run(tables, run, engine=engine, settings=grouping.Settings())
    grouped_at = time.perf_counter()
    events = engine.from_arrow(ACCOUNT_EVENTS, ACCOUNT_EVENTS.empty())
    found = signals.run(
        {**tables, **grouped, "account_events": events}, run, engine=engine, settings=signals.Settings()
    )
    done_at = time.perf_counter()
    after = resource.getrusage(resource.RUSAGE_SELF)
    counts = {
        name: int(engine.to_arrow(rows.aggregate(n=rows.count()))["n"][0].as_py())
        for name, rows in {**grouped, **found}.items()
    }
    report = {
        "exchanges": options.exchanges,
        "incidences": options.exchanges * len(kinds),
        "token_use_rows": n_rows,
        "grouping_seconds": round(grouped_at - began, 1),
        "signals_seconds": round(done_at - grouped_at, 1),
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_mb_with_input": round(after.ru_maxrss / 1024),
        "peak_mb_before": round(before.ru_maxrss / 1024),
        **counts,
        "machine": platform.processor() or platform.machine(),
        "seed": options.seed,
    }
    print(json.dumps(report, indent=1))
    engine.close()


if __name__ == "__main__":
    main()
