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
    started = time.perf_counter()
    for begin in range(0, n_entries, n_at_once):
        with state.writing() as connection:
            said = [("test", body(number)) for number in range(begin, min(begin + n_at_once, n_entries))]
            ledger.append_all_within(connection, said, AT)
    seconds = time.perf_counter() - started
    print(f"append, {n_at_once:,} a transaction: {n_entries / seconds:,.0f} entries/s ({seconds:.1f} s)")
    started = time.perf_counter()
    for number in range(N_SINGLE):
        ledger.append("test", body(number), AT)
    print(f"append, one a transaction: {N_SINGLE / (time.perf_counter() - started):,.0f} entries/s")
    size, n_bytes = ledger.size(), sum(file.stat().st_size for file in path.parent.iterdir())
    print(f"on disk: {n_bytes / size:,.0f} bytes an entry, {n_bytes / 2**20:,.0f} MiB")
    prove(ledger, size)
    started = time.perf_counter()
    checkpoints.make(ledger, AT)
    print(f"signed checkpoint: {1e3 * (time.perf_counter() - started):.1f} ms")
    started = time.perf_counter()
    ledger.verify()
    print(f"verify all: {time.perf_counter() - started:.1f} s")


def prove(ledger: Ledger, size: int) -> None:
    draw = random.Random(SEED)
    root, n_hashes = ledger.root(), 0
    started = time.perf_counter()
    proofs = [ledger.prove_inclusion(draw.randint(1, size)) for _ in range(N_PROOFS)]
    seconds = time.perf_counter() - started
    n_hashes = max(len(proof.path) for proof in proofs)
    assert all(proof.holds(ledger.entry(proof.index + 1).leaf(), root) for proof in proofs[:50])
    print(f"inclusion proof at {size:,}: {1e3 * seconds / N_PROOFS:.2f} ms, at most {n_hashes} hashes")
    firsts = [draw.randint(1, size) for _ in range(N_PROOFS)]
    started = time.perf_counter()
    shown = [ledger.prove_consistency(first) for first in firsts]
    seconds = time.perf_counter() - started
    assert all(proof.holds(ledger.root(proof.first), root) for proof in shown[:50])
    n_hashes = max(len(proof.path) for proof in shown)
    print(f"consistency proof: {1e3 * seconds / N_PROOFS:.2f} ms, at most {n_hashes} hashes")


if __name__ == "__main__":
    main()
