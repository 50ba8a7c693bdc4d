"""A real server on the loopback address: in a thread of the test, or in a process of its own that can be killed."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import uvicorn

from stillwatch.api.app import create_app
from stillwatch.api.server import configured
from stillwatch.config import Config, ServeSettings, StateSettings
from stillwatch.engines import Settings as EngineSettings
from stillwatch.model.role import Role
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.workspace import Workspace

PATIENCE_SECONDS = 120.0
"""How long a test waits for what has to come; a busy machine may give a process a twentieth of its time."""
START_SECONDS = 600.0
"""The same for a process that imports and compiles first."""


@dataclass
class Served:
    """A running server, and a client for each role."""

    workspace: Workspace
    keys: dict[Role, str]
    url: str
    clients: dict[Role | None, httpx.Client] = field(default_factory=dict)

    def __getitem__(self, role: Role | None) -> httpx.Client:
        if role not in self.clients:
            headers = {} if role is None else {"x-stillwatch-key": self.keys[role]}
            self.clients[role] = httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_SECONDS)
        return self.clients[role]

    def figure(self, line: str) -> float:
        """The value of one line of the metrics; 0 when it is not there."""
        for found in self[Role.ADMIN].get("/metrics").text.splitlines():
            if found.startswith(f"{line} "):
                return float(found.rpartition(" ")[2])
        return 0.0


def make_keys(workspace: Workspace) -> dict[Role, str]:
    store = ApiKeys(workspace.state, workspace.keys)
    return {role: store.create(role, name=f"test {role}", created_at=datetime.now(UTC)) for role in Role}


def settings(*, state_url: str = "", **changes: object) -> Config:
    serve = msgspec.structs.replace(ServeSettings(port=0, refresh_seconds=0.1, drain_seconds=0.1), **changes)
    spool = msgspec.structs.replace(serve.spool, seal_seconds=0.2, free_bytes=0)
    if "spool" not in changes:
        serve = msgspec.structs.replace(serve, spool=spool)
    engines = EngineSettings(memory_limit="500MB", threads=1)
    return Config(state=StateSettings(state_url), engines=engines, serve=serve)


@contextmanager
def serving(workspace: Workspace, config: Config) -> Iterator[Served]:
    """The application in a thread, over uvicorn as `stillwatch serve` sets it up."""
    keys = make_keys(workspace)
    app = create_app(workspace, config)
    server = uvicorn.Server(configured(app, config.serve))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    wait_until(lambda: server.started and server.servers[0].sockets)
    port = server.servers[0].sockets[0].getsockname()[1]
    served = Served(workspace, keys, f"http://127.0.0.1:{port}")
    try:
        yield served
    finally:
        for client in served.clients.values():
            client.close()
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)


def wait_until(claim: object, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until `claim()` is true; fail after so many seconds."""
    assert callable(claim)
    until = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < until, "what was waited for did not come"
        time.sleep(0.02)


def start_process(workspace: Path, port: int, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    """`stillwatch serve` as a process; returns when it takes calls. Its log is beside the workspace."""
    log = workspace.with_name("server.log")
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", "from stillwatch.cli.app import script; script()", "--workspace", str(workspace),
             "serve", "--port", str(port)],
            env=os.environ | environ, stderr=stderr,
        )  # fmt: skip
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200:
                return process
        except httpx.TransportError:
            time.sleep(0.02)
    process.kill()
    process.wait()
    raise AssertionError(f"the server did not start: {log.read_text()}")


def spans(*span_ids: int, model: str = "m-1", at: int = 1_777_000_000_000_000_000) -> dict[str, object]:
    """An export request in OTLP/JSON with one model call for each id, by the account `acct-<id>`."""
    return {
        "resourceSpans": [
            {"scopeSpans": [{"scope": {"name": "tests"}, "spans": [_span(span_id, model, at) for span_id in span_ids]}]}
        ]
    }


def _span(span_id: int, model: str, at: int) -> dict[str, object]:
    return {
        "traceId": f"{span_id + 1:032x}", "spanId": f"{span_id + 1:016x}", "name": "chat",
        "startTimeUnixNano": str(at + span_id), "endTimeUnixNano": str(at + span_id + 1000),
        "attributes": [
            {"key": "gen_ai.request.model", "value": {"stringValue": model}},
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "user.id", "value": {"stringValue": f"acct-{span_id}"}},
        ],
    }  # fmt: skip


def as_protobuf(document: dict[str, object]) -> bytes:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from tests.sources.protobuf import message_of

    return message_of(json.loads(json.dumps(document)), ExportTraceServiceRequest)
