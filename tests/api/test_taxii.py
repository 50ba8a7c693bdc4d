"""The TAXII server, asked by the client that everybody uses and by hand."""

import base64
import json
import random
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
import requests
from requests.exceptions import HTTPError
from taxii2client.v21 import ApiRoot, Collection, Server, as_pages

from stillwatch.guard import Tlp
from stillwatch.guard.tlp import MARKING_IDS
from stillwatch.model.role import Role
from stillwatch.pipeline.sharing import Sharing
from stillwatch.sharing.disclosures import Disclosures
from stillwatch.sharing.settings import Collection as Named
from stillwatch.sharing.settings import Settings
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.workspace import Workspace
from tests.api.served import Served, serving, settings
from tests.guard.objects import address, campaign, framed, identity, indicator

OPEN, INBOX, SECRET = (str(uuid.UUID(int=number, version=4)) for number in (1, 2, 3))
PEER, OTHER = "test peer", "another lab"
MEDIA = "application/taxii+json;version=2.1"


class Bearer(requests.auth.AuthBase):
    """The key as the server asks for it."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.key}"
        return request


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("peers")
    made = Workspace.init(folder / "workspace", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
    collections = (
        Named(id=OPEN, title="Open", readers=(PEER,), writers=(PEER,)),
        Named(id=INBOX, title="Inbox", readers=(OTHER,), writers=(PEER,)),
        Named(id=SECRET, title="Secret", readers=(OTHER,), writers=(OTHER,)),
    )
    config = msgspec.structs.replace(
        settings(drain=False), sharing=Settings(collections=collections, post_bytes=1 << 20)
    )
    with serving(made, config) as running:
        yield running


def auth(served: Served) -> Bearer:
    return Bearer(served.keys[Role.PEER])


def collection(served: Served, collection_id: str = OPEN) -> Collection:
    return Collection(f"{served.url}/taxii2/root/collections/{collection_id}/", auth=auth(served))


def call(served: Served, method: str, path: str, **fields: Any) -> httpx.Response:
    headers = {"accept": MEDIA, "content-type": MEDIA, **fields.pop("headers", {})}
    return served[Role.PEER].request(method, f"/taxii2/root/{path}", headers=headers, **fields)


def objects(seed: int, n: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [indicator(draw) for _ in range(n)]


def plain(draw: random.Random, **fields: object) -> dict[str, Any]:
    """A campaign without volumes: those of a peer are not passed on while the stricter basis holds."""
    return {name: value for name, value in campaign(draw, **fields).items() if name != "extensions"}


def get(of: Collection, **filters: object) -> list[dict[str, Any]]:
    return of.get_objects(**filters).get("objects", [])


def test_discovery_roots_and_collections(peers: Served) -> None:
    server = Server(f"{peers.url}/taxii2/", auth=auth(peers))
    assert [root.url for root in server.api_roots] == [f"{peers.url}/taxii2/root/"] == [server.default.url]
    root = ApiRoot(f"{peers.url}/taxii2/root/", auth=auth(peers))
    assert root.versions == [MEDIA]
    assert [(c.title, c.can_read, c.can_write) for c in root.collections] == [
        ("Open", True, True),
        ("Inbox", False, True),
    ]


def test_basic_authentication_with_the_key_as_password_works(peers: Served) -> None:
    server = Server(f"{peers.url}/taxii2/", user="lab", password=peers.keys[Role.PEER])
    assert server.title == "stillwatch"


def test_what_was_added_comes_back_and_its_status_says_so(peers: Served) -> None:
    of, sent = collection(peers), objects(1, 20)
    status = of.add_objects({"objects": sent})
    assert (status.status, status.success_count, status.failure_count) == ("complete", 20, 0)
    status.refresh()
    assert status.total_count == 20
    found = {stix["id"]: stix for stix in get(of, limit=100)}
    assert [found[stix["id"]] for stix in sent] == sent


def test_adding_again_changes_nothing(peers: Served) -> None:
    of, sent = collection(peers), objects(2, 3)
    for _ in range(2):
        of.add_objects({"objects": sent})
    counted = Counter(entry["id"] for entry in of.get_manifest(id=[stix["id"] for stix in sent])["objects"])
    assert set(counted.values()) == {1}


def test_filters_by_id_type_version_and_time(peers: Served) -> None:
    of, draw = collection(peers), random.Random(3)
    first = plain(draw)
    later = first | {"modified": "2026-05-02T08:00:00.000Z", "confidence": 50}
    of.add_objects({"objects": [first]})
    added = of.get_manifest(id=first["id"])["objects"][0]["date_added"]
    of.add_objects({"objects": [later, indicator(draw)]})
    assert get(of, id=first["id"]) == [later]
    assert get(of, id=first["id"], version="first") == [first]
    assert get(of, id=first["id"], version="all") == [first, later]
    assert get(of, id=first["id"], version=first["modified"]) == [first]
    assert {stix["type"] for stix in get(of, type="campaign")} == {"campaign"}
    assert get(of, spec_version="2.0") == []
    after = get(of, added_after=added, limit=100)
    assert first not in after
    assert later in after
    versions = of.object_versions(first["id"])["versions"]
    assert versions == ["2026-05-01T08:00:00.000000Z", "2026-05-02T08:00:00.000000Z"]


def test_one_object_is_read_and_deleted(peers: Served) -> None:
    of, (sent,) = collection(peers), objects(4, 1)
    of.add_objects({"objects": [sent]})
    assert of.get_object(sent["id"])["objects"] == [sent]
    of.delete_object(sent["id"])
    for asked in (of.get_object, of.delete_object, of.object_versions):
        with pytest.raises(HTTPError, match="404"):
            asked(sent["id"])


def paged(served: Served, n_first: int, n_meanwhile: int) -> tuple[Counter[str], set[str]]:
    """Ids read at 7 a page while another writer appends, and ids that were there before reading began."""
    share = Sharing(served.workspace, settings(), version="0", clock=lambda: datetime.now(UTC))
    of = collection(served)
    before = objects(n_first, n_first)
    received = share.inbox.receive(before, peer=PEER, channel="taxii", at=datetime.now(UTC))
    share.shelf.add(OPEN, received.cleared, datetime.now(UTC))
    is_over = threading.Event()

    def append() -> None:
        for number in range(n_meanwhile):
            if is_over.is_set():
                return
            more = share.inbox.receive(objects(10**6 + number, 3), peer=PEER, channel="taxii", at=datetime.now(UTC))
            share.shelf.add(OPEN, more.cleared, datetime.now(UTC) - timedelta(days=1))

    writer = threading.Thread(target=append)
    writer.start()
    read: Counter[str] = Counter()
    for page in as_pages(of.get_objects, per_request=7):
        read.update(stix["id"] for stix in page.get("objects", []))
    is_over.set()
    writer.join()
    return read, {stix["id"] for stix in before}


def test_paging_while_another_writer_appends_loses_and_doubles_nothing(peers: Served) -> None:
    read, before = paged(peers, 300, 20)
    assert before <= set(read)
    assert set(read.values()) == {1}


@pytest.mark.slow
def test_ten_thousand_objects_at_seven_a_page_while_another_writer_appends(peers: Served) -> None:
    read, before = paged(peers, 10_000, 200)
    assert len(before) == 10_000
    assert before <= set(read)
    assert set(read.values()) == {1}


def test_dates_of_adding_increase_strictly_and_stand_in_the_headers(peers: Served) -> None:
    collection(peers).add_objects({"objects": objects(5, 10)})
    answer = call(peers, "GET", f"collections/{OPEN}/manifest/?limit=9")
    dates = [entry["date_added"] for entry in answer.json()["objects"]]
    assert dates == sorted(set(dates))
    assert (answer.headers["x-taxii-date-added-first"], answer.headers["x-taxii-date-added-last"]) == (
        dates[0],
        dates[-1],
    )


@pytest.mark.parametrize(
    ("method", "path", "fields", "status"),
    [
        ("GET", "collections/00000000-0000-4000-8000-00000000dead/", {}, 404),
        ("GET", f"collections/{SECRET}/objects/", {}, 404),
        ("GET", f"collections/{INBOX}/objects/", {}, 403),
        ("GET", f"collections/{INBOX}/manifest/", {}, 403),
        ("POST", f"collections/{SECRET}/objects/", {"content": b'{"objects":[]}'}, 404),
        ("DELETE", f"collections/{INBOX}/objects/x/", {}, 403),
        (
            "GET",
            f"collections/{OPEN}/objects/",
            {"headers": {"accept": "application/vnd.oasis.taxii+json;version=2.0"}},
            406,
        ),
        (
            "POST",
            f"collections/{OPEN}/objects/",
            {"headers": {"content-type": "application/json"}, "content": b"{}"},
            415,
        ),
        ("POST", f"collections/{OPEN}/objects/", {"content": b"{" * 9}, 422),
        ("POST", f"collections/{OPEN}/objects/", {"content": b"{}"}, 422),
        ("POST", f"collections/{OPEN}/objects/", {"content": b'{"objects":' + b"[" * 100 + b"]" * 100 + b"}"}, 422),
        ("POST", f"collections/{OPEN}/objects/", {"content": b" " * (2 << 20)}, 413),
        ("GET", f"collections/{OPEN}/objects/?next=nonsense", {}, 400),
        ("GET", f"collections/{OPEN}/objects/?limit=0", {}, 400),
        ("GET", f"collections/{OPEN}/objects/?limit=x", {}, 400),
        ("GET", f"collections/{OPEN}/objects/?added_after=yesterday", {}, 400),
        ("GET", f"collections/{OPEN}/objects/?match[version]=newest", {}, 400),
        ("GET", f"collections/{OPEN}/objects/?surprise=1", {}, 400),
        ("GET", "status/00000000-0000-4000-8000-00000000beef/", {}, 404),
    ],
)
def test_wrong_calls_get_the_right_errors_in_the_form_of_taxii(
    peers: Served, method: str, path: str, fields: dict[str, Any], status: int
) -> None:
    answer = call(peers, method, path, **fields)
    assert answer.status_code == status
    assert answer.json()["http_status"] == str(status)
    assert answer.headers["content-type"] == MEDIA


def test_a_cursor_belongs_to_its_query(peers: Served) -> None:
    collection(peers).add_objects({"objects": objects(6, 5)})
    following = call(peers, "GET", f"collections/{OPEN}/objects/?limit=1").json()["next"]
    assert call(peers, "GET", f"collections/{OPEN}/objects/?limit=2&next={following}").status_code == 200
    assert call(peers, "GET", f"collections/{OPEN}/objects/?match[type]=campaign&next={following}").status_code == 400
    assert call(peers, "GET", f"collections/{OPEN}/manifest/?match[version]=all&next={following}").status_code == 400


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.PEER] + [None])
def test_only_peers_get_in(peers: Served, role: Role | None) -> None:
    answer = peers[role].get("/taxii2/", headers={"accept": MEDIA})
    assert answer.status_code == (401 if role is None else 403)


def test_a_broken_basic_header_opens_nothing(peers: Served) -> None:
    for header in ("Basic !!!", "Basic " + base64.b64encode(b"lab").decode(), "Basic"):
        assert httpx.get(f"{peers.url}/taxii2/", headers={"authorization": header}).status_code == 401


def test_what_the_policy_refuses_fails_alone_and_is_not_served(peers: Served) -> None:
    draw = random.Random(7)
    fine, secret = plain(draw), plain(draw) | {"object_marking_refs": [MARKING_IDS[Tlp.RED]]}
    rival, odd = campaign(draw, list_price=3), framed("x-surprise", draw, note="x")
    status = collection(peers).add_objects({"objects": [fine, secret, rival, odd]})
    assert (status.success_count, status.failure_count) == (1, 3)
    ids = {stix["id"] for stix in get(collection(peers), type="campaign", limit=100)}
    assert fine["id"] in ids
    assert not ids & {secret["id"], rival["id"], odd["id"]}
    kinds = {entry.kind for entry in peers.workspace.ledger.entries("guard.in")}
    assert kinds == {"guard.in"}


def test_what_a_peer_sends_is_served_to_others_only_as_far_as_it_may_go_on(peers: Served) -> None:
    draw = random.Random(11)
    named = identity(draw, name="A laboratory nobody knows")
    told = campaign(draw, description="Seen in March by our people.", created_by_ref=named["id"])
    status = collection(peers).add_objects({"objects": [named, told]})
    assert status.success_count == 2
    (served,) = get(collection(peers), id=told["id"])
    assert not {"description", "created_by_ref"} & served.keys()
    assert "n_accounts" not in json.dumps(served)
    assert get(collection(peers), id=named["id"]) == []
    rows = Disclosures(peers.workspace.state, peers.workspace.ledger).all().to_pylist()
    assert {(row["direction"], row["profile"]) for row in rows[-2:]} == {("in", "inbound"), ("through", "relay-strict")}


def test_an_observable_without_times_is_there_once_under_its_time_of_adding(peers: Served) -> None:
    of, seen = collection(peers), address(random.Random(8), value="198.51.100.23")
    for _ in range(2):
        of.add_objects({"objects": [seen]})
    assert len(of.object_versions(seen["id"])["versions"]) == 1


def test_a_status_is_told_to_nobody_else(peers: Served) -> None:
    status = collection(peers).add_objects({"objects": objects(9, 1)})
    key = ApiKeys(peers.workspace.state, peers.workspace.keys).create(
        Role.PEER, name=OTHER, created_at=datetime.now(UTC)
    )
    path = f"{peers.url}/taxii2/root/status/{status.id}/"
    for _ in range(100):  # until the running server has read the new key
        answer = httpx.get(path, headers={"authorization": f"Bearer {key}", "accept": MEDIA})
        if answer.status_code != 401:
            break
        threading.Event().wait(0.1)
    assert answer.status_code == 404
