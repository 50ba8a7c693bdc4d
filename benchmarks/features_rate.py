"""Measure the features room: exchanges per second and peak memory on a synthetic world of any size.

Usage: python benchmarks/features_rate.py [--exchanges 3000000] [--days 45] [--engine duckdb] [--memory 2GB]

The world is drawn here with numpy from `--seed`; it has the *shape* of telemetry (skewed accounts, templates, agent
loops that resend a prompt, about 8 shingles a prompt) and says nothing about detection quality.
"""

import argparse
import os
import platform
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.engines import Settings, open_engine
from stillwatch.features import Settings as FeatureSettings
from stillwatch.features import run
from stillwatch.model.stage import Run
from stillwatch.model.tables import EXCHANGES, PROMPT_SKETCHES
from stillwatch.model.window import Window

START = datetime(2026, 4, 22, tzinfo=UTC)
MICROSECONDS_PER_DAY = 86_400_000_000
N_SHINGLES = 8


def draw_exchanges(n: int, day: int, n_accounts: int, random: np.random.Generator) -> pa.Table:
    account = (n_accounts * random.random(n) ** 3).astype(np.int64)
    start = (START + timedelta(days=day)).timestamp() * 1e6 + random.random(n) * MICROSECONDS_PER_DAY
    in_conversation = random.random(n) < 0.5
    conversation = pa.array([f"conv-{a}-{c}" for a, c in zip(account, random.integers(0, 6, n), strict=True)])
    address = account * 8 + random.integers(0, 4, n)
    columns = {
        "day": pa.array(np.full(n, (START + timedelta(days=day)).date())),
        "exchange_key": random.permutation(n) + day * 100_000_000,
        "account_id": pa.array([f"account-{a:07d}" for a in account]),
        "org_id": pa.nulls(n, pa.string()),
        "end_user_id": pa.nulls(n, pa.string()),
        "conversation_id": pa.compute.if_else(pa.array(in_conversation), conversation, None),
        "start_time": pa.array(start.astype(np.int64)).cast(pa.timestamp("us", tz="UTC")),
        "request_model": pa.array([f"model-{m}" for m in random.integers(0, 5, n)]),
        "status": pa.array(np.where(random.random(n) < 0.03, "error", "ok")),
        "http_status_code": pa.array(np.where(random.random(n) < 0.02, 429, 200).astype(np.int32)),
        "input_tokens": random.integers(10, 4000, n),
        "output_tokens": random.integers(1, 2000, n),
        "client_address": address,
        "client_prefix": address // 64,
        "tls_client_ja4_hash": (account * 7919 + random.integers(0, 2, n)) % 400,
    }
    return pa.table({name: columns[name] for name in EXCHANGES.schema.names})


def draw_sketches(exchanges: pa.Table, day: int, random: np.random.Generator) -> pa.Table:
    n = exchanges.num_rows
    is_template = random.random(n) < 0.4
    template = (2000 * random.random(n) ** 2).astype(np.int64)
    prompt = np.where(random.random(n) < 0.3, random.integers(0, n // 3 + 1, n), np.arange(n) + day * 100_000_000)
    shared = template[:, None] * 64 + np.arange(N_SHINGLES)
    own = random.integers(1 << 40, 1 << 62, (n, N_SHINGLES))
    phrases = (1_000_000 * random.random((n, N_SHINGLES)) ** 4).astype(np.int64) + (1 << 30)
    own = np.where(random.random((n, N_SHINGLES)) < 0.3, phrases, own)
    shingles = np.where(is_template[:, None] & (np.arange(N_SHINGLES) < 6), shared, own)
    micro = random.integers(0, 4096, n).astype(np.int16)
    mask = random.random(n)
    columns = {
        "day": exchanges["day"],
        "record_key": exchanges["exchange_key"],
        "exchange_key": exchanges["exchange_key"],
        "ingested_at": exchanges["start_time"],
        "sketch_version": pa.array(np.ones(n, dtype=np.int16)),
        "skeleton_hash": np.where(is_template, template, random.integers(1 << 40, 1 << 62, n)),
        "system_hash": pa.array(template % 997, mask=mask < 0.4),
        "tools_hash": pa.array(template % 101, mask=mask < 0.7),
        "shingles": pa.ListArray.from_arrays(
            np.arange(0, n * N_SHINGLES + 1, N_SHINGLES, dtype=np.int32), shingles.reshape(-1)
        ),
        "prompt_hash": prompt,
        "cell": micro >> 4,
        "micro_cell": micro,
        "capability": pa.array(random.integers(0, 8, n).astype(np.int16)),
        "asks_reasoning": pa.array(random.random(n) < 0.1),
        "asks_grading": pa.array(random.random(n) < 0.05),
        "n_chars": pa.array(random.integers(20, 8000, n).astype(np.int32)),
    }
    return pa.table({name: columns[name] for name in PROMPT_SKETCHES.schema.names}, schema=PROMPT_SKETCHES.schema)


def write_world(folder: Path, n_exchanges: int, n_days: int, n_accounts: int, seed: int) -> tuple[list[str], list[str]]:
    random = np.random.default_rng(seed)
    files: tuple[list[str], list[str]] = ([], [])
    for day in range(n_days):
        exchanges = draw_exchanges(n_exchanges // n_days, day, n_accounts, random).cast(EXCHANGES.schema)
        for kept, rows in zip(files, (exchanges, draw_sketches(exchanges, day, random)), strict=True):
            path = folder / f"{len(files[0])}-{len(files[1])}.parquet"
            pq.write_table(rows, path, compression="zstd")
            kept.append(str(path))
    return files


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=3_000_000)
    parser.add_argument("--days", type=int, default=45)
    parser.add_argument("--accounts", type=int, default=60_000)
    parser.add_argument("--engine", default="duckdb")
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        exchanges, sketches = write_world(Path(folder), options.exchanges, options.days, options.accounts, options.seed)
        engine = open_engine(options.engine, Settings(memory_limit=options.memory))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started, cpu_started = time.perf_counter(), cpu_seconds()
        tables = {
            "exchanges": engine.read(EXCHANGES, exchanges),
            "prompt_sketches": engine.read(PROMPT_SKETCHES, sketches),
        }
        window = Window(START, START + timedelta(days=options.days))
        made = run(tables, Run("rate", window), engine=engine, settings=FeatureSettings())
        counts = {name: sum(batch.num_rows for batch in engine.to_batches(rows)) for name, rows in made.items()}
        wall, cpu = time.perf_counter() - started, cpu_seconds() - cpu_started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        shingles = made["token_uses"].filter(made["token_uses"].token_kind == "shingle")
        kept = engine.to_arrow(shingles.aggregate(n=shingles.n.sum()))["n"][0].as_py()
        engine.close()
    n = options.exchanges // options.days * options.days
    print(f"machine: {os.cpu_count()} cores, {platform.machine()}, seed {options.seed}, engine {options.engine}")
    print(f"exchanges {n}, days {options.days}, rows out {counts}")
    print(f"shingle occurrences {n * N_SHINGLES}, recorded {kept}")
    print(f"wall {wall:.1f} s, CPU {cpu:.1f} s, {n / wall:,.0f} exchanges/s")
    print(
        f"peak memory {peak:.0f} MB of this process ({before:.0f} MB before the stage), engine limit {options.memory}"
    )


if __name__ == "__main__":
    main()
