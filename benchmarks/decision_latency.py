"""Latency of decisions over loopback, beside a route that does nothing, and while the snapshot is replaced. Markdown.

The load is open: requests start on a fixed schedule whether or not earlier ones were answered, and a latency counts
from the moment that its request should have started, so that a slow server cannot hide behind a slow client.

Run: python benchmarks/decision_latency.py [--rate 500] [--seconds 20] [--accounts 100000] [--campaigns 1000]
"""

import argparse
import asyncio
import gc
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

from stillwatch.model.decision import Action, Decision, Mode
from stillwatch.model.role import Role
from stillwatch.pipeline.response import SNAPSHOT_FILE
from stillwatch.response import Contents, build, signing_key, write
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.workspace import Workspace

PORT = 18722
TOKENS_PER_CAMPAIGN = 70
CONNECTIONS = 64
RELOAD_SECONDS = 3
PROMPT = "Please sort these numbers, explain every step and then say which algorithm you used and why: "
KINDS = ("skeleton", "system", "tools", "shingle", "ja4", "address", "prefix")


def contents(n_accounts: int, n_campaigns: int, seed: int) -> Contents:
    """Decisions about `n_accounts` accounts, and tokens of `n_campaigns` campaigns."""
    rng = np.random.default_rng(seed)
    now = datetime.now(UTC)
    actions = (Action.OBSERVE, Action.STEP_UP, Action.RATE_LIMIT, Action.SUSPEND)

    def decision(number: int, account_id: str | None, campaign: int) -> Decision:
        action = actions[number % len(actions)]
        return Decision(
            decision_id=f"d-{number}", account_id=account_id, campaign_id=f"c-{campaign}", action=action,
            mode=Mode.ENFORCE, rule="rule", reasons=("tier accuse",), decided_at=now,
            expires_at=now + timedelta(days=9),
            policy_digest="p", run_id="r", calibration_id="c", approved_by="a", second_by="b",
            min_token_kinds=0 if account_id else 2, pause_seconds=1.0 if action is Action.RATE_LIMIT else None,
        )  # fmt: skip

    known = [decision(n, f"acct-{n}", n % n_campaigns) for n in range(n_accounts)]
    unknown = [decision(n_accounts + n, None, n) for n in range(n_campaigns)]
    drawn = rng.integers(-(2**63), 2**63 - 1, (n_campaigns, TOKENS_PER_CAMPAIGN)).tolist()
    tokens = {
        (KINDS[at % len(KINDS)], token): f"c-{campaign}"
        for campaign, row in enumerate(drawn)
        for at, token in enumerate(row)
    }
    return Contents(decisions=(*known, *unknown), tokens=tokens, first_request_cap=1000)


def publish(workspace: Workspace, made: Contents, name: str = SNAPSHOT_FILE) -> None:
    now = datetime.now(UTC)
    body = build(made, created_at=now, expires_at=now + timedelta(days=1))
    write(workspace.path / name, body, signing_key(workspace.keys))


@dataclass
class Taken:
    """Seconds of each request from its scheduled start, and answers that were not 200."""

    seconds: list[float] = field(default_factory=list)
    n_failed: int = 0

    def row(self, name: str, cpu_seconds: float) -> str:
        """One line of the table."""
        p50, p99, p999 = (1000 * np.quantile(self.seconds, q) for q in (0.5, 0.99, 0.999))
        cpu = 1000 * cpu_seconds / len(self.seconds)
        return f"| {name} | {len(self.seconds):,} | {self.n_failed} | {p50:.2f} | {p99:.2f} | {p999:.2f} | {cpu:.2f} |"


async def load(requests: list[bytes], rate: float, seconds: float) -> Taken:
    """Send `requests` in turn at `rate` a second over kept connections."""
    gc.disable()  # a collection over the decisions that this process holds takes 200 ms, and would be the client's own
    taken = Taken()
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", PORT))

    async def send(raw: bytes, due: float) -> None:
        reader, writer = await free.get()
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        taken.seconds.append(time.perf_counter() - due)
        taken.n_failed += not head.startswith(b"HTTP/1.1 200")
        free.put_nowait((reader, writer))

    began = time.perf_counter() + 0.1
    tasks = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(send(requests[number % len(requests)], due)))
    await asyncio.gather(*tasks)
    while not free.empty():
        (await free.get())[1].close()
    return taken


def requests_of(key: str, n_accounts: int) -> tuple[list[bytes], list[bytes]]:
    """Decision requests (three of four about unknown accounts with a new prompt), and ones for the empty route."""

    def http(method: str, path: str, body: bytes) -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nx-stillwatch-key: {key}\r\ncontent-length: {len(body)}\r\n\r\n"
        return head.encode() + body

    asked = [
        {
            "account_id": f"acct-{number * 97 % n_accounts}" if number % 4 == 0 else f"new-{number}",
            "prompt": PROMPT * 3 + str(number),
            "system_instructions": "You are a careful assistant.",
            "tls_client_ja4": "t13d1516h2_8daaf6152771_b0da82dd1658",
            "client_address": f"10.0.{number % 256}.{number % 199}",
        }
        for number in range(4000)
    ]
    return [http("POST", "/v1/decision", msgspec.json.encode(body)) for body in asked], [http("GET", "/healthz", b"")]


def start(workspace: Workspace) -> subprocess.Popen[bytes]:
    code = "from stillwatch.cli.app import script; script()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "--quiet", "--workspace", str(workspace.path), "serve", "--port", str(PORT)],
        env=os.environ | dict(workspace.environ) | {"STILLWATCH_SERVE__DRAIN": "false"},
    )


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(rate: float, seconds: float, n_accounts: int, n_campaigns: int, folder: Path) -> None:
    workspace = Workspace.init(folder / "w", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
    shown = ApiKeys(workspace.state, workspace.keys).create(Role.INGEST, name="bench", created_at=datetime.now(UTC))
    made = contents(n_accounts, n_campaigns, seed=1)
    publish(workspace, made)
    process = start(workspace)
    try:
        decisions, nothing = requests_of(shown, n_accounts)
        wait_for_answer(decisions[:1])
        print("| route | requests | failed | p50 ms | p99 ms | p99.9 ms | server CPU ms a request |")
        print("|---|---|---|---|---|---|---|")
        asyncio.run(load(decisions, 100, 4))

        def line(name: str, requests: list[bytes]) -> str:
            before = cpu_seconds(process.pid)
            taken = asyncio.run(load(requests, rate, seconds))
            return taken.row(name, cpu_seconds(process.pid) - before)

        print(line("a route that does nothing", nothing))
        print(line("decision", decisions))
        names = [f"next-{number}" for number in range(int(seconds / RELOAD_SECONDS))]
        for name in names:  # beforehand: the load must not wait for what builds snapshots
            publish(workspace, made, name)

        def replace() -> None:
            for name in names:
                time.sleep(RELOAD_SECONDS)
                (workspace.path / name).replace(workspace.path / SNAPSHOT_FILE)

        replacing = threading.Thread(target=replace)
        replacing.start()
        print(line("decision, a new snapshot every 3 s", decisions))
        replacing.join()
    finally:
        process.terminate()
        process.wait()


def wait_for_answer(requests: list[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            if not asyncio.run(load(requests, 10, 1)).n_failed:
                return
        except (OSError, asyncio.IncompleteReadError):
            time.sleep(0.2)
    raise SystemExit("the server did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--campaigns", type=int, default=1000)
    wanted = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
          f"{wanted.rate:g} requests/s for {wanted.seconds:g} s, {wanted.accounts:,} accounts, "
          f"{wanted.campaigns:,} campaigns; load before: {os.getloadavg()[0]:.1f}\n")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        measure(wanted.rate, wanted.seconds, wanted.accounts, wanted.campaigns, Path(folder))


if __name__ == "__main__":
    main()
