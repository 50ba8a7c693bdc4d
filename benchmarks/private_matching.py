"""Private matching between two sides in one process beside openmined-psi and plain intersection on the same sets.

python benchmarks/private_matching.py [--sizes 0 1 2 3 10000 50000] [--peers .venv-peers]
"""

import argparse
import json
import os
import platform
import random
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stillwatch.guard import load_policy, shipped_policy
from stillwatch.guard.envelope import Signer
from stillwatch.guard.matching import Offer, Step, clear_step, read_step
from stillwatch.sharing.matching import Item, Session, answer, consent, offer
from stillwatch.sharing.matching.session import START, bucket, receive

SEED = 4
KIND = "skeleton"
POLICY = load_policy(shipped_policy())
LEAST = POLICY.matching.least_reveal
AT = datetime(2026, 5, 20, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer(KEY.public_key().public_bytes_raw(), KEY.sign)
ORACLE = Path(__file__).parents[1] / "tests" / "sharing" / "psi_oracle.py"


def sets(n: int) -> tuple[list[str], list[str]]:
    """Two sets of `n` items that share half, or all where there are no more than reveal."""
    draw = random.Random(SEED)
    n_own = 0 if n <= LEAST else n // 2
    pool = [f"{draw.getrandbits(64):016x}" for _ in range(n + n_own)]
    return pool[:n], pool[n_own:]


class Wire:
    """Signs, sends and reads messages, as files and servers do, and counts their bytes."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def sent(self, step: Step) -> Step:
        """The step as the other side reads it."""
        body = clear_step(step, POLICY, KIND, SIGNER, AT).body
        self.sizes.append(len(body))
        return read_step(body, SIGNER.public_key)


def matched(a: list[str], b: list[str], wire: Wire) -> tuple[Session, Session]:
    """Both sides after the last message."""
    terms = Offer("m-" + "0" * 32, START, "a", "b", KIND, bucket(len(a)), LEAST, 1 << 50)
    asking = offer(terms, [Item(text, KIND, 0) for text in a], os.urandom).session
    made = answer(wire.sent(terms), [Item(text, KIND, 0) for text in b], os.urandom)
    sides, turn = [asking, made.session], 0
    while made.reply is not None:
        made = receive(sides[turn], wire.sent(made.reply))
        sides[turn] = made.session
        if made.reply is None and sides[turn].may_reveal and sides[turn].hits is None:
            turn = 0 if sides[turn].done == 6 else turn
            made = consent(sides[turn])
            sides[turn] = made.session
        turn = 1 - turn
    return sides[0], sides[1]


def by_oracle(peers: Path, a: list[str], b: list[str]) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        names = [Path(folder, name) for name in ("a", "b")]
        for name, texts in zip(names, (a, b), strict=True):
            name.write_text("\n".join(texts))
        run = subprocess.run([peers / "bin" / "python", ORACLE, *names], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def check(common: set[str], sides: tuple[Session, Session], oracle: dict[str, object]) -> str:
    """How many items both sides learned; exactness is asserted, and that fewer than agreed reveal nothing."""
    assert sorted(common) == oracle["hits"]
    for side in sides:
        assert side.n_common == len(common)
        learned = None if side.hits is None else {side.items[place].text for place in side.hits}
        assert learned == (common if len(common) >= LEAST else None)
    return sides[0].counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 1, LEAST - 1, LEAST, 10_000, 50_000])
    parser.add_argument("--peers", type=Path, default=Path(".venv-peers"))
    options = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.0f}, seed {SEED}")
    print("| items each | told | stillwatch CPU s | wall s | largest message MB | oracle CPU s | wall s | CPU times |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for n in options.sizes:
        a, b = sets(n)
        wire, wall, cpu = Wire(), time.perf_counter(), time.process_time()
        sides = matched(a, b, wire)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        oracle = by_oracle(options.peers, a, b)
        told = check(set(a) & set(b), sides, oracle)
        row = f"| {n:,} | {told} | {cpu:.2f} | {wall:.1f} | {max(wire.sizes) / 1e6:.2f} |"
        times = f"{cpu / oracle['cpu_seconds']:.1f}" if n > 1000 else ""
        print(f"{row} {oracle['cpu_seconds']:.2f} | {oracle['seconds']:.1f} | {times} |", flush=True)


if __name__ == "__main__":
    main()
