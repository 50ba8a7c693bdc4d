"""Spans a second that the receiver acknowledges, and that the drain ingests behind it. Prints Markdown.

Run: python benchmarks/receiver_rate.py [--seconds 20] [--spans-per-request 100] [--senders 8] [--rate 0] [--profile]
"""

import argparse
import asyncio
import cProfile
import os
import platform
import pstats
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from stillwatch.api.drain import drain
from stillwatch.config import Config
from stillwatch.model.role import Role
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.python_api import Stillwatch
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.workspace import Workspace

PORT = 18723
START_NS = 1_790_000_000_000_000_000
PROFILED_FILES = 5
REQUESTS_A_FILE = 100
PROMPT = '[{"role":"user","parts":[{"type":"text","content":"Explain task %d step by step, then grade the answer."}]}]'


def request(n_spans: int, seed: int) -> bytes:
    """An export request of model calls with a short prompt each; every span has an id of its own."""
    rng = np.random.default_rng(seed)
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    for number in range(n_spans):
        span = scope.spans.add()
        span.trace_id, span.span_id = rng.bytes(16), rng.bytes(8)
        span.start_time_unix_nano = START_NS + seed * 1000 + number
        span.end_time_unix_nano = span.start_time_unix_nano + 10**9
        said = {
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "user.id": f"acct-{rng.integers(25_000)}",
            "gen_ai.response.id": f"r-{seed}-{number}", "gen_ai.input.messages": PROMPT % rng.integers(10**6),
        }  # fmt: skip
        span.attributes.extend(KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in said.items())
        span.attributes.append(KeyValue(key="gen_ai.usage.input_tokens", value=AnyValue(int_value=120)))
    return message.SerializeToString()


class Sender:
    """Posts prepared requests over one connection until the time is over, at most `pause` seconds apart."""

    def __init__(self, bodies: list[bytes], key: str) -> None:
        self._bodies = bodies
        self._key = key
        self.n_taken = self.n_turned_away = 0
        self.seconds: list[float] = []

    async def run(self, until: float, pause: float) -> None:
        """Send until `until` on the monotonic clock."""
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        due = time.monotonic()
        while self._bodies and time.monotonic() < until:
            body = self._bodies.pop()
            head = (
                f"POST /v1/traces HTTP/1.1\r\nhost: x\r\nx-stillwatch-key: {self._key}\r\n"
                f"content-type: application/x-protobuf\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            began = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            self.seconds.append(time.perf_counter() - began)
            if answer.startswith(b"HTTP/1.1 200"):
                self.n_taken += 1
            else:
                self.n_turned_away += 1
                self._bodies.append(body)
                await asyncio.sleep(0.2)
            due += pause
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        writer.close()


def n_stored(workspace: Workspace) -> int:
    return workspace.lake.snapshot().n_rows(EXCHANGE_RECORDS)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drains_of(pid: int) -> list[int]:
    """The processes that a server started: its drain."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def measure(wanted: argparse.Namespace, folder: Path) -> None:
    workspace = Workspace.init(folder / "w", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
    key = ApiKeys(workspace.state, workspace.keys).create(Role.INGEST, name="bench", created_at=datetime.now(UTC))
    n_requests = int((wanted.rate or 20_000) * wanted.seconds / wanted.spans_per_request)
    first, *bodies = [request(wanted.spans_per_request, seed) for seed in range(n_requests + 1)]
    code = "from stillwatch.cli.app import script; script()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--quiet", "--workspace", str(workspace.path), "serve", "--port", str(PORT)],
        env=os.environ | dict(workspace.environ),
    )
    try:
        warm(workspace, Sender([first], key), wanted.spans_per_request)
        drains = drains_of(process.pid)
        server_before, drain_before = cpu_seconds(process.pid), sum(map(cpu_seconds, drains))
        senders = asyncio.run(run(bodies, key, wanted))
        server_used = cpu_seconds(process.pid) - server_before
        n_taken = sum(sender.n_taken for sender in senders) * wanted.spans_per_request
        n_meanwhile = n_stored(workspace) - wanted.spans_per_request
        began = time.monotonic()
        while n_stored(workspace) < n_taken + wanted.spans_per_request:
            time.sleep(0.2)
        report(senders, wanted, n_taken, n_meanwhile, time.monotonic() - began)
        drain_used = sum(map(cpu_seconds, drains)) - drain_before
        print(f"| server CPU, microseconds a span acknowledged | {1e6 * server_used / n_taken:.0f} |")
        print(f"| drain CPU, microseconds a span ingested | {1e6 * drain_used / n_taken:.0f} |")
    finally:
        process.terminate()
        process.wait()


def warm(workspace: Workspace, sender: Sender, n_spans: int) -> None:
    """Wait until the server takes a request and the drain, which compiles at first, has ingested it."""
    while sender.n_taken == 0:
        try:
            asyncio.run(sender.run(time.monotonic() + 60, 0.0))
        except (OSError, asyncio.IncompleteReadError):
            time.sleep(0.2)
    while n_stored(workspace) < n_spans:
        time.sleep(0.2)


async def run(bodies: list[bytes], key: str, wanted: argparse.Namespace) -> list[Sender]:
    pause = wanted.spans_per_request * wanted.senders / wanted.rate if wanted.rate else 0.0
    until = time.monotonic() + wanted.seconds
    senders = [Sender(bodies, key) for _ in range(wanted.senders)]
    await asyncio.gather(*(sender.run(until, pause) for sender in senders))
    return senders


def profile(wanted: argparse.Namespace, folder: Path) -> None:
    """Where the drain's time goes: what takes most of it, callees not counted."""
    workspace = Workspace.init(folder / "p", environ={"STILLWATCH_KEYS": str(folder / "keys-p.json")})
    spool = folder / "spool"
    spool.mkdir()
    for number in range(PROFILED_FILES + 1):
        bodies = [request(wanted.spans_per_request, number * REQUESTS_A_FILE + n) for n in range(REQUESTS_A_FILE)]
        (spool / f"{number:020}-000001.pb").write_bytes(b"".join(bodies))
    watch = Stillwatch(workspace, Config())
    watch.ingest([min(spool.iterdir())], source="otlp")  # compiles
    profiler = cProfile.Profile()
    profiler.enable()
    list(drain(watch, spool))
    profiler.disable()
    found = pstats.Stats(profiler).sort_stats("tottime")
    total = found.total_tt
    print("\n| where the drain's time goes | share |\n|---|---|")
    for place in found.fcn_list[:12]:
        file, _line, name = place
        own = found.stats[place][2]
        print(f"| {Path(file).stem if file != '~' else ''} {name} | {own / total:.1%} |")


def report(senders: list[Sender], wanted: argparse.Namespace, n_taken: int, n_meanwhile: int, behind: float) -> None:
    seconds = [second for sender in senders for second in sender.seconds]
    p50, p99 = (1000 * np.quantile(seconds, q) for q in (0.5, 0.99))
    print("| measure | value |")
    print("|---|---|")
    print(f"| acknowledged spans a second | {n_taken / wanted.seconds:,.0f} |")
    print(f"| requests turned away with 429 | {sum(sender.n_turned_away for sender in senders):,} |")
    print(f"| time to the acknowledgement, p50 / p99 | {p50:.1f} / {p99:.1f} ms |")
    print(f"| ingested a second while they came in | {n_meanwhile / wanted.seconds:,.0f} |")
    print(f"| seconds until all {n_taken:,} were in the lake | {behind:.1f} |")
    print(f"| ingested a second after they came in | {(n_taken - n_meanwhile) / max(behind, 1e-9):,.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--spans-per-request", type=int, default=100)
    parser.add_argument("--senders", type=int, default=8)
    parser.add_argument("--rate", type=float, default=0, help="spans a second offered; 0: as fast as they are taken")
    parser.add_argument("--profile", action="store_true", help="also where the drain's time goes")
    wanted = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
          f"load before: {os.getloadavg()[0]:.1f}; {vars(wanted)}\n")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        measure(wanted, Path(folder))
        if wanted.profile:
            profile(wanted, Path(folder))


if __name__ == "__main__":
    main()
