"""How the workspace stands: what the command line says of it, over HTTP."""

import json
from datetime import UTC, datetime

import pytest

from stillwatch.config import Config
from stillwatch.model.role import Role
from stillwatch.pipeline.response import Responder
from stillwatch.store.underway import read_underway, under_way
from tests.api.served import Served
from tests.response.worlds import GREET, NOON, Found, policy, store

BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("path", ["holds", "attributions", "screening/lists", "matches"])
def test_what_is_not_there_is_an_empty_list(found: Served, path: str) -> None:
    answer = found[Role.ANALYST].get(f"/v1/{path}")
    assert (answer.status_code, answer.json()) == (200, {"rows": []})


def test_health_says_what_doctor_says(found: Served) -> None:
    checks = {row["name"]: row["state"] for row in found[Role.ANALYST].get("/v1/health").json()["rows"]}
    assert {"workspace", "decisions", "spool"} <= checks.keys()
    assert set(checks.values()) <= {"ok", "warn"}


def test_a_watch_that_never_ran_says_so(found: Served) -> None:
    said = found[Role.ANALYST].get("/v1/watch").json()
    assert (said["last_run_id"], said["last_fault"], said["n_pending"], said["n_dead"]) == (None, None, 0, 0)
    assert (said["campaigns"], said["disabled"]) == ([], [])


def test_the_policy_in_force_is_told_as_it_was_written(served: Served) -> None:
    assert served[Role.ANALYST].get("/v1/policy").status_code == 409
    store(served.workspace, Found())
    applied = policy(GREET)
    Responder(served.workspace, Config(), clock=lambda: NOON).apply(applied, author="ana", second="ben")
    assert served[Role.ANALYST].get("/v1/policy").json() == {"policy": applied.body, "policy_digest": applied.digest}


def test_a_run_under_way_in_another_process_is_streamed(served: Served) -> None:
    heard: list[tuple[str, int, int]] = []
    told = under_way(served.workspace.path, BEGAN, lambda step, done, total: heard.append((step, done, total)))
    with served[Role.ANALYST].stream("GET", "/v1/events") as answer, told as tell:
        tell("grouping", 3, 7)
        lines = answer.iter_lines()
        while next(lines) != "event: progress":
            continue
        said = json.loads(next(lines).removeprefix("data: "))
    assert said == {"began_at": "2026-05-01T12:00:00Z", "step": "grouping", "n_done": 3, "n_total": 7}
    assert heard == [("grouping", 3, 7)]
    assert read_underway(served.workspace.path) is None
