import pytest
import sqlalchemy as sa

from stillwatch.errors import LedgerError
from stillwatch.store.ledger import Ledger
from stillwatch.store.schema import LEDGER
from stillwatch.store.state import State
from tests.store.conftest import NOON


@pytest.fixture
def ledger(state: State) -> Ledger:
    written = Ledger(state)
    for number in range(4):
        written.append("test", {"number": number, "word": "a"}, NOON)
    return written


def test_an_untouched_ledger_verifies_and_chains_each_entry_to_the_one_before(ledger: Ledger) -> None:
    ledger.verify()
    entries = ledger.entries()
    assert [entry.seq for entry in entries] == [1, 2, 3, 4]
    assert [entry.previous for entry in entries[1:]] == [entry.digest for entry in entries[:-1]]


def test_an_empty_ledger_verifies(state: State) -> None:
    Ledger(state).verify()


def test_the_body_is_canonical(ledger: Ledger) -> None:
    first = ledger.append("test", {"b": 1, "a": None}, NOON)
    second = ledger.append("test", {"a": None, "b": 1}, NOON)
    assert first.body == second.body == '{"a":null,"b":1}'
    assert first.digest != second.digest


@pytest.mark.parametrize(
    "tamper",
    [
        sa.update(LEDGER).where(LEDGER.c.seq == 2).values(body='{"number":7,"word":"a"}'),
        sa.update(LEDGER).where(LEDGER.c.seq == 2).values(at=0),
        sa.update(LEDGER).where(LEDGER.c.seq == 2).values(kind="other"),
        sa.update(LEDGER).where(LEDGER.c.seq == 4).values(digest="0" * 64),
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
