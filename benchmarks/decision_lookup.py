"""Microseconds of `Snapshot.decide` in memory, beside a call that does nothing, and what a snapshot costs.

python benchmarks/decision_lookup.py [--accounts 100000] [--campaigns 1000] [--requests 200000] [--rounds 3]
"""

import argparse
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stillwatch.model.decision import Action, Decision, DecisionRequest, Mode, Verdict
from stillwatch.response import Contents, Snapshot, build, write

SEED = 20260510
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
KINDS = {"skeleton": 1, "system": 1, "tools": 1, "ja4": 2, "shingle": 40}
"""Exclusive tokens of a campaign by kind."""
N_SHINGLES = 30
"""Shingles of one request: a prompt of 2,000 characters."""
N_KNOWN = 500_000
QUANTILES = (0.5, 0.99, 0.999)


def decision(number: int, n_campaigns: int, action: Action, account_id: str | None) -> Decision:
    return Decision(
        decision_id=f"d-{number:020x}",
        account_id=account_id,
        campaign_id=f"c-{number % n_campaigns:08x}",
        action=action,
        mode=Mode.ENFORCE,
        rule="bench",
        reasons=("tier accuse", "day_homogeneity", "volume_dispersion"),
        decided_at=NOW,
        expires_at=NOW + timedelta(days=14),
        policy_digest="p",
        run_id="r",
        calibration_id="k",
        approved_by="ana",
        second_by="ben",
        min_token_kinds=2 if account_id is None else 0,
        pause_seconds=30.0 if action is Action.RATE_LIMIT else None,
    )


def contents(n_accounts: int, n_campaigns: int) -> tuple[Contents, dict[str, np.ndarray]]:
    draw = np.random.default_rng(SEED)
    tokens = {
        kind: draw.integers(-(2**63), 2**63 - 1, n_campaigns * each).reshape(n_campaigns, each)
        for kind, each in KINDS.items()
    }
    accounts = [
        decision(n, n_campaigns, Action.SUSPEND if n % 2 else Action.RATE_LIMIT, f"account-{n:08d}")
        for n in range(n_accounts)
    ]
    unknown = [decision(n_accounts + n, n_campaigns, Action.SUSPEND, None) for n in range(n_campaigns)]
    place = {int(d.campaign_id.removeprefix("c-"), 16): d.campaign_id for d in unknown if d.campaign_id}
    made = Contents(
        decisions=(*accounts, *unknown),
        tokens={
            (kind, int(token)): place[campaign]
            for kind, rows in tokens.items()
            for campaign, row in enumerate(rows)
            for token in row
        },
        known=[f"known-{n:08d}" for n in range(N_KNOWN)],
        exempt=[f"owner-{n:08d}" for n in range(1000)],
        policy_digest="p",
        first_request_cap=1000,
    )
    return made, tokens


def requests(n: int, n_accounts: int, tokens: dict[str, np.ndarray]) -> dict[str, list[DecisionRequest]]:
    """The kinds of requests that a gateway sends, each with the tokens of a prompt of 2,000 characters."""
    draw = np.random.default_rng(SEED + 1)
    n_campaigns = len(tokens["system"])

    def drawn(count: int) -> list[int]:
        return [int(value) for value in draw.integers(-(2**63), 2**63 - 1, count)]

    def sent(campaign: int | None) -> dict[str, list[int]]:
        own = {} if campaign is None else {kind: [int(tokens[kind][campaign][0])] for kind in ("system", "shingle")}
        strange = {"skeleton": drawn(1), "ja4": drawn(1), "shingle": drawn(N_SHINGLES)}
        return {**strange, **own}

    sample = min(n, 20_000)
    picks = draw.integers(0, n_accounts, sample)
    campaigns = draw.integers(0, n_campaigns, sample)
    return {
        "known customer, no decision": [DecisionRequest(f"known-{p % N_KNOWN:08d}", sent(None)) for p in picks],
        "account with a decision": [DecisionRequest(f"account-{p:08d}", sent(None)) for p in picks],
        "unknown account, own tokens": [DecisionRequest(f"new-{p}", sent(None)) for p in picks],
        "successor, two kinds": [
            DecisionRequest(f"new-{p}", sent(int(c))) for p, c in zip(picks, campaigns, strict=True)
        ],
    }


def nothing(_request: DecisionRequest) -> Verdict | None:
    return None


def microseconds(
    decide: Callable[[DecisionRequest], object], asked: Sequence[DecisionRequest], rounds: int
) -> list[float]:
    """Quantiles of single calls, clock included, and the mean without a clock between calls; best of the rounds."""
    best: list[list[float]] = []
    for _ in range(rounds):
        took = np.empty(len(asked))
        for number, request in enumerate(asked):
            began = time.perf_counter_ns()
            decide(request)
            took[number] = time.perf_counter_ns() - began
        began = time.perf_counter_ns()
        for request in asked:
            decide(request)
        mean = (time.perf_counter_ns() - began) / len(asked)
        best.append([mean / 1e3, *(np.quantile(took, QUANTILES) / 1e3)])
    return [min(column) for column in zip(*best, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--campaigns", type=int, default=1_000)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}, seed {SEED}, load {os.getloadavg()[0]:.1f}")
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    made, tokens = contents(options.accounts, options.campaigns)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "decisions.snapshot"
        began = time.perf_counter()
        write(file, build(made, created_at=NOW, expires_at=NOW + timedelta(hours=24)), key)
        built = time.perf_counter()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        snapshot = Snapshot.read(file, key.public_key().public_bytes_raw(), clock=lambda: int(NOW.timestamp() * 1e6))
        read = time.perf_counter()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(
            f"{snapshot.n_accounts:,} accounts, {snapshot.n_tokens:,} tokens of {options.campaigns:,} campaigns, "
            f"{N_KNOWN:,} known accounts: file {file.stat().st_size / 2**20:.1f} MiB, built and signed in "
            f"{built - began:.2f} s, checked and loaded in {read - built:.2f} s, at most {grown / 1024:.0f} MiB more"
        )
    print("| request | mean | p50 | p99 | p99.9 | (microseconds) |")
    asked = requests(options.requests, options.accounts, tokens)
    rows = {"a call that does nothing": (nothing, asked["known customer, no decision"])}
    rows |= {name: (snapshot.decide, some) for name, some in asked.items()}
    for name, (decide, some) in rows.items():
        print(
            f"| {name} | " + " | ".join(f"{value:.2f}" for value in microseconds(decide, some, options.rounds)) + " |"
        )


if __name__ == "__main__":
    main()
