"""The shelf on each kind of state database."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from stillwatch.errors import GuardRefused
from stillwatch.guard import Guard, load_policy, shipped_policy
from stillwatch.sharing import shelf as shelves
from stillwatch.sharing.inbox import Inbox
from stillwatch.sharing.shelf import Cursors, Query, Shelf, Statuses
from stillwatch.store.state import State
from tests.guard.conftest import Record, offer, passage
from tests.guard.objects import AT, clean_objects
from tests.store.test_state import shared, url

__all__ = ["shared", "url"]

OPEN = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"


@pytest.fixture
def guard() -> Guard:
    return Guard(load_policy(shipped_policy()), record=Record(), peer_key=lambda peer: b"k" * 32)


def test_objects_come_back_in_order_by_pages_without_loss(shared: State, guard: Guard) -> None:
    shelf, cleared = Shelf(shared), guard.clear(offer(*clean_objects(20, seed=4)), passage("peer"))
    assert shelf.add(OPEN, cleared, AT) == 20
    assert shelf.add(OPEN, cleared, AT) == 0
    found, after, more = [], 0, True
    while more:
        page, more = shelf.page(OPEN, Query(), limit=7, after=after)
        found += page
        after = page[-1].seq
    assert [shelved.body for shelved in found] == list(cleared.objects)
    assert [s.added_at for s in found] == sorted({s.added_at for s in found})


def test_writers_at_once_give_every_object_a_number_of_its_own(shared: State, url: str, guard: Guard) -> None:
    def write(seed: int) -> None:
        with State.open(url) as own:
            cleared = guard.clear(offer(*clean_objects(5, seed=100 + seed)), passage("peer"))
            Shelf(own).add(OPEN, cleared, AT - timedelta(days=seed))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    page, more = Shelf(shared).page(OPEN, Query(versions=("all",)), limit=100)
    assert [s.seq for s in page] == list(range(1, 21))
    assert not more
    assert [s.added_at for s in page] == sorted({s.added_at for s in page})


def test_only_cleared_objects_get_onto_the_shelf(shared: State) -> None:
    with pytest.raises(GuardRefused):
        Shelf(shared).add(OPEN, [b"{}"], AT)


def test_a_cursor_is_kept_for_each_peer_and_collection(shared: State) -> None:
    cursors = Cursors(shared)
    assert cursors.get("https://a/root", OPEN) is None
    for added in ("2026-05-01T00:00:00.000001Z", "2026-05-02T00:00:00.000000Z"):
        cursors.set("https://a/root", OPEN, added, AT)
    assert cursors.get("https://a/root", OPEN) == "2026-05-02T00:00:00.000000Z"
    assert cursors.get("https://b/root", OPEN) is None


def test_indicators_are_stored_once_and_the_newest_version_counts(shared: State, guard: Guard) -> None:
    (sent,) = [stix for stix in clean_objects(5, seed=6) if stix["type"] == "indicator"]
    inbox = Inbox(shared, guard, {})
    for changed in ({}, {}, {"modified": "2026-05-03T00:00:00.000Z", "confidence": 7}):
        inbox.receive([sent | changed], peer="lab-b", channel="taxii", at=AT)
    (row,) = inbox.indicators(AT).to_pylist()
    assert (row["confidence"], row["peer"]) == (7, "lab-b")


def test_a_status_is_read_by_its_own_peer_alone_and_outlives_the_server(shared: State) -> None:
    Statuses(shared).put("s-1", "lab-b", b'{"id":"s-1"}', AT)
    assert Statuses(shared).get("s-1", "lab-b") == b'{"id":"s-1"}'
    assert Statuses(shared).get("s-1", "lab-c") is None


def test_a_peer_that_sends_without_end_fills_no_table(shared: State) -> None:
    kept = Statuses(shared)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelves, "MOST_STATUSES", 3)
        for number in range(6):
            kept.put(f"s-{number}", "lab-b", b"{}", AT + timedelta(seconds=number))
        kept.put("s-other", "lab-c", b"{}", AT)
    found = [number for number in range(6) if kept.get(f"s-{number}", "lab-b")]
    assert found == [3, 4, 5]
    assert kept.get("s-other", "lab-c")
