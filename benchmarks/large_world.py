"""A server over one day of many accounts, in which one run found one large campaign: what benchmarks call over HTTP."""

import argparse
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa

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


@dataclass(frozen=True)
class Served:
    """A running server and the key of an analyst."""

    url: str
    key: str
    pid: int

    def cpu_seconds(self) -> float:
        """Processor time that the server has used (Linux): what a request costs whatever else the machine does."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Caller:
    """One client of the server, over one connection."""

    def __init__(self, served: Served) -> None:
        self._client = httpx.Client(
            base_url=served.url, headers={"x-stillwatch-key": served.key}, timeout=PATIENCE_SECONDS
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


def asked(about: str | None, accounts: int, **more: int) -> argparse.Namespace:
    """What the command line says of the world's size and seed, and of further whole numbers."""
    parser = argparse.ArgumentParser(description=about)
    for name, value in ({"accounts": accounts, "members": 25_000, "seed": 1} | more).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


@contextmanager
def serving(wanted: argparse.Namespace) -> Iterator[Served]:
    """The server, over a new workspace, until the block ends; prints the machine that it runs on."""
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}, {platform.machine()}, "
        f"Python {platform.python_version()}, seed {wanted.seed}\n"
    )
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        folder = Path(name)
        workspace = Workspace.init(folder / "w", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
        fill(workspace, wanted)
        key = ApiKeys(workspace.state, workspace.keys).create(Role.ANALYST, name="bench", created_at=datetime.now(UTC))
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        code = "from stillwatch.cli.app import script; script()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, "--quiet", "--workspace", str(workspace.path), "serve", "--port", str(port)],
            env=os.environ | dict(workspace.environ),
        )
        try:
            served = Served(f"http://127.0.0.1:{port}", key, process.pid)
            Caller(served).wait()
            yield served
        finally:
            process.terminate()
            process.wait()
