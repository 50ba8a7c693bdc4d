import math

import pytest
import rfc8785
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.errors import LedgerError
from stillwatch.store import merkle
from stillwatch.store.ledger import HEAD, Entry, Ledger
from stillwatch.store.schema import LEDGER, META
from stillwatch.store.state import State
from tests.store.conftest import NOON


@pytest.fixture
def ledger(state: State) -> Ledger:
    written = Ledger(state)
    for number in range(4):
        written.append("test", {"number": number, "word": "a"}, NOON)
    return written


def test_an_untouched_ledger_verifies_and_numbers_its_entries_from_one(ledger: Ledger) -> None:
    ledger.verify()
    assert [entry.seq for entry in ledger.entries()] == [1, 2, 3, 4]
    assert ledger.size() == 4


def test_an_empty_ledger_verifies(state: State) -> None:
    Ledger(state).verify()


def test_the_body_is_canonical(ledger: Ledger) -> None:
    first = ledger.append("test", {"b": 1, "a": None}, NOON)
    second = ledger.append("test", {"a": None, "b": 1}, NOON)
    assert first.body == second.body == '{"a":null,"b":1}'
    assert first.leaf() != second.leaf()


@pytest.mark.parametrize(
    "tamper",
    [
        sa.update(LEDGER).where(LEDGER.c.seq == 2).values(body='{"number":7,"word":"a"}'),
        sa.update(LEDGER).where(LEDGER.c.seq == 2).values(at=0),
        sa.update(LEDGER).where(LEDGER.c.seq == 2).values(kind="other"),
        sa.update(LEDGER).where(LEDGER.c.seq == 3).values(hashes=b"0" * 32),
        sa.update(LEDGER).where(LEDGER.c.seq == 4).values(hashes=b"0" * 96),
        sa.update(META).where(META.c.name == HEAD).values(value="3"),
        sa.update(LEDGER).where(LEDGER.c.seq == 4).values(seq=9),
        sa.delete(LEDGER).where(LEDGER.c.seq == 1),
        sa.delete(LEDGER).where(LEDGER.c.seq == 2),
        sa.delete(LEDGER).where(LEDGER.c.seq == 4),
        sa.delete(LEDGER),
    ],
)
def test_any_change_of_an_entry_is_found(ledger: Ledger, state: State, tamper: sa.Executable) -> None:
    with state.writing() as connection:
        connection.execute(tamper)
    with pytest.raises(LedgerError):
        ledger.verify()


def test_entries_can_be_asked_for_by_kind(ledger: Ledger) -> None:
    ledger.append("other", {}, NOON)
    assert [entry.seq for entry in ledger.entries("other")] == [5]


def test_a_subject_has_one_digest_until_it_is_forgotten(ledger: Ledger, state: State) -> None:
    with state.writing() as connection:
        before = ledger.pseudonymous(connection, "email:7")
        assert ledger.pseudonymous(connection, "email:7") == before
        assert ledger.pseudonymous(connection, "email:8") != before
        ledger.forget(connection, "email:7")
        assert ledger.pseudonymous(connection, "email:7") != before


def test_what_a_leaf_seals_is_canonical_json_of_the_whole_entry() -> None:
    entry = Entry(7, NOON, 'odd "kind"\u20ac', rfc8785.dumps({"b": [1, 2.5, None], "a": {"\u00e9": "\n"}}).decode())
    whole = {
        "seq": 7,
        "at": "2026-04-22T12:00:00.000000Z",
        "kind": 'odd "kind"\u20ac',
        "body": {"a": {"\u00e9": "\n"}, "b": [1, 2.5, None]},
    }
    assert entry.canonical() == rfc8785.dumps(whole)


@pytest.mark.parametrize("value", [math.nan, 2**53, "\ud800"])
def test_a_body_that_is_no_json_is_refused_and_leaves_the_log_as_it_was(ledger: Ledger, value: object) -> None:
    with pytest.raises(LedgerError, match="canonical JSON"):
        ledger.append("test", {"secret": "hunter2", "value": value}, NOON)
    assert ledger.size() == 4
    ledger.verify()


def test_entries_written_together_are_those_written_one_by_one(state: State, tmp_path: object) -> None:
    said = [("test", {"number": number}) for number in range(9)]
    with State.create("sqlite://", workspace_id="w2") as other:
        together, one_by_one = Ledger(state), Ledger(other)
        for part in (said[:4], said[4:]):
            with state.writing() as connection:
                together.append_all_within(connection, part, NOON)
        for kind, body in said:
            one_by_one.append(kind, body, NOON)
        assert together.root() == one_by_one.root()
        together.verify()


@pytest.fixture(scope="module")
def grown() -> Ledger:
    ledger = Ledger(State.create("sqlite://", workspace_id="w3"))
    for number in range(70):
        ledger.append("test", {"number": number}, NOON)
    return ledger


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_entry_is_proved_in_every_later_size_and_nowhere_else(grown: Ledger, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    seq = data.draw(st.integers(1, size))
    proof = grown.prove_inclusion(seq, size)
    assert proof.holds(grown.entry(seq).leaf(), grown.root(size))
    assert not proof.holds(grown.entry(seq % 70 + 1).leaf(), grown.root(size))
    assert len(proof.path) <= math.ceil(math.log2(size)) if size > 1 else not proof.path


@settings(max_examples=60, deadline=None)
@given(second=st.integers(0, 70), data=st.data())
def test_every_earlier_size_is_proved_a_beginning(grown: Ledger, second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, second))
    assert grown.prove_consistency(first, second).holds(grown.root(first), grown.root(second))


def test_a_proof_about_entries_that_do_not_exist_is_refused(ledger: Ledger) -> None:
    for question in (
        lambda: ledger.prove_inclusion(5),
        lambda: ledger.prove_inclusion(0),
        lambda: ledger.prove_inclusion(2, 9),
        lambda: ledger.prove_consistency(5),
        lambda: ledger.prove_consistency(2, 9),
        lambda: ledger.root(5),
        lambda: ledger.entry(5),
    ):
        with pytest.raises(LedgerError):
            question()


def test_a_proof_reads_only_rows_of_the_order_of_the_logarithm(grown: Ledger) -> None:
    asked: list[merkle.Place] = []

    def counting(places: object) -> dict[merkle.Place, bytes]:
        found = list(places)
        asked.extend(found)
        return dict.fromkeys(found, b"")

    merkle.inclusion_proof(123_456, 1_000_000, counting)
    assert len(asked) <= 2 * 20
