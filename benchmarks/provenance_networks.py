"""How the keyed test and the test of twins fare on networks that are trained (extra `provenance`).

For each seed a teacher, a stranger and four students of it; then, for the first seed, twins of 1,500 prompts by
log-probabilities and by what a suspect goes on with.

    python benchmarks/provenance_networks.py [--seed 7] [--seeds 5] [--prompts 1500]  (no twins: 0)
"""

import argparse
import platform
import time
from collections.abc import Iterable

import numpy as np
import torch

from stillwatch.provenance.demo.neural import Networks
from stillwatch.provenance.demo.run import Outcome, marked_students, twin_students


def print_outcomes(title: str, outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        found = outcome.finding
        print(f"{title}, {outcome.suspect}: {found.effect} {found.effect_value:.3g}, p {found.p_value:.2g}; "
              f"{'; '.join(found.notes) or f'{found.n:,} pairs of words'} "
              f"({time.process_time():.0f} s of CPU so far)", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--prompts", type=int, default=1500)
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}")
    school = Networks()
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        print_outcomes(f"seed {seed}", marked_students(school, np.random.default_rng(seed), 400, 1500))
    rng = np.random.default_rng(arguments.seed)
    if arguments.prompts:
        print_outcomes("twins", twin_students(school, rng, arguments.prompts, ("logprob", "continuation")))


if __name__ == "__main__":
    main()
