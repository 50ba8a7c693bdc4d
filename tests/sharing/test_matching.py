"""The protocol of private matching: exact, and no deviation gets past it."""

import hashlib
import json
import random
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import rbcl
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stillwatch.errors import GuardRefused
from stillwatch.guard.matching import Answer, Blinded, Commit, Offer, Reblinded, Reveal, Step, payload_of
from stillwatch.sharing.matching import Item, MatchRefused, Progress, Session, answer, consent, offer
from stillwatch.sharing.matching.points import hashed
from stillwatch.sharing.matching.session import START, bucket, receive
from tests.sharing.others import python

KIND = "skeleton"


def items(texts: Sequence[str]) -> list[Item]:
    return [Item(text, KIND, number) for number, text in enumerate(texts)]


def drawn(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def terms(n: int, *, reveal_at: int = 5, kind: str = KIND) -> Offer:
    return Offer("m-" + "0" * 32, START, "lab-a", "lab-b", kind, bucket(n), reveal_at, 1 << 50)


def start(a: Sequence[str], b: Sequence[str], **said: Any) -> tuple[Progress, Progress]:
    """Both sides after the offer was answered."""
    asked = offer(terms(len(a), **said), items(a), drawn(1))
    assert isinstance(asked.reply, Offer)
    return asked, answer(asked.reply, items(b), drawn(2))


def played(a: Sequence[str], b: Sequence[str], *, steps: int = 99, **said: Any) -> tuple[Session, Session, list[Step]]:
    """Both sides, asked and asking, after at most so many messages, and the messages."""
    asking, asked = start(a, b, **said)
    sides, told, turn = [asking.session, asked.session], [asking.reply, asked.reply], 0
    while len(told) < steps:
        made = receive(sides[turn], told[-1]) if told[-1] is not None else None
        if made is not None:
            sides[turn] = made.session
        if made is None or made.reply is None:
            waiting = turn if sides[turn].done == 7 else 0
            if sides[waiting].done not in (6, 7) or not sides[waiting].may_reveal:
                break
            made, turn = consent(sides[waiting]), waiting
            sides[turn] = made.session
        told.append(made.reply)
        turn = 1 - turn
    return sides[0], sides[1], [step for step in told if step is not None]


WORDS = st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=30)


@settings(max_examples=40, deadline=None)
@given(a=WORDS, b=WORDS, reveal_at=st.integers(1, 8))
def test_both_sides_count_and_learn_the_plain_intersection(a: list[str], b: list[str], reveal_at: int) -> None:
    asking, asked, _ = played(a, b, reveal_at=reveal_at)
    common = set(a) & set(b)
    assert asking.n_common == asked.n_common == len(common)
    for side in (asking, asked):
        if len(common) < reveal_at:
            assert (side.hits, side.counted) == (None, f"<{reveal_at}")
        else:
            assert {side.items[place].text for place in side.hits or ()} == common


@pytest.mark.parametrize(("n", "n_common"), [(0, 0), (1, 1), (4, 4), (5, 5), (600, 300), (600, 0)])
def test_sizes_around_the_agreed_number_are_exact(n: int, n_common: int) -> None:
    a = [f"item {number}" for number in range(n)]
    b = a[:n_common] + [f"other {number}" for number in range(n - n_common)]
    asking, asked, told = played(a, b)
    assert asking.n_common == asked.n_common == n_common
    assert (asking.hits is not None) == (n_common >= 5)
    assert len(told) == (9 if n_common >= 5 else 6)


def test_the_same_item_of_another_kind_does_not_match() -> None:
    texts = items([f"{number:x}" for number in range(16)])  # no padding, which would be drawn alike
    sets = [set(answer(terms(16, kind=kind), texts, drawn(2)).session.sent) for kind in ("skeleton", "system")]
    assert sets[0].isdisjoint(sets[1])
    assert hashed("skeleton", "xy") != hashed("skeletonx", "y")


def test_a_transcript_holds_no_item_and_no_digest_of_one() -> None:
    a = [f"{random.Random(number).getrandbits(64):016x}" for number in range(40)]
    _, _, told = played(a, [*a[:30], "x"])
    raw = b"".join(payload_of(step) for step in told)
    for text in a:
        for guess in (text.encode(), bytes.fromhex(text)):
            for seen in (guess, hashlib.sha256(guess).digest(), hashlib.sha256(guess).hexdigest().encode()):
                assert seen not in raw
        assert hashed(KIND, text) not in raw


def test_sets_of_one_bucket_look_alike_on_the_wire() -> None:
    lengths = []
    for n in (600, 1000):
        a = [f"item {number}" for number in range(n)]
        _, _, told = played(a, a[:3])
        lengths.append([len(payload_of(step)) for step in told])
    assert lengths[0] == lengths[1]


def test_each_session_blinds_anew() -> None:
    first, second = (offer(terms(9), items(["a"]), drawn(seed)).session for seed in (1, 2))
    assert set(first.sent).isdisjoint(second.sent)


@pytest.fixture(scope="module")
def told() -> list[Step]:
    """All nine messages of a session of two sets of 20 that share 10."""
    return played(A, B)[2]


A = [f"item {number}" for number in range(20)]
B = [f"item {number}" for number in range(10, 30)]


def side_before(number: int) -> Session:
    """The side that takes message `number` next."""
    asking, asked, _ = played(A, B, steps=number + 1)
    # the message itself was sent by the other side, and this one has not seen it
    return asking if number % 2 else asked


@pytest.mark.parametrize("number", range(2, 9))
def test_a_message_that_is_replayed_skipped_or_of_another_session_is_refused(number: int, told: list[Step]) -> None:
    side = side_before(number)
    assert receive(side, told[number]).session.done > side.done
    for wrong in (
        told[number - 2],
        replace(told[number], session="m-" + "1" * 32),
        replace(told[number], previous="f" * 64),
        *told[number + 1 :],
    ):
        with pytest.raises(MatchRefused, match=r"another session|no "):
            receive(side, wrong)


def again(step: Step, **changes: Any) -> Step:
    return replace(step, **changes)


IDENTITY = bytes(32)
NO_POINT = b"\xff" * 32


def spoiled(raw: bytes, kind: str) -> bytes:
    """A set of points with one thing wrong with it."""
    points = [raw[at : at + 32] for at in range(0, len(raw), 32)]
    return {
        "truncated": raw[:-32],
        "longer": raw + points[0],
        "ragged": raw[:-1],
        "twice": b"".join([points[0], points[0], *points[2:]]),
        "identity": b"".join([IDENTITY, *points[1:]]),
        "no point": b"".join([*points[:-1], NO_POINT]),
    }[kind]


KINDS = ("truncated", "longer", "ragged", "twice", "identity", "no point")


def committed_to(raw: bytes, nonce: str) -> str:
    return hashlib.sha256(b"stillwatch/match/1/set\0" + bytes.fromhex(nonce) + raw).hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoiled_set_is_refused_although_it_was_committed_to(kind: str, told: list[Step]) -> None:
    opened = told[4]
    assert isinstance(opened, Answer)
    raw = spoiled(opened.points, kind)
    side = replace(side_before(4), peer_commitment=committed_to(raw, opened.nonce))
    with pytest.raises(GuardRefused):
        receive(side, again(opened, points=raw))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [4, 5])
def test_a_spoiled_answer_is_refused(number: int, kind: str, told: list[Step]) -> None:
    step = told[number]
    assert isinstance(step, Answer | Reblinded)
    with pytest.raises(GuardRefused):
        receive(side_before(number), again(step, reblinded=spoiled(step.reblinded, kind)))


@pytest.mark.parametrize("number", [3, 4])
def test_a_set_that_is_swapped_after_the_commitment_is_refused(number: int, told: list[Step]) -> None:
    step = told[number]
    assert isinstance(step, Blinded | Answer)
    other = offer(terms(20), items(["dictionary"]), drawn(9)).session
    with pytest.raises(MatchRefused, match="committed"):
        receive(side_before(number), again(step, points=b"".join(other.sent)))
    with pytest.raises(MatchRefused, match="committed"):
        receive(side_before(number), again(step, nonce="0" * 64))


def test_a_set_larger_than_was_offered_is_refused(told: list[Step]) -> None:
    step = told[2]
    assert isinstance(step, Commit)
    with pytest.raises(MatchRefused, match="offered"):
        receive(side_before(2), again(step, size=1024))


def test_a_set_that_was_copied_from_the_own_one_is_refused(told: list[Step]) -> None:
    side, opened = side_before(4), told[4]
    assert isinstance(opened, Answer)
    raw = b"".join(side.sent)
    with pytest.raises(MatchRefused, match="copied"):
        receive(replace(side, peer_commitment=committed_to(raw, opened.nonce)), again(opened, points=raw))


def test_an_answer_in_which_everything_matches_is_refused_as_made_up(told: list[Step]) -> None:
    asking = side_before(5)
    step = told[5]
    assert isinstance(step, Reblinded)
    with pytest.raises(MatchRefused, match="made up"):
        receive(asking, again(step, reblinded=b"".join(asking.theirs)))


def test_an_order_other_than_the_one_committed_to_is_refused(told: list[Step]) -> None:
    step = told[7]
    assert isinstance(step, Reveal)
    with pytest.raises(MatchRefused, match="order"):
        receive(side_before(7), again(step, order_key="0" * 64))


def test_nobody_learns_which_items_match_below_the_agreed_number() -> None:
    asking, asked, told = played(A, B, reveal_at=11)
    assert len(told) == 6
    assert asking.counted == "<11"
    with pytest.raises(MatchRefused, match="<11 items"):
        consent(asking)
    with pytest.raises(MatchRefused):
        receive(asked, told[0])


def test_equal_arguments_give_equal_bytes() -> None:
    first, second = (played(A, B)[2] for _ in range(2))
    assert [payload_of(step) for step in first] == [payload_of(step) for step in second]


def test_points_are_those_of_libsodium() -> None:
    assert rbcl.crypto_core_ristretto255_is_valid_point(hashed(KIND, "x"))


def test_another_implementation_finds_the_same_items(tmp_path: Path) -> None:
    program = python()
    draw = random.Random(17)
    pool = [f"{draw.getrandbits(64):016x}" for _ in range(900)]
    a, b = pool[:600], pool[450:]
    for name, texts in (("a", a), ("b", b)):
        (tmp_path / name).write_text("\n".join(texts))
    script = Path(__file__).with_name("psi_oracle.py")
    run = subprocess.run([program, script, tmp_path / "a", tmp_path / "b"], capture_output=True, text=True, check=True)
    asking, _, _ = played(a, b)
    assert sorted(asking.items[place].text for place in asking.hits or ()) == json.loads(run.stdout)["hits"]
