"""A real LiteLLM proxy, in an environment of its own, with the configuration that the documentation shows."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.conftest import REPOSITORY
from tests.gateways.envoy import CALL, free_port

ENVIRONMENT: Final = "STILLWATCH_TEST_LITELLM"
"""Names the folder of a virtual environment with LiteLLM; without it `.venv-gateways`, which `make gateways` makes."""
SECOND_MODEL: Final = """model_list:
  - model_name: m-2
    litellm_params: {{model: openai/m-2, api_key: sk-none, api_base: "http://127.0.0.1:{}/v1"}}"""
START_SECONDS: Final = 900.0
"""LiteLLM imports for half a minute of processor time, of which a busy machine gives it little."""


def program() -> Path:
    """LiteLLM's executable; where it is not installed a skip, in CI a failure."""
    found = Path(os.environ.get(ENVIRONMENT) or REPOSITORY / ".venv-gateways") / "bin" / "litellm"
    if not found.exists():
        message = "LiteLLM is not installed: run `make gateways`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


class Proxy:
    """A running LiteLLM."""

    def __init__(self, client: httpx.Client, folder: Path) -> None:
        self.client = client
        self.log = folder / "litellm.log"

    def ask(self, account: str, call: object = CALL, **headers: str) -> httpx.Response:
        own = {"authorization": f"Bearer sk-{account}", **headers}
        return self.client.post("/v1/chat/completions", json=call, headers=own)


@contextmanager
def litellm(
    folder: Path, *, stillwatch: int, key: str, callback: str, fallback: str = "fail_open", model: int = 9
) -> Iterator[Proxy]:
    """LiteLLM on the example's configuration, with this test's port in it and no way out but the loopback address.

    Beside the example's model that says one thing it has `m-2`, which answers on the port `model`.
    """
    folder.mkdir()
    text = (REPOSITORY / "examples" / "litellm.yaml").read_text()
    changes = {
        "http://127.0.0.1:8721": f"http://127.0.0.1:{stillwatch}",
        "unreachable_fallback: fail_open": f"unreachable_fallback: {fallback}",
        "callbacks: litellm_stillwatch.logger": f"callbacks: {callback}",
        "model_list:": SECOND_MODEL.format(model),
    }
    for shown, own in changes.items():
        assert text.count(shown) == 1, shown
        text = text.replace(shown, own)
    (folder / "litellm.yaml").write_text(text)
    own = [Path(__file__).with_name(name) for name in ("litellm_accounts.py", "litellm_replay.py")]
    for helper in (REPOSITORY / "examples" / "litellm_stillwatch.py", *own):
        (folder / helper.name).write_bytes(helper.read_bytes())
    port = free_port()
    command = [program(), "--config", "litellm.yaml", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "litellm.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=_environ(stillwatch, key), stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            _wait(client, process, folder)
            yield Proxy(client, folder)
    finally:
        process.terminate()
        process.wait()


def _environ(stillwatch: int, key: str) -> dict[str, str]:
    closed = "http://127.0.0.1:9"
    return {
        "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": ".",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": "sk-7f3e9b1c24d85a60c1e2f3a4b5d6e7f8091a2b3c4d5e",
        "STILLWATCH_URL": f"http://127.0.0.1:{stillwatch}", "STILLWATCH_KEY": key,
        "USE_OTEL_LITELLM_REQUEST_SPAN": "true",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{stillwatch}/v1/traces",
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-stillwatch-key={key}",
        "HTTPS_PROXY": closed, "HTTP_PROXY": closed, "NO_PROXY": "127.0.0.1,localhost",
    }  # fmt: skip


def _wait(client: httpx.Client, process: "subprocess.Popen[Any]", folder: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        said = (folder / "litellm.log").read_text(errors="replace")[-2000:]
        assert process.poll() is None, f"LiteLLM ended: {said}"
        try:
            if client.get("/health/liveliness").status_code == 200:
                return
        except httpx.TransportError:
            assert time.monotonic() < until, f"LiteLLM did not start: {said}"
        time.sleep(0.2)
