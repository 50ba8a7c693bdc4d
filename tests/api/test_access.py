"""Who gets in: every route by every role, and keys that are wrong in every way."""

import itertools
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Mount, Route

from stillwatch.api.access import Buckets, KeyRing
from stillwatch.api.app import guard_routes
from stillwatch.api.roles import ACCESS, OPEN_PATHS
from stillwatch.errors import ConfigError
from stillwatch.model.role import Role
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.audit import AuditTrail
from stillwatch.store.workspace import Workspace
from tests.api.served import Served, serving, settings, wait_until

EXAMPLES = {"campaign_id": "c-1", "account_id:path": "bad-00", "path:path": "v1/chat/completions", "key_id": "nobody",
            "token_kind": "skeleton", "token": "11",
            "assessment_id": "as-none", "record_id": "g-none", "content_ref": "none", "entry": "1"}  # fmt: skip

NAMED = {
    "/v1/keys/{key_id}",
    "/v1/attributions/{assessment_id}",
    "/v1/ledger/{entry}",
    "/v1/disclosures/{record_id}/decisions",
}
"""Routes to one thing that the tests' workspace does not have."""


def status_of(found: Served, path: str, key: str = "") -> int:
    """The answer to a path that is sent as it is: clients of better manners tidy it first."""
    connection = HTTPConnection(found.url.removeprefix("http://"))
    connection.request("GET", path, headers={"x-stillwatch-key": key})
    status = connection.getresponse().status
    connection.close()
    return status


def url_of(template: str) -> str:
    for name, value in EXAMPLES.items():
        template = template.replace(f"{{{name}}}", value)
    return template


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("method", "template"), list(ACCESS))
def test_every_route_passes_exactly_the_roles_that_it_names(
    found: Served, method: str, template: str, role: Role
) -> None:
    if template == "/v1/events":
        with found[role].stream("GET", template) as answer:
            status = answer.status_code
    else:
        status = found[role].request("GET" if method == "*" else method, url_of(template)).status_code
    if role in ACCESS[method, template]:
        is_named = template in NAMED or template.startswith("/taxii2/root/collections/{")
        assert status not in {401, 403, 404, 405, 500} or ((is_named or "{status_id}" in template) and status == 404)
    else:
        assert status == 403


@pytest.mark.parametrize(("method", "template"), list(ACCESS))
def test_no_route_answers_without_a_key(found: Served, method: str, template: str) -> None:
    answer = found[None].request("GET" if method == "*" else method, url_of(template))
    assert answer.status_code == 401
    assert answer.json() == {"error": "a valid API key is needed"}


def test_only_health_answers_without_a_key(found: Served) -> None:
    assert {path: found[None].get(path).status_code for path in OPEN_PATHS} == dict.fromkeys(OPEN_PATHS, 200)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../healthz", "/healthz/../v1/keys", "//healthz", "/healthz/", "/HEALTHZ", "/%2e%2e/healthz",
        "/v1/%2e%2e/keys",
        "/healthz%2f..%2fv1%2fkeys", "/v1//keys", "/v1/keys/", "/static/../../etc/passwd",
        "/v1/accounts/..%2f..%2fkeys",
        "/healthz;/v1/keys", "/healthz%00", "/docs", "/redoc", "/",
    ],
)  # fmt: skip
def test_no_trick_with_a_path_gets_past_the_door(found: Served, path: str) -> None:
    assert status_of(found, path) in {400, 401}
    assert status_of(found, path, found.keys[Role.PEER]) in {400, 403, 404}


def test_a_route_without_roles_does_not_start() -> None:
    async def open_door(_request: object) -> Response:
        return Response()

    with pytest.raises(ConfigError, match="/v1/forgotten has no roles"):
        guard_routes([Route("/v1/forgotten", open_door)])
    with pytest.raises(ConfigError, match="no roles"):
        guard_routes([Mount("/static", Starlette())])
    with pytest.raises(ConfigError, match="no roles for PUT"):
        guard_routes([Route("/v1/keys", open_door, methods=["PUT"])])
    with pytest.raises(ConfigError, match="do not exist"):
        guard_routes([])


@pytest.fixture
def ring(empty: Workspace) -> tuple[KeyRing, str]:
    store = ApiKeys(empty.state, empty.keys)
    shown = store.create(Role.ADMIN, name="a", created_at=datetime.now(UTC))
    return KeyRing(store, lambda: datetime.now(UTC)), shown


@pytest.mark.parametrize(
    "wrong",
    [
        "", " ", "sw_", "sw_000000000000_" + "A" * 43, "Bearer", "' OR 1=1 --", "sw_../../etc/passwd_" + "A" * 43,
        "\x00" * 60, "sw_" + "0" * 100_000, "\u017fw_0123456789ab_" + "A" * 43,
    ],
)  # fmt: skip
def test_what_is_no_key_opens_nothing(ring: tuple[KeyRing, str], wrong: str) -> None:
    raw = wrong.encode()
    for name, value in ((b"authorization", b"Bearer " + raw), (b"x-stillwatch-key", raw), (b"x-api-key", raw)):
        assert ring[0].find(Headers(raw=[(name, value)])) is None


def test_every_changed_character_of_a_key_closes_it(ring: tuple[KeyRing, str]) -> None:
    keys, shown = ring
    assert keys.find(Headers({"authorization": f"Bearer {shown}"})) is not None
    for at in range(len(shown)):
        changed = shown[:at] + ("x" if shown[at] != "x" else "y") + shown[at + 1 :]
        assert keys.find(Headers({"authorization": f"Bearer {changed}"})) is None
    assert keys.find(Headers({"authorization": f"Basic {shown}"})) is None
    assert keys.find(Headers({"authorization": f"Bearer {shown}x"})) is None


def test_the_customers_own_authorization_does_not_hide_the_gateways_key(found: Served) -> None:
    both = {"authorization": "Bearer sk-customer", "x-stillwatch-key": found.keys[Role.INGEST]}
    assert found[None].get("/v1/auth_request", headers=both).status_code == 204


def test_a_key_works_until_it_expires_or_is_revoked(served: Served) -> None:
    store = ApiKeys(served.workspace.state, served.workspace.keys)
    now = datetime.now(UTC)
    expired = store.create(Role.ADMIN, name="old", created_at=now, expires_at=now - timedelta(seconds=1))
    working = store.create(Role.ADMIN, name="new", created_at=now)

    def status(key: str) -> int:
        return served[None].get("/v1/whoami", headers={"authorization": f"Bearer {key}"}).status_code

    wait_until(lambda: status(working) == 200)
    assert status(expired) == 401
    store.revoke(working.split("_")[1], revoked_at=now)
    wait_until(lambda: status(working) == 401)


def test_a_key_is_made_over_http_shown_once_and_revoked_at_once(served: Served) -> None:
    admin = served[Role.ADMIN]
    made = admin.post("/v1/keys", json={"role": "analyst", "name": "ana", "days": 3})
    assert made.status_code == 201
    shown = {"authorization": f"Bearer {made.json()['key']}"}
    assert served[None].get("/v1/whoami", headers=shown).json()["role"] == "analyst"
    assert made.json()["key"].split("_", 2)[2] not in admin.get("/v1/keys").text
    assert admin.delete(f"/v1/keys/{made.json()['key_id']}").status_code == 200
    assert served[None].get("/v1/whoami", headers=shown).status_code == 401


def test_a_key_is_stored_as_a_digest_only(served: Served) -> None:
    secret = served.keys[Role.ADMIN].split("_", 2)[2]
    stored = b"".join(path.read_bytes() for path in served.workspace.path.rglob("*") if path.is_file())
    assert secret.encode() not in stored
    assert secret not in repr(ApiKeys(served.workspace.state, served.workspace.keys).all())


def test_a_key_that_calls_too_often_is_told_when_to_come_again(empty: Workspace) -> None:
    with serving(empty, settings(state_url=empty.state_url, calls_per_second=0.5, burst_calls=3)) as running:
        statuses = [running[Role.ANALYST].get("/v1/whoami").status_code for _ in range(5)]
        late = running[Role.ANALYST].get("/v1/whoami")
        assert running[Role.ADMIN].get("/v1/whoami").status_code == 200
    assert statuses == [200, 200, 200, 429, 429]
    assert 1 <= int(late.headers["retry-after"]) <= 3


def test_writes_and_refused_calls_are_audited_without_paths_or_secrets(served: Served) -> None:
    hostile = "/v1/nothing/prompt-text"
    for _ in range(3):
        served[None].get(hostile)
        served[Role.PEER].get("/v1/keys")
    served[Role.RESPONDER].post("/v1/judgements", json={"subject_id": "acct-1", "verdict": "honest", "note": "a class"})
    trail = AuditTrail(served.workspace.state)
    rows = trail.entries().to_pylist()
    assert [(row["role"], row["subject"]) for row in rows if row["route"] == "/v1/judgements"] == [
        ("responder", "acct-1")
    ]

    def refused(status: int) -> int:
        return sum(row["n"] for row in trail.entries().to_pylist() if row["status"] == status)

    wait_until(lambda: (refused(401), refused(403)) == (3, 3))
    rows = trail.entries().to_pylist()
    assert "prompt-text" not in str(rows)
    assert not any(key.split("_", 2)[2] in str(rows) for key in served.keys.values())


def test_the_audit_trail_is_read_in_pages(served: Served) -> None:
    for number in range(5):
        served[Role.RESPONDER].post("/v1/judgements", json={"subject_id": f"acct-{number}", "verdict": "unsure"})
    subjects: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        body = served[Role.ADMIN].get("/v1/audit", params={"limit": 2, "cursor": cursor}).json()
        subjects += [row["subject"] for row in body["rows"]]
        cursor = body["next"]
    assert [subject for subject in subjects if subject] == [f"acct-{number}" for number in range(5)]


def test_the_newest_audit_entries_come_first_by_place_and_all_of_them_as_a_file(served: Served) -> None:
    for number in range(5):
        served[Role.RESPONDER].post("/v1/judgements", json={"subject_id": f"acct-{number}", "verdict": "unsure"})
    body = served[Role.ADMIN].get("/v1/audit", params={"limit": 2, "at": 1}).json()
    assert [row["subject"] for row in body["rows"]] == ["acct-3", "acct-2"]
    assert (body["total"], body["at"]) == (5, 1)
    assert served[Role.ADMIN].get("/v1/audit?format=jsonl").text.count("acct-") == 5


def test_entries_have_the_shape_of_the_floor_plan(empty: Workspace) -> None:
    from stillwatch.model.tables import AUDIT_ENTRIES

    rows: pa.Table = AuditTrail(empty.state).entries()
    assert rows.schema.equals(AUDIT_ENTRIES.schema)


@given(rate=st.floats(0.1, 100), burst=st.integers(1, 20), pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_a_bucket_never_passes_more_than_its_burst_and_rate(rate: float, burst: int, pauses: list[float]) -> None:
    times = list(itertools.accumulate(pauses))
    now = iter(times)
    bucket = Buckets(rate, burst, clock=lambda: next(now))
    passed = [at for at in times if bucket.wait_seconds("k") == 0]
    for first, last in itertools.combinations(range(len(passed)), 2):
        assert last - first + 1 <= burst + rate * (passed[last] - passed[first]) + 1e-6
