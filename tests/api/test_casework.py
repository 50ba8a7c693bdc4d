"""Dossiers and attribution over HTTP: built under the holder's name, let out by the guard, approved by another."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from stillwatch.api.writing import SECOND_KEY
from stillwatch.evidence import standalone
from stillwatch.model.role import Role
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.audit import AuditTrail
from tests.api.served import Served, serving, settings, wait_until
from tests.console.worlds import workspace

CAMPAIGN = "c-000"

PATIENCE_SECONDS = 300.0
"""For a dossier on a machine that other tests share."""
HYPOTHESIS = """
[[hypotheses]]
kind = "{kind}"
statement = "{kind}"
likelihood = "{likelihood}"
confidence = "low"
supporting = [{{ kind = "observation", says = "{says}" }}]
"""


def assessment(campaign_id: str = CAMPAIGN, says: str = "seen on a call") -> str:
    likely = {"operator": "likely", "reseller": "unlikely", "honest_customer": "very unlikely",
              "framing": "almost no chance"}  # fmt: skip
    parts = [HYPOTHESIS.format(kind=kind, likelihood=words, says=says) for kind, words in likely.items()]
    return f'campaign = "{campaign_id}"\n' + "".join(parts)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over a workspace with one campaign."""
    folder = tmp_path_factory.mktemp("casework")
    with serving(workspace(folder / "found"), settings(drain=False)) as running:
        yield running


def key_of(served: Served, name: str) -> dict[str, str]:
    """The header of a new responder's key, once the server knows it."""
    store = ApiKeys(served.workspace.state, served.workspace.keys)
    headers = {"x-stillwatch-key": store.create(Role.RESPONDER, name=name, created_at=datetime.now(UTC))}
    wait_until(lambda: served[None].get("/v1/whoami", headers=headers).status_code == 200)
    return headers


def built(served: Served, said: dict[str, str], headers: dict[str, str] | None = None) -> httpx.Response:
    url = f"/v1/campaigns/{CAMPAIGN}/dossier"
    return served[Role.RESPONDER].post(url, json=said, headers=headers, timeout=PATIENCE_SECONDS)


def written(served: Served, text: str) -> httpx.Response:
    return served[Role.RESPONDER].post("/v1/attributions", json={"assessment": text})


def test_a_dossier_is_built_sealed_listed_and_audited_and_verifies(served: Served, tmp_path: Path) -> None:
    answer = built(served, {})
    assert answer.status_code == 201, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="{CAMPAIGN}.zip"'
    (tmp_path / "case.zip").write_bytes(answer.content)
    assert standalone.verify(tmp_path / "case.zip").steps
    (row,) = served[Role.ANALYST].get("/v1/dossiers", params={"campaign_id": CAMPAIGN}).json()["rows"]
    assert (row["campaign_id"], row["audience"]) == (CAMPAIGN, "internal")
    said = AuditTrail(served.workspace.state).entries().to_pylist()[-1]
    assert said["subject"] == f"dossier of {CAMPAIGN} for internal"


def test_what_an_audience_would_hold_is_shown_and_nothing_is_recorded(served: Served) -> None:
    size = served[Role.ANALYST].get("/v1/ledger").json()["size"]
    asked = {"audience": "peer", "to": "lab-b"}
    rows = served[Role.ANALYST].get(f"/v1/campaigns/{CAMPAIGN}/dossier", params=asked).json()["rows"]
    assert {row["part"]: row["outcome"] for row in rows}["accounts"] == "drop"
    assert served[Role.ANALYST].get("/v1/ledger").json()["size"] == size


def test_a_dossier_for_others_needs_a_receiver_and_an_approver_who_shows_a_key(served: Served) -> None:
    wanted = {"audience": "court", "to": "the court"}
    assert built(served, {"audience": "court"}).status_code == 422
    assert built(served, wanted).status_code == 409
    own = {SECOND_KEY: served.keys[Role.RESPONDER]}
    assert built(served, wanted, own).status_code == 403
    other = {SECOND_KEY: key_of(served, "Cai Moss")["x-stillwatch-key"]}
    done = built(served, wanted, other)
    assert done.status_code == 201, done.text
    assert zipfile.ZipFile(io.BytesIO(done.content)).testzip() is None


def test_an_assessment_stands_once_another_person_approves_it(served: Served) -> None:
    made = written(served, assessment())
    assert made.status_code == 201, made.text
    url = f"/v1/attributions/{made.json()['assessment_id']}"
    again = key_of(served, "Test Responder")
    for headers in ({}, again):
        answer = served[Role.RESPONDER].post(url, json={"kind": "approved"}, headers=headers)
        assert (answer.status_code, "somebody else" in answer.text) == (409, True)
    ben = key_of(served, "Ben Ode")
    assert served[Role.RESPONDER].post(url, json={"kind": "approved"}, headers=ben).json()["stands"] is True
    (row,) = served[Role.ANALYST].get(f"/v1/campaigns/{CAMPAIGN}/attributions").json()["rows"]
    assert row["approved_by"].startswith("Ben Ode (key ")
    assert [one["likelihood"] for one in row["hypotheses"]][:2] == ["likely", "unlikely"]
    assert served[Role.RESPONDER].post(url, json={"kind": "withdrawn", "note": "moved"}).json()["stands"] is False


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("campaign = 3", 422),
        ('campaign = "c-000"\nhypotheses = []', 422),
        (assessment("c-none"), 404),
    ],
)
def test_an_assessment_that_cannot_be_is_refused(served: Served, text: str, status: int) -> None:
    assert written(served, text).status_code == status


def test_no_assessment_is_settled_that_is_not_there(served: Served) -> None:
    assert served[Role.RESPONDER].post("/v1/attributions/as-none", json={"kind": "approved"}).status_code == 404


def test_a_dossier_of_no_campaign_is_a_404(served: Served) -> None:
    assert served[Role.RESPONDER].post("/v1/campaigns/c-none/dossier", json={}).status_code == 404
