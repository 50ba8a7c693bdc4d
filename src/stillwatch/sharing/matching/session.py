"""One session of private matching as a pure state machine: a session and a message in, a session and an answer out.

The steps, A asks B: (0) A offers. (1) B commits to its blinded set. (2) A commits to its own. (3) B opens its set.
(4) A opens its own and returns B's points under A's key, reordered. (5) B returns A's points under B's key, reordered.
Both now hold every item under both keys and count the equal ones; neither can tell which of its own they are. (6) A
consents. (7) B consents by opening the order of step 5, (8) A opens the order of step 4. Each now knows which of its
own items match, and nothing about the others but their number.

Each message carries the digest of the one before it, so that none can be replayed, left out or exchanged. A party that
deviates otherwise is found by an auditor to whom both open their sessions, not by the protocol: security against
malicious parties is not claimed.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from stillwatch.errors import GuardRefused
from stillwatch.guard.matching import (
    Answer,
    Blinded,
    Commit,
    Consent,
    Offer,
    Reblinded,
    Reveal,
    Step,
    digest_of,
)
from stillwatch.sharing.matching import points as group

START: Final = "0" * 64
LEAST_SIZE: Final = 16
Randomness = Callable[[int], bytes]


class MatchRefused(GuardRefused):
    """A message does not fit the session: the session is over, and the refusal is recorded."""


class Item(msgspec.Struct, frozen=True, array_like=True):
    """Something that may be held by both: what is compared, and the token by which it is known here.

    `is_canary` items were never seen in the wild: whoever matches one tries guesses.
    """

    text: str
    token_kind: str
    token: int
    is_canary: bool = False


class Session(msgspec.Struct, frozen=True):
    """Everything that one side knows. It holds the scalar: kept sealed, and never sent.

    `done` counts the steps so far and `last` is the digest of the latest. `places` has for each point that was sent, in
    its order, the place of its item; -1 for padding. `hits` are places of own items that match, once revealed.
    """

    session_id: str
    is_asking: bool
    terms: Offer
    items: tuple[Item, ...]
    key: bytes
    nonce: bytes
    order_key: bytes
    sent: tuple[bytes, ...]
    places: tuple[int, ...]
    done: int = 0
    last: str = START
    peer_commitment: str = ""
    peer_size: int = 0
    peer_order: str = ""
    theirs: tuple[bytes, ...] = ()
    """The peer's points under both keys, in the order in which they came."""
    ours: tuple[bytes, ...] = ()
    """Own points under both keys, in the order in which the peer returned them."""
    n_common: int | None = None
    hits: tuple[int, ...] | None = None

    @property
    def may_reveal(self) -> bool:
        """Whether enough items are common for both to learn which."""
        return self.n_common is not None and self.n_common >= self.terms.reveal_at

    @property
    def counted(self) -> str:
        """How many items are common, as it is told: below the agreed number only that it is below."""
        if self.n_common is None:
            return "not counted"
        return str(self.n_common) if self.may_reveal else f"<{self.terms.reveal_at}"


@dataclass(frozen=True, slots=True)
class Progress:
    """A session after a step, and the message that the other side is to get; None where it is not this side's turn."""

    session: Session
    reply: Step | None


def bucket(n: int) -> int:
    """The power of two, at least LEAST_SIZE, that a set is padded to: its size is told no more exactly than that."""
    return max(LEAST_SIZE, 1 << max(0, n - 1).bit_length())


def offer(terms: Offer, items: Sequence[Item], randomness: Randomness) -> Progress:
    """A session that this side asks for."""
    made = _fresh(terms, items, randomness, is_asking=True)
    return Progress(_after(made, terms), terms)


def answer(terms: Offer, items: Sequence[Item], randomness: Randomness) -> Progress:
    """A session that the other side asked for, and the commitment to the own set."""
    if terms.previous != START:
        raise MatchRefused("an offer follows on nothing")
    made = _after(_fresh(terms, items, randomness, is_asking=False), terms)
    return _replied(made, _commit(made))


def receive(session: Session, message: Step) -> Progress:
    """The session after a message of the other side, and the answer to it.

    A session whose count is done waits: consent is a person's, see `consent`.

    Raises:
        MatchRefused: it is not the step that is due, or not what was committed to.
        GuardRefused: a set holds what no set may hold.
    """
    if message.session != session.session_id or message.previous != session.last:
        raise MatchRefused("a message is of another session, or does not follow on the last one")
    expected, take = _TURNS.get((session.is_asking, session.done), (None, None))
    if expected is None or take is None or not isinstance(message, expected):
        raise MatchRefused(f"step {session.done} of a session is no {type(message).__name__.lower()}")
    return take(session, message)


def consent(session: Session) -> Progress:
    """This side's person agrees that both learn which items match.

    Raises:
        MatchRefused: too few are common, or it is not this side's turn.
    """
    if not session.may_reveal:
        raise MatchRefused(f"{session.counted} items are common; both learn which from {session.terms.reveal_at} on")
    if session.is_asking and session.done == 6:
        return _replied(session, Consent(session.session_id, session.last))
    if not session.is_asking and session.done == 7:
        return _replied(session, _reveal(session))
    raise MatchRefused("consent is given once, by the side that asked first, after both have counted")


# -- one step after the other -----------------------------------------------------------------------------------------


def _take_commit(session: Session, message: Commit) -> Progress:
    known = _after(session, message, peer_commitment=message.commitment, peer_size=message.size)
    return _replied(known, _commit(known))


def _take_last_commit(session: Session, message: Commit) -> Progress:
    if message.size != session.terms.size:
        raise MatchRefused(f"the set has {message.size:,} points, {session.terms.size:,} were offered")
    known = _after(session, message, peer_commitment=message.commitment, peer_size=message.size)
    return _replied(known, Blinded(known.session_id, known.last, known.nonce.hex(), b"".join(known.sent)))


def _take_blinded(session: Session, message: Blinded) -> Progress:
    known = _opened(_after(session, message), message.nonce, message.points)
    reblinded = b"".join(_ordered(known.theirs, known.order_key))
    opened = Answer(
        known.session_id, known.last, known.nonce.hex(), b"".join(known.sent), reblinded, _order(known.order_key)
    )
    return _replied(known, opened)


def _take_answer(session: Session, message: Answer) -> Progress:
    known = _opened(_after(session, message), message.nonce, message.points)
    counted = _counted(known, message.reblinded, message.order)
    reblinded = b"".join(_ordered(counted.theirs, counted.order_key))
    return _replied(counted, Reblinded(counted.session_id, counted.last, reblinded, _order(counted.order_key)))


def _take_reblinded(session: Session, message: Reblinded) -> Progress:
    return Progress(_counted(_after(session, message), message.reblinded, message.order), None)


def _take_consent(session: Session, message: Consent) -> Progress:
    if not session.may_reveal:
        raise MatchRefused("the other side wants to learn which items match, and too few do")
    return Progress(_after(session, message), None)


def _take_reveal(session: Session, message: Reveal) -> Progress:
    known = _revealed(_after(session, message), message.order_key)
    return _replied(known, _reveal(known))


def _take_last_reveal(session: Session, message: Reveal) -> Progress:
    return Progress(_revealed(_after(session, message), message.order_key), None)


_TURNS: Final[dict[tuple[bool, int], tuple[type, Callable[..., Progress]]]] = {
    (True, 1): (Commit, _take_commit),
    (False, 2): (Commit, _take_last_commit),
    (True, 3): (Blinded, _take_blinded),
    (False, 4): (Answer, _take_answer),
    (True, 5): (Reblinded, _take_reblinded),
    (False, 6): (Consent, _take_consent),
    (True, 7): (Reveal, _take_reveal),
    (False, 8): (Reveal, _take_last_reveal),
}
"""Whether this side asked, and how many steps are done: which message is due, and what is made of it."""


# -- plumbing ---------------------------------------------------------------------------------------------------------


def _fresh(terms: Offer, items: Sequence[Item], randomness: Randomness, *, is_asking: bool) -> Session:
    """A session with a scalar of its own; its set is blinded, padded and in the order of its bytes, which is random."""
    key = group.scalar(randomness)
    known = tuple(items)
    mine = group.blinded((group.hashed(terms.token_kind, item.text) for item in known), key)
    size = terms.size if is_asking else bucket(len(known))
    pads = [group.padding(randomness) for _ in range(size - len(known))]
    placed = sorted(zip([*mine, *pads], [*range(len(known)), *(-1 for _ in pads)], strict=True))
    return Session(
        session_id=terms.session, is_asking=is_asking, terms=terms, items=known, key=key, nonce=randomness(32),
        order_key=randomness(32), sent=tuple(point for point, _ in placed), places=tuple(place for _, place in placed),
    )  # fmt: skip


def _after(session: Session, step: Step, **known: object) -> Session:
    return msgspec.structs.replace(session, done=session.done + 1, last=digest_of(step), **known)


def _replied(session: Session, reply: Step) -> Progress:
    return Progress(_after(session, reply), reply)


def _commit(session: Session) -> Commit:
    committed = _commitment(session.nonce, b"".join(session.sent))
    return Commit(session.session_id, session.last, len(session.sent), committed)


def _commitment(nonce: bytes, raw: bytes) -> str:
    return hashlib.sha256(b"stillwatch/match/1/set\0" + nonce + raw).hexdigest()


def _order(order_key: bytes) -> str:
    return hashlib.sha256(b"stillwatch/match/1/order\0" + order_key).hexdigest()


def _opened(session: Session, nonce: str, raw: bytes) -> Session:
    """The session with the other side's set, which is the one that it committed to."""
    if not hmac.compare_digest(_commitment(bytes.fromhex(nonce), raw), session.peer_commitment):
        raise MatchRefused("a set is not the one that was committed to")
    found = group.split(raw, session.peer_size)
    if found != sorted(found):
        raise MatchRefused("a set is not in the order of its bytes")
    if not set(found).isdisjoint(session.sent):
        raise MatchRefused("a set holds points of the own one: it was copied")
    return msgspec.structs.replace(session, theirs=tuple(group.blinded(found, session.key)))


def _places(size: int, order_key: bytes) -> list[int]:
    """The order that a key stands for: which point comes where."""
    drawn = [hmac.digest(order_key, number.to_bytes(4, "big"), "sha256") for number in range(size)]
    return sorted(range(size), key=drawn.__getitem__)


def _ordered(found: Sequence[bytes], order_key: bytes) -> list[bytes]:
    return [found[place] for place in _places(len(found), order_key)]


def _counted(session: Session, raw: bytes, order: str) -> Session:
    """The session after the own set came back under both keys."""
    returned = group.split(raw, len(session.sent))
    common = set(returned).intersection(session.theirs)
    if len(common) > len(session.items):
        raise MatchRefused("more points match than there are own items: the other side's answer is made up")
    return msgspec.structs.replace(session, ours=tuple(returned), peer_order=order, n_common=len(common))


def _reveal(session: Session) -> Reveal:
    return Reveal(session.session_id, session.last, session.order_key.hex())


def _revealed(session: Session, order_key: str) -> Session:
    """The session with the places of own items that match."""
    key = bytes.fromhex(order_key)
    if not hmac.compare_digest(_order(key), session.peer_order):
        raise MatchRefused("an order is not the one that was committed to")
    theirs = set(session.theirs)
    order = _places(len(session.sent), key)
    hits = [session.places[place] for place, point in zip(order, session.ours, strict=True) if point in theirs]
    if -1 in hits:
        raise MatchRefused("padding matches: the other side's answer is made up")
    return msgspec.structs.replace(session, hits=tuple(sorted(hits)))
