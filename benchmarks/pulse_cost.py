"""Measure the pulse: seconds and peak memory for a window of account-days of any size.

Usage: python benchmarks/pulse_cost.py [--account-days 1000000] [--days 105] [--exchanges 15] [--memory 2GB]

Account-days are drawn with numpy from `--seed`; they have the shape of aggregates and say nothing about populations.
"""

import argparse
import platform
import resource
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from stillwatch.engines import Settings, open_engine
from stillwatch.model.stage import Run
from stillwatch.model.tables import ACCOUNT_DAYS, PULSES
from stillwatch.model.window import Window
from stillwatch.pulse import Settings as PulseSettings
from stillwatch.pulse import run

START = datetime(2026, 1, 5, tzinfo=UTC)


def lists(sizes: np.ndarray, n_bins: int, random: np.random.Generator) -> pa.Array:
    """Lists of these sizes of bins."""
    offsets = np.append(0, np.cumsum(sizes)).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(random.integers(0, n_bins, offsets[-1], dtype=np.int16))
    )


def draw(n: int, n_days: int, n_exchanges: float, random: np.random.Generator) -> pa.Table:
    """ACCOUNT_DAYS with exponentially distributed numbers of prompts."""
    sizes = 1 + random.exponential(n_exchanges, n).astype(np.int64)
    day = np.sort(random.integers(0, n_days, n))
    at = pa.array((START.timestamp() * 1e6 + day * 86.4e9).astype(np.int64)).cast(
        ACCOUNT_DAYS.schema.field("first_seen_at").type
    )
    nothing = lists(np.zeros(n, dtype=np.int64), 1, random)
    columns = {
        "day": at.cast(pa.date32(), safe=False), "account_id": pa.array(np.char.mod("account-%07d", np.arange(n))),
        "micro_cells": lists(sizes, 4096, random), "capabilities": lists(sizes, 8, random),
        "openings": lists(1 + sizes // 3, 24, random), "prompts": nothing, "materials": nothing,
        "models": nothing.cast(pa.list_(pa.string())), "first_seen_at": at, "last_seen_at": at,
    }  # fmt: skip
    rows = [columns.get(name, pa.array(sizes)) for name in ACCOUNT_DAYS.schema.names]
    return pa.table(rows, schema=ACCOUNT_DAYS.schema)


def main() -> None:
    """Draw, judge the last two weeks, print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--account-days", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=105)
    parser.add_argument("--exchanges", type=float, default=15.0)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rows = draw(arguments.account_days, arguments.days, arguments.exchanges, np.random.default_rng(arguments.seed))
    engine = open_engine("duckdb", Settings(memory_limit=arguments.memory))
    end = START + timedelta(days=arguments.days)
    tables = {ACCOUNT_DAYS.name: engine.from_arrow(ACCOUNT_DAYS, rows)}
    began, worked = time.perf_counter(), time.process_time()
    made = run(tables, Run("pulse", Window(end - timedelta(days=14), end)), engine=engine, settings=PulseSettings())
    n_rows = engine.to_arrow(made[PULSES.name]).num_rows
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    n_prompts = len(rows["micro_cells"].combine_chunks().flatten())
    print(
        f"{rows.num_rows:,} account-days, {n_prompts:,} prompts, {n_rows} days judged: {seconds:.1f} s, "
        f"{cpu:.1f} s of CPU; peak {peak:.1f} GB with the drawn rows; {platform.machine()}, seed {arguments.seed}"
    )
    engine.close()


if __name__ == "__main__":
    main()
