"""A real nginx with the configuration that the documentation shows."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.api.served import PATIENCE_SECONDS
from tests.conftest import REPOSITORY
from tests.gateways.envoy import CALL, free_port, wait_for_port

EXAMPLE: Final = REPOSITORY / "examples" / "nginx.conf"
UNPACKED: Final = REPOSITORY / ".nginx" / "usr" / "sbin" / "nginx"
"""Where `.ci/nginx` unpacks Debian's package."""


def program() -> str:
    """nginx's executable; where there is none a skip, in CI a failure."""
    found = str(UNPACKED) if UNPACKED.exists() else shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        message = "nginx is not installed: run `.ci/nginx`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@dataclass
class Nginx:
    """A running nginx."""

    client: httpx.Client
    log: Path
    suspended: Path
    command: list[str]

    def ask(self, key: str | None, **headers: str) -> httpx.Response:
        """One call to the model with the key of an account."""
        own = {} if key is None else {"authorization": f"Bearer {key}"}
        return self.client.post("/v1/chat/completions", json=CALL, headers={**own, **headers})

    def logged(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def reload(self) -> None:
        """Have the list of suspended accounts read anew."""
        subprocess.run([*self.command, "-s", "reload"], check=True, capture_output=True)


@contextmanager
def nginx(folder: Path, *, model: int, stillwatch: int, key: str, fails_open: bool = True) -> Iterator[Nginx]:
    """nginx on the example's configuration with the ports, files and key of this test in it."""
    folder.mkdir()
    (folder / "suspended.map").touch()
    port = free_port()
    changes = {
        "http {": "http {\n" + "".join(f"{kind}_temp_path {folder / kind};\n" for kind in (
            "client_body", "proxy", "fastcgi", "uwsgi", "scgi")),
        "worker_processes auto;": "worker_processes 1; daemon off; pid nginx.pid; error_log error.log;",
        "listen 127.0.0.1:8080": f"listen 127.0.0.1:{port}",
        "http://127.0.0.1:8000": f"http://127.0.0.1:{model}",
        "server 127.0.0.1:8721": f"server 127.0.0.1:{stillwatch}",
        "STILLWATCH_KEY": key,
        "/etc/nginx/suspended.map": str(folder / "suspended.map"),
        "/var/log/nginx/calls.jsonl": str(folder / "calls.jsonl"),
        "proxy_connect_timeout 100ms": "proxy_connect_timeout 5s",  # a busy machine that runs tests
        "proxy_read_timeout 100ms": "proxy_read_timeout 5s",
    }  # fmt: skip
    if not fails_open:
        changes["error_page 500 502 503 504 = @unanswered;"] = ""
    text = EXAMPLE.read_text()
    for shown, own in changes.items():
        assert text.count(shown) == 1, shown
        text = text.replace(shown, own)
    (folder / "nginx.conf").write_text(text)
    command = [program(), "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client:
            yield Nginx(client, folder / "calls.jsonl", folder / "suspended.map", command)
    finally:
        process.terminate()
        process.wait()
