"""A real Envoy asks a real server: who passes, who does not, and what happens when nobody answers."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from stillwatch.config import Config, load_config
from stillwatch.model.role import Role
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.python_api import Stillwatch
from stillwatch.response import Contents, Gateway, refusals
from stillwatch.store.workspace import Workspace
from tests.api.served import make_keys, start_process, wait_until
from tests.api.test_gateways import ALL, NOW, publish
from tests.conftest import REPOSITORY
from tests.gateways.envoy import CALL, Envoy, envoy, free_port, small_model


@pytest.fixture(scope="module")
def model() -> Iterator[int]:
    with small_model() as port:
        yield port


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("gateway")
    with Workspace.init(folder / "w", environ={"STILLWATCH_KEYS": str(folder / "keys.json")}) as made:
        publish(made, Contents(decisions=ALL), at=NOW - timedelta(minutes=1))
        yield made


def environ(workspace: Workspace) -> dict[str, str]:
    """The server's environment, with the settings file that the documentation shows."""
    home = workspace.path.with_name("configuration")
    (home / "stillwatch").mkdir(parents=True, exist_ok=True)
    (home / "stillwatch" / "config.toml").write_text((REPOSITORY / "examples" / "stillwatch-envoy.toml").read_text())
    return {"STILLWATCH_KEYS": workspace.environ["STILLWATCH_KEYS"], "XDG_CONFIG_HOME": str(home)}


@pytest.fixture(scope="module")
def gateway(workspace: Workspace, model: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoy]:
    port = free_port()
    key = make_keys(workspace)[Role.INGEST]
    process = start_process(workspace.path, port, environ(workspace))
    try:
        with envoy(tmp_path_factory.mktemp("e") / "open", model=model, stillwatch=port, key=key) as running:
            yield running
    finally:
        process.terminate()
        process.wait()


def test_an_honest_account_passes_and_the_model_hears_what_the_gateway_knows(gateway: Envoy) -> None:
    answer = gateway.ask("sk-good")
    heard = answer.json()["headers"]
    assert answer.status_code == 200
    assert (heard["x-stillwatch-account"], heard["x-stillwatch-action"]) == ("good", "allow")
    assert heard["x-ja4"].startswith("t13")
    assert "authorization" not in heard
    assert "x-envoy-auth-failure-mode-allowed" not in heard


def test_a_suspended_account_is_stopped_with_a_sentence_and_a_reference(gateway: Envoy) -> None:
    answer = gateway.ask("sk-bad")
    assert answer.status_code == 403
    assert answer.json() == {"error": "this account is suspended (reference d-1)"}
    assert not any(name.startswith("x-stillwatch") for name in answer.headers)


def test_without_a_known_key_nobody_passes(gateway: Envoy) -> None:
    assert [gateway.ask(key).status_code for key in (None, "sk-none")] == [401, 401]


def test_a_limited_account_is_told_when_to_come_again(gateway: Envoy) -> None:
    first, second = gateway.ask("sk-slow"), gateway.ask("sk-slow")
    assert (first.status_code, second.status_code) == (200, 429)
    assert 3500 < int(second.headers["retry-after"]) <= 3601


def test_what_a_client_forges_is_overwritten_or_removed(gateway: Envoy) -> None:
    forged = {
        "x-stillwatch-account": "good", "x-ja4": "t13d1516h2_forged", "x-forwarded-for": "203.0.113.9",
        "x-edge-address": "203.0.113.9", "x-stillwatch-action": "forged", "x-envoy-auth-failure-mode-allowed": "true",
        "x-real-ip": "203.0.113.9",
    }  # fmt: skip
    assert gateway.ask("sk-bad", **forged).status_code == 403
    heard = gateway.ask("sk-good", **{**forged, "x-stillwatch-account": "bad"}).json()["headers"]
    plain = gateway.ask("sk-good").json()["headers"]
    assert heard["x-ja4"] == plain["x-ja4"]
    assert heard["x-edge-address"] == "127.0.0.1"
    assert (heard["x-stillwatch-account"], heard["x-stillwatch-action"]) == ("good", "allow")
    assert "x-envoy-auth-failure-mode-allowed" not in heard
    assert "203.0.113.9" not in heard.get("x-forwarded-for", "")


@pytest.mark.parametrize("path", ["/v1//chat/completions", "/v1/./chat/completions", "/v1/chat/x/../completions"])
def test_a_path_is_tidied_before_it_is_judged(gateway: Envoy, path: str) -> None:
    headers = {"authorization": "Bearer sk-bad"}
    assert gateway.client.post(path, json=CALL, headers=headers).status_code == 403
    escaped = gateway.client.post("/v1%2fchat/completions", json=CALL, headers=headers)
    assert escaped.status_code == 400


def test_a_stream_passes_piece_by_piece(gateway: Envoy) -> None:
    call = {**CALL, "stream": True}
    with gateway.client.stream(
        "POST", "/v1/chat/completions", json=call, headers={"authorization": "Bearer sk-good"}
    ) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert lines == [f"data: {number}" for number in range(20)]


def test_a_request_with_tools_passes_unchanged(gateway: Envoy) -> None:
    tools = [{"type": "function", "function": {"name": "read_file", "parameters": {"type": "object"}}}]
    assert gateway.ask("sk-good", {**CALL, "tools": tools}).json()["tools"] == tools


def test_a_body_larger_than_what_is_judged_passes_whole_and_is_still_stopped_by_account(gateway: Envoy) -> None:
    call = {**CALL, "messages": [{"role": "user", "content": "x" * 900_000}]}
    passed = gateway.ask("sk-good", call)
    assert (passed.status_code, passed.json()["n_bytes"] > 900_000) == (200, True)
    assert gateway.ask("sk-bad", call).status_code == 403


def test_the_access_log_of_the_run_is_ingested(gateway: Envoy, tmp_path: Path) -> None:
    gateway.ask("sk-good")
    gateway.ask("sk-bad")
    wait_until(lambda: {entry["stillwatch.account"] for entry in gateway.logged()} >= {"good", "bad"})
    with Workspace.init(tmp_path / "w", environ={"STILLWATCH_KEYS": str(tmp_path / "keys.json")}) as made:
        (report,) = Stillwatch(made, Config()).ingest([gateway.access_log], source="envoy")
        files = made.lake.snapshot().files(EXCHANGE_RECORDS)
        rows = [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]
    assert (report.rejected, report.rows_out) == (0, len(rows))
    by_account = {row["account_id"]: row for row in rows}
    good, bad = by_account["good"], by_account["bad"]
    assert (good["status"], bad["status"], bad["http_status_code"]) == ("ok", "blocked", 403)
    assert good["tls_client_ja4"].startswith("t13")
    assert len({row["client_address"] for row in rows}) == 1, "what X-Forwarded-For says was believed"
    assert good["request_model"] == "m-1"


def test_when_the_server_is_killed_who_was_suspended_stays_out_and_the_door_is_open_or_closed(
    model: int, tmp_path: Path
) -> None:
    own = Workspace.init(tmp_path / "w", environ={"STILLWATCH_KEYS": str(tmp_path / "keys.json")})
    with own:
        publish(own, Contents(decisions=ALL), at=NOW - timedelta(minutes=1))
        port, key = free_port(), make_keys(own)[Role.INGEST]
        process = start_process(own.path, port, environ(own))
        reached = {"model": model, "stillwatch": port, "key": key}
        with (
            envoy(tmp_path / "open", **reached) as opened,
            envoy(tmp_path / "closed", **reached, fails_open=False) as closed,
        ):
            alive = [(door.ask("sk-good").status_code, door.ask("sk-bad").status_code) for door in (opened, closed)]
            listed = httpx.get(f"http://127.0.0.1:{port}/v1/suspended?gateway=envoy", headers={"x-stillwatch-key": key})
            opened.suspend(listed.content)
            process.kill()
            process.wait()
            wait_until(lambda: opened.ask("sk-bad").status_code == 403)
            passed = opened.ask("sk-good")
            wait_until(lambda: n_bypassed(opened) > 0)
            n_before = n_bypassed(opened)
            assert [opened.ask(key).status_code for key in ("sk-good", "sk-bad", "sk-slow")] == [200, 403, 200]
            assert [closed.ask(key).status_code for key in ("sk-good", "sk-bad")] == [503, 503]
            assert alive == [(200, 403), (200, 403)]
            assert passed.json()["headers"]["x-envoy-auth-failure-mode-allowed"] == "true"
            assert opened.ask("sk-none").status_code == 401
            wait_until(lambda: n_bypassed(opened) == n_before + 2)
            assert n_bypassed(closed) == 0


def n_bypassed(door: Envoy) -> int:
    """Calls that reached the model without a decision, by the access log."""
    return sum(entry["stillwatch.bypass"] == "true" and entry["response_code"] == 200 for entry in door.logged())


def test_while_the_server_answers_the_list_is_not_looked_at(gateway: Envoy) -> None:
    gateway.suspend(refusals(["good"], Gateway.ENVOY, account_header="x-stillwatch-account"))
    time.sleep(0.5)
    assert gateway.ask("sk-good").status_code == 200
    gateway.suspend(refusals([], Gateway.ENVOY, account_header="x-stillwatch-account"))


def test_the_settings_file_of_the_example_is_understood() -> None:
    gateway = load_config(REPOSITORY / "examples" / "stillwatch-envoy.toml", environ={}).config.serve.gateway
    assert gateway.account_headers == ("x-stillwatch-account",)
