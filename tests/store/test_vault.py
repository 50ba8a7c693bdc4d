from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stillwatch.errors import VaultError
from stillwatch.store.keys import Keys
from stillwatch.store.ledger import Ledger
from stillwatch.store.schema import STORED
from stillwatch.store.state import State
from stillwatch.store.vault import IdentityClass, Vault
from tests.store.conftest import NOON

SEALED = STORED["identities"]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.create(tmp_path / "keys.json")


@pytest.fixture
def vault(state: State, keys: Keys) -> Vault:
    return Vault(state, keys, Ledger(state))


def seal(vault: Vault, identities: dict[int, str], kind: str = "email", hours: int | None = None) -> int:
    expires_at = None if hours is None else NOON + timedelta(hours=hours)
    pseudonyms = pa.array(list(identities), pa.int64())
    return vault.seal(kind, pseudonyms, pa.array(list(identities.values()), pa.string()), expires_at=expires_at)


def opened(vault: Vault, pseudonym: int, kind: str = "email") -> str:
    return vault.open(kind, pseudonym, actor="officer", reason="case 7", at=NOON)


def n_rows(state: State) -> int:
    with state.reading() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(SEALED)) or 0


def test_what_was_sealed_opens_under_its_class_and_pseudonym(vault: Vault) -> None:
    assert seal(vault, {1: "ann@example.org", -(2**63): "bob@example.org"}) == 2
    assert seal(vault, {1: "192.0.2.7"}, "address") == 1
    assert opened(vault, 1) == "ann@example.org"
    assert opened(vault, -(2**63)) == "bob@example.org"
    assert opened(vault, 1, "address") == "192.0.2.7"


def test_the_database_holds_no_raw_value(vault: Vault, tmp_path: Path) -> None:
    seal(vault, {1: "ann@example.org"})
    opened(vault, 1)
    for file in tmp_path.glob("state.sqlite*"):
        assert b"ann@" not in file.read_bytes()


def test_equal_values_have_different_ciphertexts(vault: Vault, state: State) -> None:
    seal(vault, {1: "same", 2: "same"})
    with state.reading() as connection:
        first, second = connection.scalars(sa.select(SEALED.c.sealed))
    assert first[12:] != second[12:]


def test_every_opening_is_in_the_ledger_without_the_value_or_the_pseudonym(vault: Vault, state: State) -> None:
    seal(vault, {123456789: "ann@example.org"})
    opened(vault, 123456789)
    opened(vault, 123456789)
    entries = Ledger(state).entries("vault.open")
    bodies = [msgspec.json.decode(entry.body) for entry in entries]
    assert [body["actor"] for body in bodies] == ["officer", "officer"]
    assert bodies[0]["reason"] == "case 7"
    assert bodies[0]["subject"] == bodies[1]["subject"]
    assert not any("ann@" in entry.body or "123456789" in entry.body for entry in entries)
    Ledger(state).verify()


@pytest.mark.parametrize(("actor", "reason"), [("", "case 7"), ("officer", " ")])
def test_the_vault_opens_only_for_a_named_actor_with_a_reason(vault: Vault, actor: str, reason: str) -> None:
    seal(vault, {1: "ann@example.org"})
    with pytest.raises(VaultError, match="actor"):
        vault.open("email", 1, actor=actor, reason=reason, at=NOON)


def test_many_open_at_once_with_one_entry_each_and_those_never_sealed_are_left_out(vault: Vault, state: State) -> None:
    seal(vault, {1: "ann@example.org", 2: "bob@example.org"})
    found = vault.open_many("email", [2, 1, 3, 1], actor="officer", reason="screening", at=NOON)
    assert found == {1: "ann@example.org", 2: "bob@example.org"}
    assert len(Ledger(state).entries("vault.open")) == 2


def test_what_was_never_sealed_does_not_open_and_is_not_logged(vault: Vault, state: State) -> None:
    with pytest.raises(VaultError, match="no identity"):
        opened(vault, 1)
    assert Ledger(state).entries() == []


@pytest.mark.parametrize(
    "change", [{"pseudonym": 2}, {"identity_class": "phone"}, {"key_id": "k9"}, {"sealed": bytes(40)}]
)
def test_a_row_that_was_changed_or_moved_does_not_open(vault: Vault, state: State, change: dict[str, object]) -> None:
    seal(vault, {1: "ann@example.org"})
    with state.writing() as connection:
        connection.execute(sa.update(SEALED).values(**change))
    with pytest.raises(VaultError, match="does not open"):
        opened(vault, int(str(change.get("pseudonym", 1))), str(change.get("identity_class", "email")))


def test_another_key_does_not_open_and_the_message_says_why(vault: Vault, state: State, tmp_path: Path) -> None:
    seal(vault, {1: "ann@example.org"})
    other = Vault(state, Keys.create(tmp_path / "other.json"), Ledger(state))
    with pytest.raises(VaultError, match="STILLWATCH_KEYS"):
        opened(other, 1)


def test_sealing_again_keeps_the_first_value_and_expiry(vault: Vault, state: State) -> None:
    seal(vault, {1: "first"}, hours=1)
    assert seal(vault, {1: "second", 2: "new"}) == 1
    assert opened(vault, 1) == "first"
    vault.expire(NOON + timedelta(hours=1))
    assert n_rows(state) == 1


def test_nulls_are_passed_over_and_repeats_count_once(vault: Vault, state: State) -> None:
    pseudonyms = pa.array([1, None, 2, 1, 3], pa.int64())
    values = pa.array(["a", "b", None, "a", "c"], pa.string())
    assert vault.seal("name", pseudonyms, values) == 2
    assert n_rows(state) == 2


def test_nothing_to_seal_is_nothing_sealed(vault: Vault) -> None:
    assert seal(vault, {}) == 0


def test_an_expired_identity_does_not_open_and_goes_at_expiry(vault: Vault, state: State) -> None:
    seal(vault, {1: "ann"}, hours=0)
    seal(vault, {2: "bob"}, hours=1)
    seal(vault, {3: "cy"})
    with pytest.raises(VaultError, match="expired"):
        opened(vault, 1)
    assert opened(vault, 2) == "bob"
    assert vault.expire(NOON) == 1
    assert vault.expire(NOON) == 0
    assert n_rows(state) == 2
    assert [entry.body for entry in Ledger(state).entries("vault.expire")] == ['{"n_identities":1}']


def test_erasing_removes_all_classes_and_cuts_the_ledger_from_the_person(vault: Vault, state: State) -> None:
    for kind in ("email", "name"):
        seal(vault, {1: "ann", 2: "bob"}, kind)
    opened(vault, 1)
    assert vault.erase(1, actor="officer", reason="request 3", at=NOON) == 2
    assert vault.erase(1, actor="officer", reason="request 3", at=NOON) == 0
    with pytest.raises(VaultError, match="no identity"):
        opened(vault, 1)
    assert opened(vault, 2) == "bob"
    ledger = Ledger(state)
    assert len(ledger.entries("vault.erase")) == 2
    ledger.verify()
    old = msgspec.json.decode(ledger.entries("vault.open")[0].body)["subject"]
    with state.writing() as connection:
        assert ledger.pseudonymous(connection, "email:1") != old


def test_a_class_that_does_not_exist_is_refused(vault: Vault) -> None:
    with pytest.raises(VaultError, match="address, email"):
        seal(vault, {1: "x"}, "nationality")


def test_arrays_of_different_length_are_refused(vault: Vault) -> None:
    with pytest.raises(VaultError, match="1 values"):
        vault.seal("email", pa.array([1, 2], pa.int64()), pa.array(["x"]))


def test_more_identities_than_one_transaction_takes_are_all_sealed(vault: Vault, state: State) -> None:
    many = {number: f"person {number}" for number in range(45_000)}
    assert seal(vault, many) == 45_000
    assert opened(vault, 44_999) == "person 44999"


@given(
    kind=st.sampled_from(IdentityClass),
    pseudonym=st.integers(-(2**63), 2**63 - 1),
    value=st.text(st.characters(exclude_categories=["Cs"])),
)
@hypothesis_settings(
    max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_under_any_pseudonym_comes_back(vault: Vault, kind: IdentityClass, pseudonym: int, value: str) -> None:
    assert seal(vault, {pseudonym: value}, kind) == 1
    assert opened(vault, pseudonym, kind) == value
    assert vault.erase(pseudonym, actor="test", reason="next example", at=NOON) == 1
