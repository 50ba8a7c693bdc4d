"""Canaries of a sealed plan, from the plan to the model: by HTTP, by LiteLLM's guardrail and by the middleware."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from stillwatch.api.desk import Desk
from stillwatch.api.figures import Figures
from stillwatch.api.middleware import DecisionMiddleware
from stillwatch.api.questions import Question, with_canary
from stillwatch.config import Config, GatewaySettings
from stillwatch.errors import ProvenanceError
from stillwatch.ingest.pseudonyms import Pseudonymiser
from stillwatch.model.capability import CAPABILITIES
from stillwatch.model.decision import Action, Verdict
from stillwatch.model.role import Role
from stillwatch.pipeline.provenance import Provenance
from stillwatch.provenance.canary.plan import CanaryPlan, make_plan, suffix
from stillwatch.provenance.canary.serving import Serving
from stillwatch.response import Contents
from stillwatch.sketches import prompt_capability
from stillwatch.store.workspace import Workspace
from tests.api.served import Served, serving, settings, wait_until
from tests.api.test_gateways import NOW, SUSPENDED, publish

PROMPT = "Write a Python function that merges two sorted lists, with tests, and explain your reasoning step by step."
MASTER = bytes(range(32))
CARRIED = replace(SUSPENDED, decision_id="d-1", account_id="odd", action=Action.CANARY)
CONTROL = 0.3


def plan(density: float = 1.0, control: float = 0.0) -> CanaryPlan:
    return make_plan(
        ["c-1"], master=MASTER, epoch="2026-05", at=NOW, density=density, control_share=control, n_decoys=10
    )


class Always:
    """A snapshot that says one thing."""

    first_request_cap = 0

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def decide(self, _request: object) -> Verdict:
        return self.verdict


def desk(serving_plan: CanaryPlan | None, action: Action = Action.CANARY, campaign: str = "c-1") -> Desk:
    canaries = None if serving_plan is None else Serving(serving_plan, MASTER)
    made = Desk(Pseudonymiser(bytes(32), sightings=None), Figures(), fails_open=True, canaries=canaries)
    made.decider = Always(Verdict(action, campaign_id=campaign, decision_id="d-1"))  # type: ignore[assignment]
    made.warm()
    return made


def served(made: Desk, account: str, request: str | None = "r-1") -> str | None:
    return made.answer(Question(account, prompt=PROMPT, request_id=request), gateway="api").canary


def test_a_request_gets_the_text_that_the_plan_has_for_what_its_prompt_asks_for() -> None:
    wanted = CAPABILITIES[prompt_capability(PROMPT)].value
    given = desk(plan()).answer(Question("odd", prompt=PROMPT, request_id="r-1"), gateway="api")
    assert given.canary == suffix(plan(), MASTER, "c-1", "odd", "r-1", wanted)
    assert given.canary_plan == plan().plan_id
    assert given.allowed


def test_an_account_keeps_its_arm_and_its_text_over_all_requests() -> None:
    made = desk(plan(control=CONTROL))
    by_account = {
        f"odd-{number}": {served(made, f"odd-{number}", f"r-{request}") for request in range(8)}
        for number in range(120)
    }
    assert all(len(texts) == 1 for texts in by_account.values())
    n_control = sum(texts == {None} for texts in by_account.values())
    assert 20 <= n_control <= 55  # a share of 0.3 of 120; within 3 standard deviations


def test_the_draw_is_by_the_request_and_the_same_when_it_is_sent_again() -> None:
    made = desk(plan(density=0.5))
    drawn = [served(made, "odd", f"r-{number}") is not None for number in range(100)]
    assert drawn == [served(made, "odd", f"r-{number}") is not None for number in range(100)]
    assert 30 <= sum(drawn) <= 70
    assert served(made, "odd", None) == served(made, "odd", None)


@pytest.mark.parametrize(
    "made",
    [desk(None), desk(plan(), Action.OBSERVE), desk(plan(), campaign="c-unplanned")],
    ids=["no plan", "another action", "another campaign"],
)
def test_nothing_is_added_without_a_plan_a_decision_and_its_campaign(made: Desk) -> None:
    assert served(made, "odd") is None


def test_a_plan_that_the_ledger_does_not_hold_is_not_served(tmp_path: Path) -> None:
    with Workspace.init(tmp_path / "w", environ={"STILLWATCH_KEYS": str(tmp_path / "keys.json")}) as made:
        opened = Provenance(made, Config(), clock=lambda: NOW)
        (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan()))
        with pytest.raises(ProvenanceError, match="ledger"):
            opened.serving(tmp_path / "plan.json")
        (tmp_path / "plan.json").write_text("{}")
        with pytest.raises(ProvenanceError, match="no canary plan"):
            opened.serving(tmp_path / "plan.json")


@pytest.mark.parametrize(
    ("call", "changed"),
    [
        ({"messages": [{"role": "user", "content": "x"}]}, [{"role": "system", "content": "T"}]),
        ({"messages": [{"role": "system", "content": "S"}]}, [{"role": "system", "content": "S\n\nT"}]),
        (
            {"messages": [{"role": "developer", "content": [{"type": "text", "text": "S"}]}]},
            [{"role": "developer", "content": [{"type": "text", "text": "S"}, {"type": "text", "text": "T"}]}],
        ),
    ],
)
def test_a_system_message_ends_with_the_text(call: dict[str, Any], changed: list[dict[str, Any]]) -> None:
    assert with_canary(call, "T")["messages"][:1] == changed


@pytest.mark.parametrize(
    ("call", "name", "said"),
    [
        ({"system": "S", "messages": []}, "system", "S\n\nT"),
        ({"instructions": "S", "input": "x"}, "instructions", "S\n\nT"),
        ({"input": "x"}, "instructions", "T"),
    ],
)
def test_the_other_forms_of_a_system_prompt_end_with_it_too(call: dict[str, Any], name: str, said: str) -> None:
    assert with_canary(call, "T")[name] == said


def test_a_form_that_is_not_known_is_left_alone() -> None:
    call = {"system": [{"type": "text", "text": "S"}], "messages": [{"role": "user", "content": "x"}]}
    assert with_canary(call, "T") == call


# -- the whole way ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that serves by a plan which was committed to before."""
    folder = tmp_path_factory.mktemp("canaries")
    workspace = Workspace.init(folder / "w", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
    opened = Provenance(workspace, Config(), clock=lambda: NOW)
    made, _ = opened.plan_canaries(["c-1"], epoch="2026-05", density=1.0, control_share=0.0)
    (folder / "plan.json").write_bytes(msgspec.json.encode(made))
    publish(workspace, Contents(decisions=(CARRIED,)))
    with serving(workspace, settings(drain=False, canary_plan=str(folder / "plan.json"))) as running:
        wait_until(lambda: running[Role.INGEST].post("/v1/decision", json={"prompt": "warm"}).json()["bypass"] is None)
        yield running


def test_a_decision_tells_the_gateway_what_to_add_and_the_ledger_that_the_plan_is_served(gateway: Served) -> None:
    asked = {"account_id": "odd", "prompt": PROMPT, "request_id": "r-7"}
    told = gateway[Role.INGEST].post("/v1/decision", json=asked).json()
    assert (told["action"], told["allowed"], told["decision_id"]) == ("canary", True, "d-1")
    assert told["canary"]
    plain = gateway[Role.INGEST].post("/v1/decision", json=asked | {"account_id": "good"}).json()
    assert (plain["canary"], plain["canary_plan"]) == (None, None)
    entry = gateway.workspace.ledger.entries("canary_serving")[-1]
    assert msgspec.json.decode(entry.body)["plan_id"] == told["canary_plan"]


def test_litellm_gets_messages_whose_system_prompt_ends_with_the_canary(gateway: Served) -> None:
    rows = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
    body = {
        "input_type": "request", "structured_messages": rows, "texts": ["Be brief.", PROMPT], "model": "m-1",
        "litellm_call_id": "call-1", "request_data": {"user_api_key_user_id": "odd"},
    }  # fmt: skip
    told = gateway[Role.INGEST].post("/beta/litellm_basic_guardrail_api", json=body).json()
    assert told["action"] == "GUARDRAIL_INTERVENED"
    assert told["structured_messages"][0]["content"].startswith("Be brief.\n\n")
    assert told["structured_messages"][1] == rows[1]
    other = body | {"request_data": {"user_api_key_user_id": "good"}}
    assert gateway[Role.INGEST].post("/beta/litellm_basic_guardrail_api", json=other).json() == {"action": "NONE"}


def test_the_model_behind_the_middleware_sees_the_canary_and_the_length_that_the_body_has() -> None:
    seen: list[tuple[dict[str, Any], int]] = []

    async def model(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        length = int(dict(scope["headers"])[b"content-length"])
        seen.append((json.loads(body), length - len(body)))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    made = desk(plan())
    app = DecisionMiddleware(
        model, desk=made, paths=("/v1/chat/completions",), settings=GatewaySettings(account_headers=("x-account",))
    )

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://model") as client:
            call = {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}
            await client.post("/v1/chat/completions", json=call, headers={"x-account": "odd"})

    asyncio.run(ask())
    [(call, surplus)] = seen
    assert surplus == 0
    assert [row["role"] for row in call["messages"]] == ["system", "user"]
    assert call["messages"][1]["content"] == PROMPT
