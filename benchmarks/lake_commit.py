"""Rows a second into the lake beside plain Parquet writing of the same rows, and manifest time at 5,000 segments.

python benchmarks/lake_commit.py [--rows 1000000] [--rounds 3]
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.model.tables import PROMPT_SKETCHES
from stillwatch.store import manifest as manifests
from stillwatch.store.lake import Lake
from stillwatch.store.manifest import Manifest, PartitionEntry, Segment
from stillwatch.store.writer import MANIFEST

SEED = 20260422
BATCH_ROWS = 50_000
N_SHINGLES = 8
START = datetime(2026, 4, 22, tzinfo=UTC)


def sketches(n_rows: int, n_days: int) -> pa.Table:
    """`n_rows` random prompt sketches of 8 shingles each, days in round-robin: the worst order for a split by day."""
    draw = np.random.default_rng(SEED)

    def hashes(n: int) -> np.ndarray:
        return draw.integers(-(2**63), 2**63 - 1, n)

    values = {name: pa.array(hashes(n_rows)) for name in ("record_key", "exchange_key", "prompt_hash")}
    values |= {
        name: pa.array(draw.choice(hashes(2000), n_rows)) for name in ("skeleton_hash", "system_hash", "tools_hash")
    }
    cells = draw.integers(0, 4096, n_rows)
    values["day"] = pa.array(
        (np.arange(n_rows) % n_days + (START - datetime(1970, 1, 1, tzinfo=UTC)).days).astype("int32")
    ).cast(pa.date32())
    values["ingested_at"] = pa.array([START] * n_rows, pa.timestamp("us", "UTC"))
    values["sketch_version"] = pa.array(np.ones(n_rows, "int16"))
    values["shingles"] = pa.ListArray.from_arrays(
        np.arange(0, N_SHINGLES * n_rows + 1, N_SHINGLES, "int32"), hashes(N_SHINGLES * n_rows)
    )
    values["cell"] = pa.array((cells >> 4).astype("int16"))
    values["micro_cell"] = pa.array(cells.astype("int16"))
    values["capability"] = pa.array(draw.integers(0, 8, n_rows).astype("int16"))
    values["asks_reasoning"] = values["asks_grading"] = pa.array(draw.random(n_rows) < 0.1)
    values["n_chars"] = pa.array(draw.integers(20, 4000, n_rows).astype("int32"))
    return pa.Table.from_arrays([values[name] for name in PROMPT_SKETCHES.schema.names], schema=PROMPT_SKETCHES.schema)


def best_seconds(work: Callable[[Path], None], rounds: int) -> float:
    """The fewest seconds that `work` took in its own new folder."""
    seconds = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            work(Path(folder))
            seconds.append(time.perf_counter() - started)
    return min(seconds)


def time_writing(rows: pa.Table, n_days: int, rounds: int) -> None:
    def plain(folder: Path) -> None:
        pq.write_table(rows, folder / "rows.parquet", compression="zstd")

    def into_lake(folder: Path) -> None:
        lake = Lake.create(folder / "lake")
        with lake.write() as writer:
            for batch in rows.to_batches(max_chunksize=BATCH_ROWS):
                writer.append(PROMPT_SKETCHES, batch)
            writer.commit()

    bound, ours = best_seconds(plain, rounds), best_seconds(into_lake, rounds)
    n = rows.num_rows
    print(
        f"{n} rows, {n_days} days: plain write_table {n / bound:,.0f} rows/s, "
        f"lake append+commit {n / ours:,.0f} rows/s ({bound / ours:.2f} of plain; split, digest and fsync included)"
    )


def time_manifest(n_segments: int) -> None:
    segment = Segment(
        "prompt_sketches/day=2026-04-22/00000001-00000-abcdef01.parquet", 10**6, 5 * 10**7, "0" * 32, START, START
    )
    n_each = n_segments // (45 * 4)
    entries = {str((START + timedelta(days=day)).date()): PartitionEntry(1, (segment,) * n_each) for day in range(45)}
    body = manifests.encode(Manifest(1, 1, START, {f"table_{number}": entries for number in range(4)}))
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.create(folder)
        Path(folder, MANIFEST).write_bytes(body)
        seconds = []
        for _ in range(20):
            started = time.perf_counter()
            lake.snapshot()
            seconds.append(time.perf_counter() - started)
    print(
        f"manifest of {n_each * 45 * 4} segments: {len(body):,} bytes, "
        f"read in {1000 * min(seconds):.1f} ms (best of {len(seconds)})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"pyarrow {pa.__version__}, seed {SEED}"
    )
    for n_days in (1, 45):
        time_writing(sketches(chosen.rows, n_days), n_days, chosen.rounds)
    time_manifest(5040)


if __name__ == "__main__":
    main()
