"""Messages of private matching: what may be in them, and the seal without which no channel takes one.

A message holds points of a group, digests, sizes and ids; its shape has no room for anything else. Nothing in it names
a token, an account or a count below the agreed size.
"""

import hashlib
from datetime import datetime
from typing import Annotated, Final, final

import msgspec
from msgspec import Meta

from stillwatch.errors import GuardRefused
from stillwatch.guard.envelope import Digest, Signer, enveloped, opened, unverified
from stillwatch.guard.policy import Matching, Policy, Terms

MESSAGE_TYPE: Final = "application/vnd.stillwatch.matching+json"
POINT_BYTES: Final = 32

TEXTS: Final = "texts"
"""Stands for all technical kinds of the policy in one comparison."""

SessionId = Annotated[str, Meta(pattern=r"^m-[0-9a-f]{32}$")]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
Size = Annotated[int, Meta(ge=16, le=1 << 16)]
_SEAL: Final = object()


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="step", tag=str.lower):
    """One step of a session. `previous` is SHA-256 of the step before it; of an offer, 64 zeros."""

    session: SessionId
    previous: Digest


class Offer(Message, frozen=True, tag="offer"):
    """The first step: who compares what with whom, in sets of which size, and from how many hits on to reveal."""

    sender: Name
    receiver: Name
    token_kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
    size: Size
    reveal_at: Annotated[int, Meta(ge=1, le=1 << 16)]
    expires_at: Annotated[int, Meta(ge=0, le=1 << 52)]
    """Microseconds since 1970, UTC."""


class Commit(Message, frozen=True, tag="commit"):
    """A set of `size` points, fixed before anything of the other side's is seen."""

    size: Size
    commitment: Digest


class Blinded(Message, frozen=True, tag="blinded"):
    """The committed set: points of POINT_BYTES each, ascending, end to end."""

    nonce: Digest
    points: bytes


class Answer(Message, frozen=True, tag="answer"):
    """The committed set, and the other side's points under the own key, in an order that `order` commits to."""

    nonce: Digest
    points: bytes
    reblinded: bytes
    order: Digest


class Reblinded(Message, frozen=True, tag="reblinded"):
    """The other side's points under the own key, in an order that `order` commits to."""

    reblinded: bytes
    order: Digest


class Consent(Message, frozen=True, tag="consent"):
    """The sender agrees that both learn which items match."""


class Reveal(Message, frozen=True, tag="reveal"):
    """The key of the sender's order; who has it knows which of their own items match. It is consent as well."""

    order_key: Digest


Step = Offer | Commit | Blinded | Answer | Reblinded | Consent | Reveal


@final
class ClearedStep:
    """A signed step that the guard let out. Only the guard makes these, and channels take nothing else."""

    __slots__ = ("body", "step")

    def __init__(self, seal: object, step: Step, body: bytes) -> None:
        if seal is not _SEAL:
            raise TypeError("only the guard clears steps; call clear_step")
        self.step = step
        self.body = body


def matching_terms(policy: Policy, token_kind: str, at: datetime) -> tuple[Matching, Terms]:
    """The limits of the policy and the profile that a comparison of tokens of a kind stands on.

    Raises:
        GuardRefused: the policy lets no such tokens be compared, or no legal basis holds.
    """
    limits = policy.matching
    terms = policy.terms(limits.profile, at)
    if token_kind in limits.identities and terms.profile.identity == "drop":
        raise GuardRefused(
            f"profile {terms.name!r} lets no identities be compared, and {token_kind} is one; ask counsel"
        )
    if token_kind not in (TEXTS, *limits.technical, *limits.identities):
        raise GuardRefused(f"the sharing policy lets no tokens of kind {token_kind!r} be compared with a peer")
    return limits, terms


def clear_step(step: Step, policy: Policy, token_kind: str, signer: Signer, at: datetime) -> ClearedStep:
    """A step of a session about a kind of token, signed, as bytes that a channel takes.

    Raises:
        GuardRefused: the policy in force lets no such tokens be compared.
    """
    matching_terms(policy, token_kind, at)
    return ClearedStep(_SEAL, step, enveloped(payload_of(step), MESSAGE_TYPE, signer))


def payload_of(step: Step) -> bytes:
    """The bytes of a step that are signed and chained; equal steps give equal bytes."""
    return msgspec.json.encode(step, order="sorted")


def digest_of(step: Step) -> str:
    """SHA-256 of a step, hexadecimal."""
    return hashlib.sha256(payload_of(step)).hexdigest()


def read_step(body: bytes, public_key: bytes) -> Step:
    """The step in a signed message: (1) it is signed by the key, (2) it has the form.

    Raises:
        GuardRefused: one of them fails. The message never quotes it.
    """
    payload = opened(body, MESSAGE_TYPE, public_key)  # (1)
    try:
        step: Step = msgspec.json.decode(payload, type=Step)  # (2)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        raise GuardRefused("a message of private matching has not the form of one") from None
    if payload_of(step) != payload:
        raise GuardRefused("a message of private matching is not in canonical form")
    return step


def session_of(body: bytes) -> str:
    """The session that a message says it is of, before anything about it is checked; empty where it says none."""
    try:
        return msgspec.json.decode(unverified(body), type=_Named).session
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        return ""


class _Named(msgspec.Struct, frozen=True):
    session: SessionId
