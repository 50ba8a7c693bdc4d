"""Two laboratories over a real server, and peers that mean no good."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.errors import ExternalServiceError, GuardRefused, UsageError
from stillwatch.guard.channel import Peer
from stillwatch.ingest.pseudonyms import Pseudonymiser
from stillwatch.model.role import Role
from stillwatch.pipeline.sharing import Asked, Sharing
from stillwatch.sharing.extensions import INDICATOR
from stillwatch.sharing.inbox import Inbox
from stillwatch.sharing.settings import Collection, Settings
from stillwatch.sharing.traits import keyed_sketch, likeness
from stillwatch.sketches import hash_texts
from stillwatch.store.workspace import Workspace
from tests.api.served import serving, settings
from tests.guard.objects import indicator
from tests.response.worlds import TOKENS, Found
from tests.sharing.test_partners import hold
from tests.sharing.worlds import CAMPAIGN, CLIENT, GROUP_KEY, LATER, NETWORK, TEMPLATE, found_world, sharing

OPEN = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
MEDIA = "application/taxii+json;version=2.1"
Answer = tuple[int, bytes]


@contextmanager
def answering(answer: Callable[[str], Answer]) -> Iterator[str]:
    """The root of a server on loopback that answers each path as it is told."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("content-type", MEDIA)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except ConnectionError:
                return

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/root"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Workspace]:
    """A laboratory that found nothing yet."""
    with Workspace.init(tmp_path / "lab", environ={"STILLWATCH_KEYS": str(tmp_path / "lab-keys.json")}) as made:
        yield made


def page(*objects: dict[str, object], **more: object) -> bytes:
    return json.dumps({"objects": list(objects), **more}).encode()


HOSTILE: dict[str, Callable[[str], Answer]] = {
    "error": lambda path: (500, b"{}"),
    "circle": lambda path: (200, page(more=True, next="same")),
    "no cursor": lambda path: (200, page(more=True)),
    "large": lambda path: (200, b'{"objects":["' + b"x" * (50 << 20) + b'"]}'),
    "deep": lambda path: (200, b'{"objects":' + b'[{"a":' * 50 + b"1" + b"}]" * 50 + b"}"),
    "no json": lambda path: (200, b"<html>"),
    "no objects": lambda path: (200, b'{"objects":[1,2]}'),
    "many": lambda path: (200, page(*([{}] * 20_001))),
    "redirect": lambda path: (302, b""),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_peer_does_no_harm(lab: Workspace, kind: str) -> None:
    share = sharing(lab)
    with answering(HOSTILE[kind]) as root, pytest.raises((ExternalServiceError, GuardRefused)):
        share.pull(Peer(root), "lab-b", OPEN)
    assert share.inbox.indicators(datetime.now(UTC)).num_rows == 0


def test_a_peer_that_is_away_is_an_external_fault(lab: Workspace) -> None:
    with pytest.raises(ExternalServiceError, match="did not answer"):
        sharing(lab).pull(Peer("http://127.0.0.1:9/root"), "lab-b", OPEN)


def test_plain_http_is_for_loopback_alone(lab: Workspace) -> None:
    with pytest.raises(UsageError, match="https"):
        sharing(lab).pull(Peer("http://lab-b.example/root"), "lab-b", OPEN)


def test_pages_before_a_fault_are_kept_and_the_next_pull_goes_on(lab: Workspace) -> None:
    first = indicator(random.Random(1))
    share = sharing(lab)

    def broken_after_one(path: str) -> Answer:
        return (500, b"{}") if "next=" in path else (200, page(first, more=True, next="n"))

    with answering(broken_after_one) as root, pytest.raises(ExternalServiceError, match="500"):
        share.pull(Peer(root), "lab-b", OPEN)
    (row,) = share.inbox.indicators(datetime(2026, 5, 20, tzinfo=UTC)).to_pylist()
    assert (row["indicator_id"], row["peer"], row["kind"]) == (first["id"], "lab-b", "asn")


@contextmanager
def taxii(folder: Path, readers: tuple[str, ...]) -> Iterator[tuple[Sharing, Peer]]:
    """A laboratory that found a campaign and serves it, and the way there for a peer."""
    opened = found_world(folder / "server")
    collection = Collection(id=OPEN, title="Open", readers=readers, writers=readers)
    config = msgspec.structs.replace(settings(drain=False), sharing=Settings(collections=(collection,), page_objects=9))
    with serving(opened, config) as running:
        share = sharing(opened, collections=(collection,))
        yield share, Peer(f"{running.url}/taxii2/root", running.keys[Role.PEER])


def test_a_campaign_that_one_lab_publishes_is_matched_by_another(lab: Workspace, tmp_path: Path) -> None:
    receiver = sharing(lab)
    with taxii(tmp_path, ("test peer",)) as (sender, peer):
        assert sender.publish(CAMPAIGN, OPEN) > 20
        assert sender.publish(CAMPAIGN, OPEN) == 0
        pulled = receiver.pull(peer, "lab-a", OPEN)
        again = receiver.pull(peer, "lab-a", OPEN)
    assert pulled.n_pages > 2
    assert pulled.n_objects - pulled.n_passed == 10  # pseudonymous accounts tell a receiver nothing: they stay outside
    assert (again.n_pages, again.n_objects) == (1, 0)
    rows = receiver.inbox.indicators(datetime(2026, 5, 20, tzinfo=UTC)).to_pylist()
    assert {(row["kind"], row["value"]) for row in rows} >= {("asn", str(NETWORK))}
    assert {row["kind"] for row in rows} == {"asn", "sketch"}
    kinds = [entry.kind for entry in lab.ledger.entries()]
    assert kinds.count("guard.in") == pulled.n_pages + 1


def test_a_campaign_is_pushed_to_a_peer_who_may_then_read_it(opened: Workspace, tmp_path: Path) -> None:
    (tmp_path / "peer").mkdir()
    with taxii(tmp_path / "peer", ("test peer",)) as (receiver, peer):
        counts = sharing(opened).push(CAMPAIGN, peer, OPEN, Asked("lab-b"))
        rows = receiver.inbox.indicators(datetime(2026, 5, 20, tzinfo=UTC)).to_pylist()
    assert counts["success"] > 20
    assert (counts["failure"], counts["pending"]) == (10, 0)  # the pseudonymous accounts
    assert {row["peer"] for row in rows} == {"test peer"}


def test_addresses_and_clients_of_peers_become_the_tokens_that_this_deployment_stores(lab: Workspace) -> None:
    draw, share = random.Random(2), sharing(lab)
    told = {INDICATOR: {"extension_type": "property-extension", "ja4": [CLIENT]}}
    sent = indicator(draw, pattern="[ipv4-addr:value = '192.0.2.7']", name="An address", extensions=told)
    share.inbox.receive([sent], peer="lab-b", channel="taxii", at=datetime(2026, 5, 20, tzinfo=UTC))
    rows = {row["kind"]: row for row in share.inbox.indicators(datetime(2026, 5, 20, tzinfo=UTC)).to_pylist()}
    names = Pseudonymiser(lab.keys.pseudonym_key, sightings=None)
    assert rows["address"]["token"] == names.address("192.0.2.7")[0]
    assert rows["ja4"]["token"] == hash_texts(pa.array([CLIENT]))[0].as_py()
    assert "192.0.2.7" not in json.dumps(rows, default=str)


def test_an_indicator_ends_and_can_be_revoked(lab: Workspace) -> None:
    share, at = sharing(lab), datetime(2026, 5, 20, tzinfo=UTC)
    sent = indicator(random.Random(3), valid_until="2026-05-25T00:00:00Z")
    share.inbox.receive([sent], peer="lab-b", channel="taxii", at=at)
    assert share.inbox.indicators(at).num_rows == 1
    assert share.inbox.indicators(at.replace(day=26)).num_rows == 0
    gone = sent | {"revoked": True, "modified": "2026-05-03T00:00:00.000Z"}
    share.inbox.receive([gone], peer="lab-b", channel="taxii", at=at)
    share.inbox.receive([sent], peer="lab-b", channel="taxii", at=at)
    assert share.inbox.indicators(at).num_rows == 0


def test_indicators_that_own_traffic_shows_are_counted_in_accounts(opened: Workspace) -> None:
    share = sharing(opened)
    share.__dict__["inbox"] = Inbox(opened.state, share.guard, {"ja4": {CLIENT: TOKENS["ja4"]}.__getitem__})
    draw = random.Random(4)
    told = {INDICATOR: {"extension_type": "property-extension", "ja4": [CLIENT]}}
    mine = indicator(draw, pattern=f"[autonomous-system:number = {NETWORK}]", extensions=told)
    share.inbox.receive([mine, indicator(draw)], peer="lab-b", channel="taxii", at=LATER)
    rows = {row["kind"]: row for row in share.sighted().to_pylist()}
    n_flagged = len(Found().flagged)
    assert {kind: row["n_accounts"] for kind, row in rows.items()} == {"asn": n_flagged, "ja4": n_flagged}
    assert {row["indicator_id"] for row in rows.values()} == {mine["id"]}


def test_a_template_that_a_peer_sketched_is_recognised_here_until_the_peer_takes_it_back(opened: Workspace) -> None:
    share = sharing(opened)
    bundle = json.loads(share.export(CAMPAIGN, Asked("lab-b")).bundle())
    (sent,) = [stix for stix in bundle["objects"] if "llm-prompt-template" in stix.get("pattern", "")]
    hold(opened, [TOKENS["skeleton"], 900 + len(Found().flagged)])  # the other is an honest account's own template
    share.inbox.receive([sent], peer="lab-b", channel="taxii", at=LATER)
    assert (share.recognise(), share.recognise()) == (1, 1)
    known = {(row["kind"], row["token"], row["peer"]) for row in share.inbox.indicators(LATER).to_pylist()}
    assert known == {("sketch", None, "lab-b"), ("skeleton", TOKENS["skeleton"], "lab-b")}
    gone = sent | {"revoked": True, "modified": "2026-05-21T00:00:00.000Z"}
    share.inbox.receive([gone], peer="lab-b", channel="taxii", at=LATER)
    assert share.recognise() == share.inbox.indicators(LATER).num_rows == 0


def test_without_the_groups_key_no_template_is_recognised(opened: Workspace, lab: Workspace) -> None:
    draw = random.Random(9)
    sketch = keyed_sketch(TEMPLATE, GROUP_KEY)
    sent = indicator(draw, pattern=f"[llm-prompt-template:sketch = '{sketch}']", name="Prompt template")
    other = opened.path.parent / "other.key"
    other.write_bytes(bytes(32))
    hold(opened, [TOKENS["skeleton"]])
    for key in ("", str(other)):
        share = sharing(opened, group_key_file=key)
        share.inbox.receive([sent], peer="lab-b", channel="taxii", at=LATER)
        assert share.recognise() == 0
    assert sharing(lab).recognise() == 0  # no run is stored there


@given(common=st.integers(0, 300), mine=st.integers(1, 100), theirs=st.integers(1, 100))
def test_likeness_estimates_the_share_of_common_shingles(common: int, mine: int, theirs: int) -> None:
    one, other = [*range(common), *range(1000, 1000 + mine)], [*range(common), *range(2000, 2000 + theirs)]
    found = likeness(keyed_sketch(one, GROUP_KEY), keyed_sketch(other, GROUP_KEY))
    assert abs(found - common / (common + mine + theirs)) < 0.3  # five standard deviations of 64 hashes
    assert likeness(keyed_sketch(one, GROUP_KEY), keyed_sketch(one, bytes(32))) == 0


def test_nothing_is_seen_where_no_indicator_is_known(opened: Workspace, lab: Workspace) -> None:
    assert sharing(opened).sighted().num_rows == 0
    with pytest.raises(UsageError, match="no detection run"):
        sharing(lab).sighted()
