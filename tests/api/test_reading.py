"""Findings out: the same rows as the Python API, in pages, in JSON and Arrow."""

import json
import threading
from typing import Any

import httpx
import pyarrow as pa
import pytest

from stillwatch.api.paging import ARROW
from stillwatch.model.role import Role
from stillwatch.python_api import Stillwatch
from stillwatch.store.workspace import Workspace
from tests.api.served import PATIENCE_SECONDS, Served, spans, wait_until
from tests.response.worlds import CONFIG


def pages(served: Served, path: str, **asked: object) -> list[dict[str, Any]]:
    """Every row of a listing, read in pages."""
    rows: list[dict[str, Any]] = []
    params: dict[str, Any] = dict(asked)
    while True:
        answer = served[Role.ANALYST].get(path, params=params)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        rows += body["rows"]
        assert len(body["rows"]) <= params.get("limit", 100)
        if body["next"] is None:
            return rows
        params["cursor"] = body["next"]


@pytest.fixture(scope="module")
def watch(found: Served) -> Stillwatch:
    return Stillwatch(found.workspace, CONFIG)


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_accounts_in_pages_are_the_accounts_of_the_python_api(found: Served, watch: Stillwatch, limit: int) -> None:
    rows = pages(found, "/v1/accounts", limit=limit)
    assert [row["account_id"] for row in rows] == watch.accounts().table["account_id"].to_pylist()


def test_a_page_in_arrow_has_the_rows_and_types_of_the_python_api(found: Served, watch: Stillwatch) -> None:
    answer = found[Role.ANALYST].get("/v1/accounts", params={"limit": 10_000}, headers={"accept": ARROW})
    assert answer.headers["content-type"] == ARROW
    rows = pa.ipc.open_stream(answer.content).read_all()
    assert rows.equals(watch.accounts().table)


def test_arrow_pages_follow_the_link_header(found: Served, watch: Stillwatch) -> None:
    url: str | None = "/v1/accounts?limit=9&tier=accuse"
    names: list[str] = []
    while url:
        answer = found[Role.ANALYST].get(url, headers={"accept": ARROW})
        names += pa.ipc.open_stream(answer.content).read_all()["account_id"].to_pylist()
        url = answer.links.get("next", {}).get("url")
    assert names == [f"bad-{n:02}" for n in range(24)]


def test_filters_choose_rows(found: Served) -> None:
    assert {row["tier"] for row in pages(found, "/v1/accounts", tier="review")} == {"review"}
    assert pages(found, "/v1/accounts", campaign_id="c-none") == []
    assert pages(found, "/v1/campaigns", since="2027-01-01") == []
    assert len(pages(found, "/v1/campaigns", until="2027-01-01T00:00:00Z")) == 1
    kinds = {row["token_kind"] for row in pages(found, "/v1/campaigns/c-1/members", token_kind="ja4")}
    assert kinds == {"ja4"}


def test_a_campaign_its_members_groups_and_signals_are_told(found: Served, watch: Stillwatch) -> None:
    campaign = found[Role.ANALYST].get("/v1/campaigns/c-1").json()
    assert campaign["n_accounts"] == watch.campaigns().table["n_accounts"][0].as_py()
    assert len(pages(found, "/v1/campaigns/c-1/members", limit=13)) == len(watch.members("c-1"))
    groups = pages(found, "/v1/campaigns/c-1/groups")
    assert [(row["token_kind"], row["n_accounts"]) for row in groups] == [("skeleton", 26), ("ja4", 24), ("system", 24)]
    assert pages(found, "/v1/campaigns/c-1/signals") == [
        {"signal": "day_homogeneity", "p_value": 1e-6, "contribution": 6.0}
    ]


def test_an_account_is_explained(found: Served, watch: Stillwatch) -> None:
    told = found[Role.ANALYST].get("/v1/accounts/bad-00").json()
    assert told["finding"]["tier"] == "accuse"
    assert len(told["slices"]) == len(watch.explain("bad-00").slices)
    assert found[Role.ANALYST].get("/v1/accounts/no%2Fbody").json() == {
        "account_id": "no/body", "finding": None, "campaign": None, "slices": [], "indicators": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/campaigns/c-none", 404), ("/v1/campaigns?run=none", 409), ("/v1/accounts?limit=0", 422),
        ("/v1/accounts?limit=10001", 422), ("/v1/accounts?limit=x", 422), ("/v1/accounts?cursor=%21%21", 400),
        ("/v1/accounts?cursor=WzEsMl0", 400), ("/v1/campaigns?since=soon", 422),
    ],
)  # fmt: skip
def test_a_wrong_call_is_told_what_is_wrong_with_it(found: Served, path: str, status: int) -> None:
    answer = found[Role.ANALYST].get(path)
    assert (answer.status_code, set(answer.json())) == (status, {"error"})


def test_a_cursor_of_another_listing_or_of_a_row_that_is_gone_is_refused(found: Served) -> None:
    cursor = found[Role.ANALYST].get("/v1/accounts", params={"limit": 1}).json()["next"]
    assert found[Role.ANALYST].get("/v1/campaigns", params={"cursor": cursor}).status_code == 400
    gone = {"cursor": cursor, "tier": "review"}
    assert found[Role.ANALYST].get("/v1/accounts", params=gone).status_code == 410


def test_a_judgement_is_stored_with_the_holder_of_the_key_as_its_author(served: Served) -> None:
    said = {"subject_id": "acct-1", "verdict": "honest", "note": "a class at a school"}
    made = served[Role.RESPONDER].post("/v1/judgements", json=said)
    (row,) = pages(served, "/v1/judgements")
    assert (made.status_code, row["judgement_id"]) == (201, made.json()["judgement_id"])
    assert row["author"].startswith("test responder (key ")
    for wrong in ({}, said | {"verdict": "maybe"}, said | {"author": "somebody else"}, said | {"note": "x" * 5000}):
        assert served[Role.RESPONDER].post("/v1/judgements", json=wrong).status_code == 422


def test_batches_and_rejects_are_listed(served: Served) -> None:
    document = spans(1, 2)
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["startTimeUnixNano"] = "0"  # type: ignore[index]
    assert served[Role.INGEST].post("/v1/traces", json=document).status_code == 200
    wait_until(lambda: pages(served, "/v1/batches"))
    (batch,) = pages(served, "/v1/batches", source="otlp")
    (reject,) = pages(served, "/v1/rejects", ingest_batch_id=batch["ingest_batch_id"])
    assert (batch["rows_out"], batch["rejected"], reject["line_no"]) == (1, 1, 2)


def test_events_tell_of_ingest_as_it_happens_and_of_what_was_missed(served: Served) -> None:
    heard: list[str] = []
    is_listening = threading.Event()

    def listen() -> None:
        with served[Role.ANALYST].stream("GET", "/v1/events") as answer:
            for line in answer.iter_lines():
                heard.append(line)
                is_listening.set()
                if line.startswith("data:"):
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    assert is_listening.wait(PATIENCE_SECONDS)
    served[Role.INGEST].post("/v1/traces", json=spans(1))
    thread.join(PATIENCE_SECONDS)
    assert "event: ingest" in heard
    assert json.loads(heard[-1].removeprefix("data: "))["rows_out"] == 1
    with served[Role.ADMIN].stream("GET", "/v1/events", headers={"last-event-id": "0"}) as answer:
        again = [line for _, line in zip(range(6), answer.iter_lines(), strict=False)]
    assert "id: 1" in again


def test_the_openapi_document_names_every_route_with_its_answers(found: Served) -> None:
    from stillwatch.api.roles import ACCESS

    document = found[Role.PEER].get("/openapi.json").json()
    told = {(method.upper(), path) for path, calls in document["paths"].items() for method in calls}
    untold = {("*", "/v1/ext_authz/{path:path}"), ("GET", "/openapi.json"), ("GET", "/v1/accounts/{account_id:path}")}
    of_a_standard = {(method, path) for method, path in ACCESS if path.startswith("/taxii2/")} | {
        ("POST", "/v1/matching")
    }
    assert ACCESS.keys() - untold - of_a_standard <= told
    for calls in document["paths"].values():
        for call in calls.values():
            assert set(call["responses"]) >= {"200"} or set(call["responses"]) & {"201", "204"}


def test_a_workspace_that_cannot_be_read_is_a_503_and_not_a_traceback(served: Served, empty: Workspace) -> None:
    manifest = empty.path / "lake" / "manifest.json"
    manifest.write_bytes(b"{")
    answer = served[Role.ANALYST].get("/v1/runs")
    assert answer.status_code == 503
    assert "Traceback" not in answer.text
    assert served[Role.INGEST].post("/v1/decision", json={"account_id": "a"}).status_code == 200


def test_the_health_routes_say_so(found: Served) -> None:
    with httpx.Client(base_url=found.url) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ok"}
