"""Milliseconds a page of a listing of a million accounts, anywhere in it, over HTTP; and of a large campaign's graph.

Run: python benchmarks/listing_pages.py [--accounts 1000000] [--members 25000] [--pages 60] [--limit 200] [--seed 1]
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa

from stillwatch.api.paging import ARROW
from stillwatch.model.role import Role
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_FINDINGS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    DETECTION_RUNS,
    TOKEN_USES,
)
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.workspace import Workspace

PORT = 18724
DAY = datetime(2026, 5, 1, tzinfo=UTC)
RUN = "run-1"
CAMPAIGN = "c-large"
PATIENCE_SECONDS = 300.0


def columns(table: pa.Schema, n_rows: int, /, **given: object) -> pa.Table:
    """Rows of a shape: what is given, as a column or as one value for all; null or empty for the rest."""
    made = []
    for field in table:
        value = given.get(field.name)
        if isinstance(value, np.ndarray | pa.Array):
            made.append(pa.array(value, field.type) if isinstance(value, np.ndarray) else value.cast(field.type))
        else:
            empty: object = [] if pa.types.is_list(field.type) and not field.nullable else None
            made.append(pa.array([empty if value is None else value], field.type).take(pa.array(np.zeros(n_rows, int))))
    return pa.table(made, schema=table)


def names(n: int) -> np.ndarray:
    return np.array([f"acct-{number:08d}" for number in range(n)], dtype=object)


def slices(accounts: np.ndarray, rng: np.random.Generator) -> pa.Table:
    """A campaign of many pools: templates that all share, and clients and addresses of each pool."""
    n = accounts.size
    pool = rng.integers(0, 60, n)
    kinds = {
        "skeleton": rng.integers(0, 8, (n, 3)), "system": (pool % 5)[:, None], "ja4": 100 + (pool % 7)[:, None],
        "address": 1000 + (pool * 50 + rng.integers(0, 50, n))[:, None],
    }  # fmt: skip
    parts = []
    for kind, tokens in kinds.items():
        holder = np.repeat(np.arange(n), tokens.shape[1])
        pairs = np.unique(np.column_stack([holder, tokens.ravel()]), axis=0)
        parts.append(
            columns(
                CAMPAIGN_MEMBERS.schema, len(pairs), run_id=RUN, campaign_id=CAMPAIGN, account_id=accounts[pairs[:, 0]],
                token_kind=kind, token=pairs[:, 1], n=rng.integers(3, 60, len(pairs)), first_seen_at=DAY,
                last_seen_at=DAY + timedelta(hours=20),
            )
        )  # fmt: skip
    return pa.concat_tables(parts)


def fill(workspace: Workspace, wanted: argparse.Namespace) -> None:
    """One day of traffic of every account, and one run that found one campaign among them."""
    rng = np.random.default_rng(wanted.seed)
    accounts = names(wanted.accounts)
    members = np.sort(rng.choice(accounts, wanted.members, replace=False))
    shared = {"day": DAY.date(), "n_errors": 0, "n_rate_limited": 0, "input_tokens": 1, "output_tokens": 1,
              "first_seen_at": DAY, "last_seen_at": DAY}  # fmt: skip
    rows = {
        DETECTION_RUNS: columns(
            DETECTION_RUNS.schema, 1, run_id=RUN, as_of=DAY + timedelta(days=1), window_start=DAY, by="account",
            engine="duckdb", alpha=1e-4, calibration_id="cal", n_accounts=wanted.accounts, n_exchanges=1, n_groups=1,
        ),
        CAMPAIGNS: columns(
            CAMPAIGNS.schema, 1, run_id=RUN, campaign_id=CAMPAIGN, tier="accuse", n_accounts=wanted.members,
            n_exchanges=1, input_tokens=1, output_tokens=1, first_seen_at=DAY, last_seen_at=DAY,
            nearest_lookalike="class", margin=1.0, score=9.0, baseline=1.0, p_value=1e-4, q_value=0.01,
            calibration="shipped", calibration_id="cal", best_group_id="g", n_groups=1,
        ),
        ACCOUNT_FINDINGS: columns(
            ACCOUNT_FINDINGS.schema, wanted.members, run_id=RUN, account_id=members, tier="accuse",
            campaign_id=CAMPAIGN, score=rng.normal(9, 1, wanted.members), p_value=1e-4, q_value=0.01,
            first_flagged_at=DAY, queue="enforcement", n_exchanges=40, n_flagged_exchanges=40,
        ),
        CAMPAIGN_MEMBERS: slices(members, rng),
    }  # fmt: skip
    with workspace.lake.write() as writer:
        for table, content in rows.items():
            writer.replace(table, RUN, content)
        days = columns(
            ACCOUNT_DAYS.schema, wanted.accounts, account_id=accounts, n=rng.integers(1, 500, wanted.accounts), **shared
        )
        writer.replace(ACCOUNT_DAYS, str(DAY.date()), days)
        use = columns(TOKEN_USES.schema, 1, account_id=accounts[0], token_kind="ja4", token=1, n=1, **shared)
        writer.replace(TOKEN_USES, str(DAY.date()), use)
        writer.commit()


class Caller:
    """One client of the server, over one connection."""

    def __init__(self, key: str) -> None:
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{PORT}", headers={"x-stillwatch-key": key}, timeout=PATIENCE_SECONDS
        )

    def wait(self) -> None:
        """Return when the server takes calls."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            try:
                if self._client.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise SystemExit("the server did not start")

    def seconds(self, path: str, accept: str = "application/json", **asked: object) -> tuple[float, httpx.Response]:
        """How long one call took, its body read."""
        began = time.perf_counter()
        answer = self._client.get(path, params={k: str(v) for k, v in asked.items()}, headers={"accept": accept})
        answer.raise_for_status()
        return time.perf_counter() - began, answer


def line(name: str, seconds: list[float]) -> None:
    p50, p99, most = (1000 * np.quantile(seconds, q) for q in (0.5, 0.99, 1.0))
    print(f"| {name} | {len(seconds)} | {p50:.0f} | {p99:.0f} | {most:.0f} |", flush=True)


def report(caller: Caller, wanted: argparse.Namespace) -> None:
    rng = np.random.default_rng(wanted.seed)
    first, answer = caller.seconds("/v1/accounts", limit=wanted.limit)
    assert answer.json()["total"] == wanted.accounts
    print("| pages | calls | p50 ms | p99 ms | most ms |\n|---|---|---|---|---|")
    line("the first of a run: all accounts are put in order", [first])
    ways: dict[str, Callable[[], dict[str, object]]] = {
        "anywhere": lambda: {"at": rng.integers(wanted.accounts)},
        "anywhere, in Arrow": lambda: {"at": rng.integers(wanted.accounts), "accept": ARROW},
        "anywhere among the accounts without a finding": lambda: {
            "at": rng.integers(wanted.accounts - wanted.members), "tier": "none",
        },
        "anywhere, most exchanges first": lambda: {"at": rng.integers(wanted.accounts), "sort": "-n_exchanges"},
    }  # fmt: skip
    for name, asked in ways.items():
        if "first" in name:
            line(f"{name}: the order is made", [caller.seconds("/v1/accounts", limit=wanted.limit, **asked())[0]])
        line(name, [caller.seconds("/v1/accounts", limit=wanted.limit, **asked())[0] for _ in range(wanted.pages)])
    line("the next by cursor, from anywhere", list(followed(caller, rng, wanted)))
    graph = f"/v1/campaigns/{CAMPAIGN}/graph"
    laid, answer = caller.seconds(graph, level="accounts")
    assert answer.json()["accounts_shown"] == answer.json()["accounts_total"] == wanted.members
    line(f"graph of {wanted.members:,} accounts: laid out", [laid])
    for accept, name in (("application/json", "JSON"), (ARROW, "Arrow, nodes")):
        line(f"the same graph again, {name}", [caller.seconds(graph, accept, level="accounts")[0] for _ in range(10)])
    line("its groups", [caller.seconds(graph, level="groups")[0] for _ in range(10)])


def followed(caller: Caller, rng: np.random.Generator, wanted: argparse.Namespace) -> list[float]:
    found = []
    for _ in range(wanted.pages):
        _, answer = caller.seconds("/v1/accounts", limit=wanted.limit, at=rng.integers(wanted.accounts - wanted.limit))
        following = answer.json()["next"]
        if following is not None:
            found.append(caller.seconds("/v1/accounts", limit=wanted.limit, cursor=following)[0])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--members", type=int, default=25_000)
    parser.add_argument("--pages", type=int, default=60)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, seed {wanted.seed}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workspace = Workspace.init(folder / "w", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
        fill(workspace, wanted)
        key = ApiKeys(workspace.state, workspace.keys).create(Role.ANALYST, name="bench", created_at=datetime.now(UTC))
        code = "from stillwatch.cli.app import script; script()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, "--quiet", "--workspace", str(workspace.path), "serve", "--port", str(PORT)],
            env=os.environ | dict(workspace.environ),
        )
        try:
            caller = Caller(key)
            caller.wait()
            report(caller, wanted)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
