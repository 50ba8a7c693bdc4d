"""Rows a second that ingest takes in from canonical Parquet, with prompt text and without. Prints Markdown.

Run: python benchmarks/ingest_rate.py [--rows N] [--seed S]
"""

import argparse
import os
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.ingest import Settings, ingest_paths
from stillwatch.sources.canonical import SOURCE
from stillwatch.store.keys import Keys
from stillwatch.store.lake import Lake

START_US = 1_780_272_000_000_000  # 2026-06-01
DAY_US = 86_400_000_000
WORDS = 20_000
MEAN_CHARS = 400
NOW = datetime(2026, 7, 1, tzinfo=UTC)


def records(n_rows: int, n_days: int, seed: int) -> pa.Table:
    """Records of 25,000 accounts, 26 a day each on average, in order of time."""
    rng = np.random.default_rng(seed)
    accounts = rng.integers(0, 25_000, n_rows)
    addresses = accounts * 2 + rng.integers(0, 2, n_rows)
    start = START_US + np.sort(rng.integers(0, n_days * DAY_US, n_rows))
    ids = rng.integers(0, 2**63, n_rows)
    text = pa.string()
    return pa.table(
        {
            "source_record_id": pa.array([f"{key:016x}-{at:08x}" for at, key in enumerate(ids)], text),
            "call_id": pa.array([f"req-{key:016x}" for key in ids], text),
            "account_id": pa.array([f"acct-{key:05d}" for key in accounts], text),
            "api_key_id": pa.array([f"{int(key) * 0x9E3779B97F4A7C15 % 2**64:016x}" for key in accounts], text),
            "start_time": pa.array(start, pa.timestamp("us", tz="UTC")),
            "request_model": pa.array(np.where(rng.random(n_rows) < 0.5, "model-a", "model-b"), text),
            "status": pa.array(np.where(rng.random(n_rows) < 0.98, "ok", "error"), text),
            "input_tokens": pa.array(rng.integers(10, 4000, n_rows)),
            "output_tokens": pa.array(rng.integers(10, 2000, n_rows)),
            "client_address": pa.array([f"10.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}" for a in addresses], text),
            "user_agent_original": pa.array(np.where(accounts % 3 == 0, "client/1.0", "client/2.1"), text),
            "tls_client_ja4": pa.array([f"t13d1516h2_{a % 40:012x}_b0da82dd1658" for a in accounts], text),
        }
    )


def prompts(n_rows: int, seed: int) -> pa.Array:
    """Texts of about MEAN_CHARS characters from a vocabulary of made-up words with Zipf frequencies."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = ["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(WORDS)]
    n_words = rng.poisson(MEAN_CHARS / 6.5, n_rows) + 1
    drawn = (rng.zipf(1.2, int(n_words.sum())) - 1) % WORDS
    ends = np.cumsum(n_words)
    return pa.array(
        [" ".join(vocabulary[word] for word in drawn[end - n : end]) for end, n in zip(ends, n_words, strict=True)]
    )


def measure(rows: pa.Table, folder: Path) -> tuple[float, float, int]:
    """Wall seconds, CPU seconds and rows stored of one ingest into a fresh lake."""
    file = folder / "records.parquet"
    pq.write_table(rows, file, compression="zstd", row_group_size=131_072)
    lake = Lake.create(folder / "lake")
    wall, cpu = time.perf_counter(), time.process_time()
    reports = ingest_paths(
        [file],
        SOURCE,
        lake=lake,
        keys=Keys("k1", b"p" * 32, b"v" * 32, b"r" * 32),
        vault=None,
        settings=Settings(),
        clock=lambda: NOW,
    )
    return time.perf_counter() - wall, time.process_time() - cpu, reports[0].rows_out


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=500_000)
    arguments.add_argument("--days", type=int, default=1)
    arguments.add_argument("--seed", type=int, default=7)
    chosen = arguments.parse_args()
    plain = records(chosen.rows, chosen.days, chosen.seed)
    with_text = plain.slice(0, chosen.rows // 2)
    with_text = with_text.append_column("prompt", prompts(with_text.num_rows, chosen.seed))
    with tempfile.TemporaryDirectory() as warm:
        measure(with_text.slice(0, 1000), Path(warm))  # compiles the kernels
    print(
        f"Canonical Parquet, {chosen.days} day(s), seed {chosen.seed}, {platform.machine()}, {os.cpu_count()} cores.\n"
    )
    print("| input | rows | mean prompt, characters | wall, s | CPU, s | rows/s | rows/s of CPU |")
    print("|---|---|---|---|---|---|---|")
    for name, rows in (("without text", plain), ("with text", with_text)):
        with tempfile.TemporaryDirectory() as folder:
            wall, cpu, n = measure(rows, Path(folder))
        mean = len("".join(rows["prompt"].slice(0, 1000).to_pylist())) / 1000 if "prompt" in rows.column_names else 0
        print(f"| {name} | {n:,} | {mean:.0f} | {wall:.2f} | {cpu:.2f} | {n / wall:,.0f} | {n / cpu:,.0f} |")


if __name__ == "__main__":
    main()
