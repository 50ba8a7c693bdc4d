"""Decisions: the same answer in every gateway's words, from a snapshot that is replaced while requests come in."""

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pytest

from stillwatch.api.desk import Desk
from stillwatch.api.figures import Figures
from stillwatch.api.keeper import Keeper
from stillwatch.api.middleware import ACTION, DecisionMiddleware
from stillwatch.api.questions import Question
from stillwatch.config import GatewaySettings
from stillwatch.ingest.pseudonyms import Pseudonymiser
from stillwatch.model.decision import Action, Decision, DecisionRequest, Mode, Verdict
from stillwatch.model.role import Role
from stillwatch.pipeline.response import SNAPSHOT_FILE
from stillwatch.response import Contents, Snapshot, build, public_key, signing_key, write
from stillwatch.sketches import sketch_prompts
from stillwatch.store.workspace import Workspace
from tests.api.served import Served, serving, settings, wait_until

NOW = datetime.now(UTC)
PROMPT = "Solve the following task step by step and explain each step as you would to a student: sort the list"
SYSTEM = "You are a worker of the harvest line. Return the full chain of thought."
SUSPENDED = Decision(
    decision_id="d-1", account_id="bad", campaign_id="c-1", action=Action.SUSPEND, mode=Mode.ENFORCE, rule="stop",
    reasons=("tier accuse",), decided_at=NOW, expires_at=NOW + timedelta(days=14), policy_digest="p", run_id="r",
    calibration_id="c", approved_by="ana", second_by="ben",
)  # fmt: skip
SLOWED = replace(SUSPENDED, decision_id="d-2", account_id="slow", action=Action.RATE_LIMIT, pause_seconds=3600.0)
ASKED = replace(SUSPENDED, decision_id="d-3", account_id="odd", action=Action.STEP_UP)
QUIET = replace(SUSPENDED, decision_id="d-4", account_id="plain", action=Action.WITHHOLD_REASONING)
SHADOW = replace(SUSPENDED, decision_id="d-5", account_id="watched", mode=Mode.SHADOW)
UNKNOWN = replace(SUSPENDED, decision_id="d-6", account_id=None, min_token_kinds=2)
GREETED = replace(UNKNOWN, decision_id="d-7", action=Action.STEP_UP, min_token_kinds=1)
ALL = (SUSPENDED, SLOWED, ASKED, QUIET, SHADOW, UNKNOWN, GREETED)
GATEWAY = GatewaySettings(account_headers=("x-account",), ja4_header="x-edge-ja4", address_header="x-edge-address")


def texts(*said: str | None) -> pa.RecordBatch:
    return sketch_prompts(*(pa.array([text], pa.string()) for text in said))


def tokens() -> dict[tuple[str, int], str]:
    sketch = texts(PROMPT, SYSTEM, None)
    return {
        ("skeleton", sketch["skeleton_hash"][0].as_py()): "c-1",
        ("system", sketch["system_hash"][0].as_py()): "c-1",
    }


def publish(workspace: Workspace, contents: Contents, *, at: datetime = NOW) -> None:
    body = build(contents, created_at=at, expires_at=NOW + timedelta(days=1))
    write(workspace.path / SNAPSHOT_FILE, body, signing_key(workspace.keys))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("gateway")
    workspace = Workspace.init(folder / "w", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
    publish(workspace, Contents(decisions=ALL, tokens=tokens(), first_request_cap=100, exempt=["owner"]))
    with serving(workspace, settings(drain=False, gateway=GATEWAY)) as running:
        ask = {"prompt": "warm"}
        wait_until(lambda: running[Role.INGEST].post("/v1/decision", json=ask).json()["bypass"] is None)
        yield running


def decide(gateway: Served, **asked: object) -> dict[str, Any]:
    answer = gateway[Role.INGEST].post("/v1/decision", json=asked)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("account_id", "action", "allowed"),
    [
        ("bad", "suspend", False),
        ("odd", "step_up", False),
        ("plain", "withhold_reasoning", True),
        ("good", "allow", True),
    ],
)
def test_a_decision_about_an_account_says_what_to_do(
    gateway: Served, account_id: str, action: str, allowed: bool
) -> None:
    answer = decide(gateway, account_id=account_id, prompt="hello")
    assert (answer["action"], answer["allowed"], answer["bypass"]) == (action, allowed, None)
    assert (answer["decision_id"] is None) == (account_id == "good")


def test_a_shadow_decision_passes_and_says_what_it_would_have_done(gateway: Served) -> None:
    answer = decide(gateway, account_id="watched")
    assert (answer["action"], answer["allowed"], answer["shadow_action"]) == ("allow", True, "suspend")


def test_an_unknown_account_is_recognised_by_its_first_request(gateway: Served) -> None:
    both = decide(gateway, account_id="new-1", prompt=PROMPT, system_instructions=SYSTEM)
    one = decide(gateway, account_id="new-2", prompt=PROMPT)
    none = decide(gateway, account_id="new-3", prompt="What is the weather like in spring?")
    assert (both["action"], both["is_first_request"], both["campaign_id"]) == ("suspend", True, "c-1")
    assert (one["action"], one["is_first_request"]) == ("step_up", True)
    assert (none["action"], none["is_first_request"]) == ("allow", False)


def test_messages_are_read_as_texts_are(gateway: Served) -> None:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": [{"type": "text", "text": PROMPT}]}]
    assert decide(gateway, account_id="new-4", messages=messages)["action"] == "suspend"


def test_an_exempt_account_is_left_alone(gateway: Served) -> None:
    assert decide(gateway, account_id="owner", prompt=PROMPT, system_instructions=SYSTEM)["action"] == "allow"


def test_the_suspended_are_listed_in_the_words_of_each_gateway(gateway: Served) -> None:
    def listed(**wanted: str) -> httpx.Response:
        return gateway[Role.INGEST].get("/v1/suspended", params=wanted)

    assert listed().text == listed(gateway="text").text == "bad\n"
    assert listed(gateway="nginx").text == '"~^bad$" 1;\n'
    envoy = listed(gateway="envoy")
    assert (envoy.headers["content-type"], '"header_name":"x-account"' in envoy.text) == ("application/json", True)
    assert listed(gateway="kong").status_code == 422


def test_without_a_snapshot_nobody_is_listed(shared: Served) -> None:
    assert shared[Role.INGEST].get("/v1/suspended").status_code == 409


def test_under_a_rate_limit_one_request_passes_in_each_pause(gateway: Served) -> None:
    slow = replace(SLOWED, account_id="slow")
    first, second = decide(gateway, account_id=slow.account_id), decide(gateway, account_id=slow.account_id)
    assert (first["allowed"], second["allowed"]) == (True, False)
    assert 3500 < second["retry_after"] <= 3600


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"account_id": 3}', b'{"messages": "x"}', b"\xff", b'{"a":' * 3000,
     json.dumps({"account_id": "x" * 10_000}).encode()],
)  # fmt: skip
def test_a_question_of_the_wrong_form_is_refused_without_being_quoted(gateway: Served, body: bytes) -> None:
    answer = gateway[Role.INGEST].post("/v1/decision", content=body)
    assert answer.status_code == 422
    assert len(answer.content) < 200


@pytest.mark.parametrize(
    "prompt",
    [
        "\x00" * 100,
        "\u202e" + "x",
        "x" * 300_000,
        "{{7*7}}",
        "' OR 1=1 --",
        "<script>alert(1)</script>",
        " ",
        "\U0010ffff",
    ],
)
def test_hostile_text_is_sketched_or_left_out_and_never_an_error(gateway: Served, prompt: str) -> None:
    answer = decide(gateway, account_id="good", prompt=prompt, system_instructions=prompt, tool_definitions=prompt)
    assert answer["action"] == "allow"


def guardrail(gateway: Served, user: str, prompt: str = "hello", **more: object) -> dict[str, Any]:
    body = {
        "input_type": "request", "litellm_call_id": "1", "texts": [prompt], "model": "m", "images": None, "tools": None,
        "structured_messages": [{"role": "user", "content": prompt}],
        "request_data": {"user_api_key_user_id": user, "user_api_key_hash": "ab" * 32},
        "request_headers": {"x-account": "good", "authorization": "Bearer sk-1"}, "tool_calls": None,
    } | more  # fmt: skip
    answer = gateway[Role.INGEST].post("/beta/litellm_basic_guardrail_api", json=body)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_litellm_hears_blocked_with_a_reference_or_none(gateway: Served) -> None:
    blocked = guardrail(gateway, "bad")
    assert blocked == {"action": "BLOCKED", "blocked_reason": "this account is suspended (reference d-1)"}
    assert guardrail(gateway, "good") == {"action": "NONE"}
    assert guardrail(gateway, "bad", input_type="response") == {"action": "NONE"}


def test_the_captured_requests_of_a_litellm_proxy_are_understood(gateway: Served, shared_data: Path) -> None:
    samples = sorted((shared_data / "telemetry-samples" / "litellm_guardrail").glob("*[0-9].json"))
    assert samples
    for sample in samples:
        answer = gateway[Role.INGEST].post("/beta/litellm_basic_guardrail_api", content=sample.read_bytes())
        assert (answer.status_code, answer.json()) == (200, {"action": "NONE"})


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_envoy_is_answered_for_every_method_and_path(gateway: Served, method: str) -> None:
    def status(account: str) -> int:
        url = "/v1/ext_authz/v1/chat/completions?a=b"
        return gateway[Role.INGEST].request(method, url, headers={"x-account": account}).status_code

    assert (status("good"), status("bad")) == (200, 403)


def test_envoy_passes_the_action_on_and_denies_with_a_sentence_for_the_customer(gateway: Served) -> None:
    passed = gateway[Role.INGEST].post("/v1/ext_authz/v1/x", headers={"x-account": "plain"})
    denied = gateway[Role.INGEST].post("/v1/ext_authz/v1/x", headers={"x-account": "bad"})
    assert (passed.status_code, passed.headers["x-stillwatch-action"]) == (200, "withhold_reasoning")
    assert denied.json() == {"error": "this account is suspended (reference d-1)"}
    assert "c-1" not in denied.text + str(denied.headers)


def test_a_forwarded_body_is_sketched(gateway: Served) -> None:
    call = {"model": "m", "system": SYSTEM, "messages": [{"role": "user", "content": PROMPT}], "stream": True}
    answer = gateway[Role.INGEST].post("/v1/ext_authz/v1/messages", json=call, headers={"x-account": "new-5"})
    assert answer.status_code == 403
    broken = gateway[Role.INGEST].post("/v1/ext_authz/v1/messages", content=b"{", headers={"x-account": "good"})
    assert broken.status_code == 200
    assert gateway.figure('stillwatch_decision_bypasses_total{reason="body"}') >= 1


def test_nginx_hears_204_or_403_and_nothing_else(gateway: Served) -> None:
    def ask(account: str) -> httpx.Response:
        return gateway[Role.INGEST].get("/v1/auth_request", headers={"x-account": account})

    ask("slow")
    assert [ask(name).status_code for name in ("good", "plain", "bad", "odd", "slow")] == [204, 204, 403, 403, 403]
    assert ask("slow").headers["x-stillwatch-action"] == "rate_limit"


def test_headers_that_the_gateway_did_not_name_are_never_read(gateway: Served) -> None:
    forged = {"x-account": "good", "x-stillwatch-account": "bad", "x-ja4": "t13", "x-forwarded-for": "10.0.0.1"}
    question = gateway[Role.INGEST].get("/v1/auth_request", headers=forged)
    assert question.status_code == 204


def test_a_gateway_that_cannot_call_out_fetches_the_signed_snapshot(gateway: Served, tmp_path: Path) -> None:
    body = gateway[Role.INGEST].get("/v1/snapshot").content
    (tmp_path / "copy").write_bytes(body)
    snapshot = Snapshot.read(tmp_path / "copy", public_key(gateway.workspace.keys))
    assert snapshot.decide(DecisionRequest("bad")).action is Action.SUSPEND


def test_no_text_or_key_is_logged(gateway: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        decide(gateway, account_id="bad", prompt="the prompt of a customer")
        gateway[None].post("/v1/decision", json={"prompt": "the prompt of a stranger"})
    assert "the prompt of" not in caplog.text
    assert gateway.keys[Role.INGEST] not in caplog.text


# -- bypasses ---------------------------------------------------------------------------------------------------------


class Broken:
    """A snapshot that fails."""

    first_request_cap = 1

    def decide(self, request: DecisionRequest) -> Verdict:
        raise RuntimeError(str(request))


def desk(*, fails_open: bool = True) -> tuple[Desk, Figures]:
    figures = Figures()
    return Desk(Pseudonymiser(bytes(32), sightings=None), figures, fails_open=fails_open), figures


@pytest.mark.parametrize(("fails_open", "action"), [(True, Action.ALLOW), (False, Action.SUSPEND)])
@pytest.mark.parametrize(("decider", "reason"), [(None, "no_snapshot"), (Broken(), "fault")])
def test_without_a_decision_the_door_is_open_or_closed_as_set_and_it_is_counted(
    fails_open: bool, action: Action, decider: Broken | None, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    made, figures = desk(fails_open=fails_open)
    made.decider = decider
    answer = made.answer(Question(account_id="secret-name"), gateway="api")
    assert (answer.action, answer.allowed) == (action, fails_open)
    assert f'stillwatch_decision_bypasses_total{{reason="{reason}"}} 1.0' in figures.text().decode()
    assert "secret-name" not in caplog.text


def snapshot(contents: Contents, expires_at: datetime = NOW + timedelta(days=1)) -> Snapshot:
    return Snapshot(build(contents, created_at=NOW, expires_at=expires_at))


def test_who_was_suspended_stays_so_when_the_snapshot_is_too_old_and_others_pass() -> None:
    made, _ = desk(fails_open=False)
    made.decider = snapshot(Contents(decisions=ALL), expires_at=NOW - timedelta(hours=1))
    old = made.answer(Question(account_id="bad"), gateway="api")
    other = made.answer(Question(account_id="odd"), gateway="api")
    assert (old.action, other.action, other.bypass) == (Action.SUSPEND, Action.ALLOW, "snapshot_expired")


def test_the_kill_switch_is_a_counted_bypass() -> None:
    made, figures = desk()
    made.decider = snapshot(Contents(decisions=ALL, is_killed=True))
    assert made.answer(Question(account_id="bad"), gateway="api").action is Action.ALLOW
    assert b'{reason="kill_switch"} 1.0' in figures.text()


def test_no_more_unknown_accounts_are_touched_in_an_hour_than_policy_allows() -> None:
    made, figures = desk()
    made.warm()
    made.decider = snapshot(Contents(decisions=ALL, tokens=tokens(), first_request_cap=3))
    actions = [
        made.answer(Question(account_id=f"new-{number}", prompt=PROMPT), gateway="api").action for number in range(6)
    ]
    assert actions == [Action.STEP_UP] * 3 + [Action.ALLOW] * 3
    assert made.answer(Question(account_id="new-0", prompt=PROMPT), gateway="api").action is Action.STEP_UP
    assert b'{reason="first_request_cap"} 3.0' in figures.text()


def test_before_the_kernel_is_compiled_accounts_are_decided_and_texts_are_counted_bypasses() -> None:
    made, _ = desk()
    made.decider = snapshot(Contents(decisions=ALL, tokens=tokens(), first_request_cap=3))
    assert made.answer(Question(account_id="bad", prompt=PROMPT), gateway="api").action is Action.SUSPEND
    assert made.answer(Question(account_id="new", prompt=PROMPT), gateway="api").bypass == "starting"


def test_an_account_that_is_an_address_is_known_by_its_alias() -> None:
    made, _ = desk()
    names = Pseudonymiser(bytes(32), sightings=None)
    alias = names.aliases(pa.array(["ana@example.test"]))[0].as_py()
    made.decider = snapshot(Contents(decisions=(replace(SUSPENDED, account_id=alias),)))
    assert made.answer(Question(account_id="ana@example.test"), gateway="api").action is Action.SUSPEND


# -- reload -----------------------------------------------------------------------------------------------------------


def test_a_damaged_forged_or_older_snapshot_leaves_the_one_in_use(empty: Workspace) -> None:
    made, figures = desk()
    keeper = Keeper(empty.path / SNAPSHOT_FILE, public_key(empty.keys), made, figures)
    assert not keeper.look()
    publish(empty, Contents(decisions=ALL))
    assert keeper.look()
    assert not keeper.look()
    path = empty.path / SNAPSHOT_FILE
    sound = path.read_bytes()
    for wrong in (b"", sound[:-1], sound[:100] + b"\x00" + sound[101:], b"{}"):
        path.write_bytes(wrong)
        assert not keeper.look()
        assert made.answer(Question(account_id="bad"), gateway="api").action is Action.SUSPEND
    publish(empty, Contents(), at=NOW - timedelta(days=1))
    assert not keeper.look()
    publish(empty, Contents(), at=NOW + timedelta(seconds=1))
    assert keeper.look()
    assert made.answer(Question(account_id="bad"), gateway="api").action is Action.ALLOW


def test_reloads_under_load_drop_no_request(gateway: Served) -> None:
    answers: list[str] = []
    is_over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=gateway.url, headers={"x-api-key": gateway.keys[Role.INGEST]}) as client:
            while not is_over.is_set():
                answer = client.post("/v1/decision", json={"account_id": "bad"})
                answers.append(answer.json()["action"] if answer.status_code == 200 else str(answer.status_code))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    before = gateway.figure('stillwatch_snapshot_reloads_total{outcome="loaded"}')
    for step in range(5):
        contents = Contents(decisions=ALL, tokens=tokens(), first_request_cap=100, exempt=["owner"])
        publish(gateway.workspace, contents, at=NOW + timedelta(seconds=step + 1))
        wanted = before + step + 1
        wait_until(
            lambda wanted=wanted: gateway.figure('stillwatch_snapshot_reloads_total{outcome="loaded"}') >= wanted
        )
    is_over.set()
    for thread in threads:
        thread.join()
    assert len(answers) > 20
    assert set(answers) == {"suspend"}


# -- ASGI -------------------------------------------------------------------------------------------------------------


def test_the_middleware_decides_and_hands_the_body_on_unchanged() -> None:
    seen: list[tuple[bytes, str | None]] = []

    async def model(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message["more_body"]:
                break
        seen.append((body, scope.get(ACTION)))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

    made, _ = desk()
    made.warm()
    made.decider = snapshot(Contents(decisions=ALL, tokens=tokens(), first_request_cap=10))
    app = DecisionMiddleware(model, desk=made, paths=["/v1/chat/completions"], settings=GATEWAY)
    call = msgspec.json.encode(
        {"messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]}
    )

    async def post(path: str, account: str, body: bytes) -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.post(path, content=body, headers={"x-account": account})).status_code

    async def calls() -> list[int]:
        return [
            await post("/v1/chat/completions", "plain", call),
            await post("/v1/chat/completions", "bad", call),
            await post("/v1/chat/completions", "never-seen", call),
            await post("/v1/chat/completions", "good", b"not json"),
            await post("/v1/other", "bad", call),
        ]

    assert asyncio.run(calls()) == [200, 403, 403, 200, 200]
    assert seen == [(call, "withhold_reasoning"), (b"not json", "allow"), (call, None)]
