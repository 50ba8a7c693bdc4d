"""A real nginx asks a real server: who passes, who does not, and what happens when nobody answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import Popen

import httpx
import pytest

from stillwatch.model.role import Role
from stillwatch.response import Contents
from stillwatch.store.workspace import Workspace
from tests.api.served import make_keys, start_process, wait_until
from tests.api.test_gateways import ALL, NOW, publish
from tests.gateways.envoy import free_port, small_model
from tests.gateways.nginx import Nginx, nginx


@contextmanager
def asked(folder: Path) -> Iterator[tuple[Popen[bytes], int, str]]:
    """A server that nginx asks: its process, port and key."""
    with Workspace.init(folder / "w", environ={"STILLWATCH_KEYS": str(folder / "keys.json")}) as made:
        publish(made, Contents(decisions=ALL), at=NOW - timedelta(minutes=1))
        port, key = free_port(), make_keys(made)[Role.INGEST]
        process = start_process(made.path, port, dict(made.environ))
        try:
            yield process, port, key
        finally:
            process.kill()
            process.wait()


def n_bypassed(door: Nginx) -> int:
    """Calls that reached the model without a decision, by the access log."""
    return sum(entry["stillwatch.bypass"] == "true" and entry["response_code"] == 200 for entry in door.logged())


def statuses(door: Nginx, *keys: str) -> list[int]:
    return [door.ask(key).status_code for key in keys]


@pytest.fixture
def model() -> Iterator[int]:
    with small_model() as port:
        yield port


def test_nginx_serves_by_decision_and_by_its_own_list_while_nobody_answers(model: int, tmp_path: Path) -> None:
    with asked(tmp_path) as (process, port, key):
        reached = {"model": model, "stillwatch": port, "key": key}
        with (
            nginx(tmp_path / "open", **reached) as opened,
            nginx(tmp_path / "c", **reached, fails_open=False) as closed,
        ):
            forged = {"x-stillwatch-account": "good", "x-stillwatch-key": "forged", "x-forwarded-for": "203.0.113.9"}
            heard = opened.ask("sk-good", **forged).json()["headers"]
            assert (heard["x-stillwatch-account"], heard["x-stillwatch-action"]) == ("good", "allow")
            assert "203.0.113.9" not in str(heard)
            assert opened.ask("sk-bad", **forged).status_code == 403
            assert statuses(opened, "sk-slow", "sk-slow") == [200, 403]
            assert opened.ask(None).status_code == 401
            listed = httpx.get(f"http://127.0.0.1:{port}/v1/suspended?gateway=nginx", headers={"x-stillwatch-key": key})
            opened.suspended.write_bytes(listed.content)
            opened.reload()
            assert n_bypassed(opened) == 0
            process.kill()
            process.wait()
            told: list[int] = []  # a worker of before the reload may let a call or two pass

            def is_refused() -> bool:
                told.extend(statuses(opened, "sk-bad"))
                return told[-1] == 403

            wait_until(is_refused)
            assert statuses(opened, "sk-good", "sk-bad", "sk-slow") == [200, 403, 200]
            assert statuses(closed, "sk-good", "sk-bad") == [500, 500]
            wait_until(lambda: n_bypassed(opened) == told.count(200) + 2)
