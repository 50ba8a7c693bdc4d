"""Responding over HTTP: the rules of the command line, with keys for names."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from stillwatch.api.paging import ARROW
from stillwatch.api.writing import SECOND_KEY
from stillwatch.model.role import Role
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.audit import AuditTrail
from tests.api.served import PATIENCE_SECONDS, Served, serving, settings, wait_until
from tests.response.worlds import GREET, SLOW, SUCCESSORS, VERIFY, policy, workspace

EVERYTHING = policy(SLOW, VERIFY, SUCCESSORS, GREET).body
MILD = policy(SLOW, VERIFY, limits="max_share_per_hour = 1.0; two_people_share = 1.0; false_positive_budget = 0.5").body


@pytest.fixture
def acting(tmp_path: Path) -> Iterator[Served]:
    """A server over a workspace with one campaign, of its own."""
    with serving(workspace(tmp_path / "found"), settings(drain=False)) as running:
        yield running


@pytest.fixture
def ben(acting: Served) -> str:
    """The key of another responder."""
    shown = ApiKeys(acting.workspace.state, acting.workspace.keys).create(
        Role.RESPONDER, name="ben", created_at=datetime.now(UTC)
    )
    wait_until(lambda: acting[None].get("/v1/whoami", headers={"x-stillwatch-key": shown}).status_code == 200)
    return shown


def apply(acting: Served, body: str, **headers: str) -> httpx.Response:
    return acting[Role.RESPONDER].post("/v1/apply", json={"policy": body}, headers=headers)


def decided(acting: Served, account_id: str) -> str:
    return str(acting[Role.INGEST].post("/v1/decision", json={"account_id": account_id}).json()["action"])


def test_a_plan_shows_what_would_be_done_and_changes_nothing(acting: Served) -> None:
    shown = acting[Role.RESPONDER].post("/v1/plan", json={"policy": EVERYTHING, "days": 7}).json()
    assert shown["n_lines"] == len(shown["lines"]) >= 26
    assert shown["needs_second"]
    assert shown["back_test"]["n_touched"] == 26
    assert acting[Role.ANALYST].get("/v1/decisions").json()["rows"] == []
    assert acting[Role.ANALYST].get("/v1/plan").status_code == 409
    arrow = acting[Role.RESPONDER].post("/v1/plan", json={"policy": EVERYTHING}, headers={"accept": ARROW})
    rows = pa.ipc.open_stream(arrow.content).read_all()
    assert rows["subject_id"].to_pylist() == [line["subject_id"] for line in shown["lines"]]


def test_where_two_must_agree_the_second_shows_a_key_of_another_person(acting: Served, ben: str) -> None:
    alone = apply(acting, EVERYTHING)
    assert (alone.status_code, "two people" in alone.text) == (422, True)
    own = acting.keys[Role.RESPONDER]
    assert apply(acting, EVERYTHING, **{SECOND_KEY: own}).status_code == 403
    assert apply(acting, EVERYTHING, **{SECOND_KEY: acting.keys[Role.ANALYST]}).status_code == 403
    assert apply(acting, EVERYTHING, **{SECOND_KEY: "ben"}).status_code == 403
    assert acting[Role.ANALYST].get("/v1/decisions").json()["rows"] == []
    assert apply(acting, EVERYTHING, **{SECOND_KEY: ben}).status_code == 201
    rows = acting[Role.ANALYST].get("/v1/decisions", params={"limit": 1000}).json()["rows"]
    assert {row["second_by"].split(" ")[0] for row in rows} == {"ben"}
    assert {row["approved_by"].split(" (")[0] for row in rows} == {"test responder"}


def test_decisions_are_listed_in_pages_with_filters_and_in_arrow(acting: Served) -> None:
    assert apply(acting, MILD).status_code == 201
    reader = acting[Role.ANALYST]
    every: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        body = reader.get("/v1/decisions", params={"limit": 7, "action": "rate_limit", **cursor}).json()
        every += [row["account_id"] for row in body["rows"]]
        if body["next"] is None:
            break
        cursor = {"cursor": body["next"]}
    assert sorted(every) == [f"bad-{n:02}" for n in range(24)]
    answer = reader.get("/v1/decisions", params={"status": "active", "limit": 1000}, headers={"accept": ARROW})
    assert pa.ipc.open_stream(answer.content).read_all().num_rows == 26


def test_an_appeal_restores_at_once_and_unknown_ids_are_refused(acting: Served) -> None:
    apply(acting, MILD)
    wait_until(lambda: decided(acting, "bad-05") == "rate_limit")
    responder = acting[Role.RESPONDER]
    assert responder.post("/v1/appeals", json={"account_id": "nobody"}).status_code == 422
    done = responder.post("/v1/appeals", json={"account_id": "bad-05", "note": "a class"})
    assert (done.status_code, done.json()["n_ended"]) == (201, 1)
    wait_until(lambda: decided(acting, "bad-05") == "allow")
    assert decided(acting, "bad-06") == "rate_limit"
    (row,) = acting[Role.ANALYST].get("/v1/appeals").json()["rows"]
    assert (row["account_id"], row["status"], row["note"]) == ("bad-05", "granted", "a class")
    budget = acting[Role.ANALYST].get("/v1/appeals/budget").json()
    assert (budget["n_granted"], budget["false_positive_budget"]) == (1, 0.5)


def test_one_person_stops_everything_and_two_let_it_go_on(acting: Served, ben: str) -> None:
    apply(acting, MILD)
    wait_until(lambda: decided(acting, "bad-05") == "rate_limit")
    responder = acting[Role.RESPONDER]
    assert responder.post("/v1/kill", json={"is_on": True, "note": "support is flooded"}).status_code == 201
    wait_until(lambda: decided(acting, "bad-05") == "allow")
    assert acting[Role.ANALYST].get("/v1/kill").json()["is_on"] is True
    assert apply(acting, MILD).status_code == 422
    assert responder.post("/v1/kill", json={"is_on": False}).status_code == 422
    assert responder.post("/v1/kill", json={"is_on": False}, headers={SECOND_KEY: ben}).status_code == 201
    wait_until(lambda: decided(acting, "bad-05") == "rate_limit")


def test_what_is_done_is_audited_before_it_is_answered(acting: Served) -> None:
    apply(acting, MILD)
    acting[Role.RESPONDER].post("/v1/appeals", json={"account_id": "bad-05"})
    acting[Role.RESPONDER].post("/v1/kill", json={"is_on": True})
    acting[Role.RESPONDER].post("/v1/plan", json={"policy": MILD})
    rows = AuditTrail(acting.workspace.state).entries().to_pylist()
    said = [(row["route"], row["status"], row["subject"]) for row in rows]
    assert [route for route, _, _ in said] == ["/v1/apply", "/v1/appeals", "/v1/kill"]
    assert {status for _, status, _ in said} == {201}
    assert said[1][2] == "bad-05"


def test_a_policy_that_cannot_be_is_refused_with_its_rule_and_remedy(acting: Served) -> None:
    wrong = '[[rules]]\nname = "stop"\ntiers = ["review"]\naction = "suspend"\n'
    for path in ("/v1/plan", "/v1/apply"):
        answer = acting[Role.RESPONDER].post(path, json={"policy": wrong})
        assert answer.status_code == 422
        assert all(word in answer.json()["error"] for word in ("'stop'", "step_up"))


def test_listeners_hear_of_decisions_whoever_made_them(acting: Served) -> None:
    heard: list[str] = []
    listening = threading.Event()

    def listen() -> None:
        with acting[Role.ANALYST].stream("GET", "/v1/events") as answer:
            for line in answer.iter_lines():
                listening.set()
                if line.startswith("event: "):
                    heard.append(line.removeprefix("event: "))
                if "decisions" in heard:
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert listening.wait(PATIENCE_SECONDS)
    apply(acting, MILD)
    thread.join(PATIENCE_SECONDS)
    assert "decisions" in heard
