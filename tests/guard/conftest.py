"""Guards with the shipped policy and a record of what they decided."""

from dataclasses import dataclass, field
from datetime import datetime

import pytest

from stillwatch.guard import Guard, Offer, Passage, Policy, Review, load_policy, shipped_policy
from tests.guard.objects import AT, ENOUGH, Stix


@dataclass
class Record:
    """What a guard wrote down."""

    written: list[tuple[Review, Passage]] = field(default_factory=list)

    def __call__(self, review: Review, passage: Passage) -> str:
        self.written.append((review, passage))
        return f"record-{len(self.written)}"


@pytest.fixture(scope="session")
def policy() -> Policy:
    return load_policy(shipped_policy())


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def guard(policy: Policy, record: Record) -> Guard:
    return Guard(policy, record=record, peer_key=lambda peer: peer.encode().ljust(32, b"."))


def offer(*objects: Stix, **fields: object) -> Offer:
    """An offer with enough accounts behind every object."""
    support = {stix["id"]: ENOUGH for stix in objects if isinstance(stix.get("id"), str)}
    return Offer(objects, **{"support": support, "active_until": datetime(2026, 5, 4, tzinfo=AT.tzinfo), **fields})


def passage(profile: str = "peer", **fields: object) -> Passage:
    return Passage(**{"peer": "lab-b", "channel": "file", "profile": profile, "at": AT, **fields})
