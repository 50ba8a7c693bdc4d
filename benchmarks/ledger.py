"""Appending to the ledger, proof time and size on disk at a million entries, on SQLite.

python benchmarks/ledger.py [--entries 1000000] [--batch 1000]
"""

import argparse
import os
import platform
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from stillwatch.store.checkpoint import Checkpoints
from stillwatch.store.keys import Keys
from stillwatch.store.ledger import Ledger
from stillwatch.store.state import State

SEED = 20260422
AT = datetime(2026, 4, 22, 12, tzinfo=UTC)
N_SINGLE, N_PROOFS = 300, 1000
KEYS = Keys("k1", b"p" * 32, b"v" * 32, b"r" * 32)


def body(number: int) -> dict[str, str | int]:
    """An entry of the size that a decision or a batch has."""
    return {"batch_id": f"b-{number:016x}", "n_decisions": number % 97, "digest": f"{number * 2654435761:032x}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=1000)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}, seed {SEED}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.sqlite"
        with State.create(f"sqlite:///{path}", workspace_id="w1") as state:
            measure(state, path, arguments.entries, arguments.batch)


def measure(state: State, path: Path, n_entries: int, n_at_once: int) -> None:
    ledger, checkpoints = Ledger(state), Checkpoints(state, KEYS)
    started, cpu = time.perf_counter(), time.process_time()
    for begin in range(0, n_entries, n_at_once):
        with state.writing() as connection:
            said = [("test", body(number)) for number in range(begin, min(begin + n_at_once, n_entries))]
            ledger.append_all_within(connection, said, AT)
    say_rate(f"append, {n_at_once:,} a transaction", n_entries, started, cpu)
    started, cpu = time.perf_counter(), time.process_time()
    for number in range(N_SINGLE):
        ledger.append("test", body(number), AT)
    say_rate("append, one a transaction", N_SINGLE, started, cpu)
    size, n_bytes = ledger.size(), sum(file.stat().st_size for file in path.parent.iterdir())
    print(f"on disk: {n_bytes / size:,.0f} bytes an entry, {n_bytes / 2**20:,.0f} MiB")
    prove(ledger, size)
    started, cpu = time.perf_counter(), time.process_time()
    checkpoints.make(ledger, AT)
    say_time("signed checkpoint", 1, started, cpu)
    started, cpu = time.perf_counter(), time.process_time()
    ledger.verify()
    say_time("verify all", 1, started, cpu)


def say_rate(what: str, n: int, started: float, cpu: float) -> None:
    wall, busy = time.perf_counter() - started, time.process_time() - cpu
    print(f"{what}: {n / wall:,.0f} entries/s, {n / busy:,.0f} a second of processor time ({wall:.1f} s)", flush=True)


def say_time(what: str, n: int, started: float, cpu: float) -> None:
    wall, busy = time.perf_counter() - started, time.process_time() - cpu
    print(f"{what}: {1e3 * wall / n:.2f} ms, {1e3 * busy / n:.2f} ms of processor time", flush=True)


def prove(ledger: Ledger, size: int) -> None:
    draw = random.Random(SEED)
    root = ledger.root()
    started, cpu = time.perf_counter(), time.process_time()
    proofs = [ledger.prove_inclusion(draw.randint(1, size)) for _ in range(N_PROOFS)]
    say_time(f"inclusion proof at {size:,}", N_PROOFS, started, cpu)
    n_hashes = max(len(proof.path) for proof in proofs)
    assert all(proof.holds(ledger.entry(proof.index + 1).leaf(), root) for proof in proofs[:50])
    print(f"  at most {n_hashes} hashes")
    firsts = [draw.randint(1, size) for _ in range(N_PROOFS)]
    started, cpu = time.perf_counter(), time.process_time()
    shown = [ledger.prove_consistency(first) for first in firsts]
    say_time("consistency proof", N_PROOFS, started, cpu)
    assert all(proof.holds(ledger.root(proof.first), root) for proof in shown[:50])
    n_hashes = max(len(proof.path) for proof in shown)
    print(f"  at most {n_hashes} hashes")


if __name__ == "__main__":
    main()
