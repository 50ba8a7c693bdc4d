"""The guard: the one place at which objects become bytes that a peer channel takes, each time with a record."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, final

import rfc8785

from stillwatch.errors import GuardRefused
from stillwatch.guard.policy import Policy, Terms
from stillwatch.guard.review import Offer, Review, Stix, review
from stillwatch.guard.tlp import LEAVES_AT_MOST, level_of

_SEAL: Final = object()


@dataclass(frozen=True, slots=True)
class Passage:
    """Who gets or sends the objects, by which channel, and who approved it (None: nobody had to)."""

    peer: str
    channel: Literal["file", "taxii"]
    profile: str
    at: datetime
    approver: str | None = None


Recorder = Callable[[Review, Passage], str]
"""Writes every decision of a review down and returns the record's id; nothing passes before it has returned."""


@final
class Cleared:
    """Objects that passed the guard, as canonical JSON. Only the guard makes these, and channels take nothing else."""

    __slots__ = ("_objects", "passage", "record_id", "terms")

    def __init__(self, seal: object, objects: Sequence[bytes], record_id: str, passage: Passage, terms: Terms) -> None:
        if seal is not _SEAL:
            raise TypeError("only the guard clears objects; call Guard.clear")
        self._objects = tuple(objects)
        self.record_id = record_id
        self.passage = passage
        self.terms = terms

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def objects(self) -> tuple[bytes, ...]:
        """Each object as canonical JSON."""
        return self._objects

    def bundle(self) -> bytes:
        """The objects as a STIX bundle: equal objects give equal bytes."""
        digest = hashlib.sha256(b"\n".join(self._objects)).hexdigest()
        variant = "89ab"[int(digest[16], 16) % 4]
        bundle_id = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
        body = b",".join(self._objects)
        return b'{"id":"bundle--' + bundle_id.encode() + b'","objects":[' + body + b'],"type":"bundle"}'

    def envelope(self, *, more: bool = False, following: str | None = None) -> bytes:
        """The objects as a TAXII envelope; an empty one when there are none."""
        parts = [b'"more":true'] if more else []
        if following is not None:
            parts.append(b'"next":' + rfc8785.dumps(following))
        if self._objects:
            parts.append(b'"objects":[' + b",".join(self._objects) + b"]")
        return b"{" + b",".join(parts) + b"}"


class Guard:
    """A policy at work. `peer_key` gives the key under which accounts are pseudonyms at one peer."""

    def __init__(self, policy: Policy, *, record: Recorder, peer_key: Callable[[str], bytes]) -> None:
        self.policy = policy
        self._record = record
        self._peer_key = peer_key

    def preview(self, offer: Offer, passage: Passage) -> Review:
        """What `clear` would let through; nothing passes and nothing is recorded.

        Raises:
            GuardRefused: no legal basis holds.
        """
        terms = self.policy.terms(passage.profile, passage.at)
        return review(offer, self.policy, terms, at=passage.at, pseudonym_key=self._peer_key(passage.peer))

    def clear(self, offer: Offer, passage: Passage) -> Cleared:
        """The objects that may pass, after every decision about them was recorded.

        Raises:
            GuardRefused: no legal basis holds, or the profile needs an approver and none is named.
        """
        examined = self.preview(offer, passage)
        if examined.terms.profile.needs_approver and not (passage.approver or "").strip():
            raise GuardRefused(f"profile {examined.terms.name!r} needs an approver: name the person who answers for it")
        record_id = self._record(examined, passage)
        return Cleared(_SEAL, [rfc8785.dumps(stix) for stix in examined.objects], record_id, passage, examined.terms)

    def recorded(self, examined: Review, passage: Passage) -> str:
        """Write down a review of what is no STIX object, such as the parts of a dossier; returns the record's id."""
        return self._record(examined, passage)

    def again(self, stored: Sequence[tuple[bytes, Stix]], passage: Passage, record_id: str) -> Cleared:
        """Objects that were cleared before, for another look of the same peer, as canonical bytes beside their content.

        The legal basis is asked again and the markings are looked at again; whatever no longer holds stays here.

        Raises:
            GuardRefused: no legal basis holds any more.
        """
        terms = self.policy.terms(passage.profile, passage.at)
        passed = [body for body, stix in stored if _may_pass(stix, terms)]
        return Cleared(_SEAL, passed, record_id, passage, terms)


def _may_pass(stix: Stix, terms: Terms) -> bool:
    if stix.get("type") == "marking-definition":
        return True  # only published ones are ever cleared
    level = level_of(stix)
    return level is not None and level <= min(terms.profile.tlp, LEAVES_AT_MOST)
