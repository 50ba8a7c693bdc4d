"""Seconds of private matching between two sides in one process, beside openmined-psi on the same sets.

python benchmarks/private_matching.py [--sizes 1000 10000] [--peers .venv-peers]
"""

import argparse
import json
import os
import platform
import random
import subprocess
import tempfile
import time
from pathlib import Path

from stillwatch.guard.matching import Offer, payload_of
from stillwatch.sharing.matching import Item, answer, consent, offer
from stillwatch.sharing.matching.session import START, bucket, receive

SEED = 4
ORACLE = Path(__file__).parents[1] / "tests" / "sharing" / "psi_oracle.py"


def sets(n: int) -> tuple[list[str], list[str]]:
    draw = random.Random(SEED)
    pool = [f"{draw.getrandbits(64):016x}" for _ in range(n + n // 2)]
    return pool[:n], pool[n // 2 :]


def matched(a: list[str], b: list[str]) -> tuple[set[str], float, int]:
    """The items that the asking side learned, seconds of both sides one after the other, and bytes of all messages."""
    began = time.perf_counter()
    terms = Offer("m-" + "0" * 32, START, "a", "b", "skeleton", bucket(len(a)), 3, 1 << 50)
    asking = offer(terms, [Item(text, "skeleton", 0) for text in a], os.urandom)
    sides = [asking.session, answer(terms, [Item(text, "skeleton", 0) for text in b], os.urandom)]
    told = [terms, sides[1].reply]
    sides[1] = sides[1].session
    turn = 0
    while len(told) < 9:
        made = receive(sides[turn], told[-1]) if told[-1] is not None else None
        if made is None or made.reply is None:
            sides[turn] = made.session if made is not None else sides[turn]
            turn = turn if sides[turn].done == 7 else 0
            made = consent(sides[turn])
        sides[turn] = made.session
        told.append(made.reply)
        turn = 1 - turn
    last = receive(sides[turn], told[-1])
    seconds = time.perf_counter() - began
    asked = sides[0] if sides[0].hits is not None else last.session
    n_bytes = sum(len(payload_of(step)) for step in told)
    return {asked.items[place].text for place in asked.hits or ()}, seconds, n_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--peers", type=Path, default=Path(".venv-peers"))
    options = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.0f}, seed {SEED}")
    print("| items each | stillwatch s | messages MB | openmined-psi s | times |\n| ---: | ---: | ---: | ---: | ---: |")
    for n in options.sizes:
        a, b = sets(n)
        with tempfile.TemporaryDirectory() as folder:
            names = [Path(folder, name) for name in ("a", "b")]
            for name, texts in zip(names, (a, b), strict=True):
                name.write_text("\n".join(texts))
            run = subprocess.run(
                [options.peers / "bin" / "python", ORACLE, *names], capture_output=True, text=True, check=True
            )
        oracle = json.loads(run.stdout)
        found, seconds, n_bytes = matched(a, b)
        assert found == set(a) & set(b) == set(oracle["hits"])
        row = f"| {n:,} | {seconds:.2f} | {n_bytes / 1e6:.1f} | {oracle['seconds']:.2f} |"
        print(f"{row} {seconds / oracle['seconds']:.1f} |")


if __name__ == "__main__":
    main()
