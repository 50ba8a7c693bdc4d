"""What the life cycle does to the state database, on every kind of database."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
import sqlalchemy as sa

from stillwatch.errors import UnderHold, VaultError
from stillwatch.store.audit import AuditTrail, Call
from stillwatch.store.erasure import forget_account, names_account
from stillwatch.store.expiry import expire_rows, n_expiring
from stillwatch.store.holds import Holds
from stillwatch.store.journal import Journal
from stillwatch.store.keys import Keys, linked
from stillwatch.store.ledger import Ledger
from stillwatch.store.migrations import migrate_state
from stillwatch.store.outbox import Message, Outbox
from stillwatch.store.rekeying import key_id, rekey_state
from stillwatch.store.schema import META, STORED, microseconds
from stillwatch.store.state import State
from stillwatch.store.vault import Vault
from tests.databases import KINDS, database
from tests.store.conftest import NOON

LATER = NOON + timedelta(days=30)


@pytest.fixture(params=KINDS)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    with database(request.param, tmp_path) as url, State.create(url, workspace_id="w1") as made:
        yield made


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.create(tmp_path / "keys.json")


def fill(state: State, keys: Keys) -> None:
    """Two accounts with an identity each, judgements, a call and an event that name the first."""
    ledger = Ledger(state)
    emails = pa.array(["one@mail.example", "two@mail.example"])
    Vault(state, keys, ledger).seal("email", pa.array([101, 102], pa.int64()), emails, expires_at=LATER)
    for account in ("acct-0000000000000065", "a2"):
        Journal(state, ledger).record_judgement(
            subject_kind="account", subject_id=account, verdict="honest", author="r",
            note="beside acct-0000000000000065", judged_at=NOON,
        )  # fmt: skip
    AuditTrail(state).write([(Call("POST", "/v1/judgements", 200, subject="acct-0000000000000065"), 1)], NOON)
    body = '{"account":"acct-0000000000000065"}'
    Outbox(state).put(
        [Message("e1", "k", None, NOON, body, ("desk",)), Message("e2", "k", None, NOON, "{}", ("desk",))]
    )


def column(state: State, table: str, name: str) -> list[Any]:
    with state.reading() as connection:
        return sorted(connection.scalars(sa.select(STORED[table].c[name])), key=str)


def test_an_account_is_forgotten_and_others_stay(state: State, keys: Keys) -> None:
    fill(state, keys)
    account = "acct-0000000000000065"
    assert names_account(state, account)
    done = forget_account(state, Ledger(state), account, {"email": {101}}, actor="ana", reason="r 1", at=LATER)
    assert (done.n_identities, done.n_renamed) == (1, 0)
    assert column(state, "identities", "pseudonym") == [102]
    assert column(state, "judgements", "subject_id") == ["a2"]
    assert column(state, "webhook_events", "event_id") == column(state, "webhook_deliveries", "event_id") == ["e2"]
    (alias,) = column(state, "audit_entries", "subject")
    assert alias.startswith("erased-")
    assert column(state, "judgements", "note") == [f"beside {alias}"]
    assert not names_account(state, account)
    state.shred()
    Ledger(state).verify()


def test_everything_is_under_new_keys_and_opens_with_them_alone(state: State, keys: Keys) -> None:
    fill(state, keys)
    fresh = keys.prepared()
    assert fresh.next is not None
    link = fresh.next.link_key
    done = rekey_state(
        state, Ledger(state), fresh, lambda name: name.replace("0065", "beef"), actor="ana", reason="yearly", at=LATER
    )
    assert (done.n_identities, key_id(state)) == (2, "k2")
    assert column(state, "judgements", "subject_id") == ["a2", "acct-000000000000beef"]
    assert column(state, "audit_entries", "subject") == ["acct-000000000000beef"]
    said = {"actor": "ana", "reason": "check", "at": NOON}
    assert Vault(state, fresh.promoted(), Ledger(state)).open("email", linked(link, 101), **said) == "one@mail.example"
    with pytest.raises(VaultError, match="does not open"):
        Vault(state, keys, Ledger(state)).open("email", linked(link, 101), **said)
    Ledger(state).verify()


def test_a_hold_refuses_until_it_is_released(state: State) -> None:
    holds = Holds(state, Ledger(state))
    holds.place(
        "case-7", {"a1": None, "a2": "c-1"}, reason="litigation", placed_by="ana", approver="ben", at=NOON,
        expires_at=LATER,
    )  # fmt: skip
    with pytest.raises(UnderHold, match="case-7"):
        holds.refuse("a1", actor="ana", at=NOON)
    with pytest.raises(UnderHold, match="case-7"):
        holds.refuse("a9", actor="ana", at=NOON, campaigns=["c-1"])
    holds.refuse("a9", actor="ana", at=NOON)
    assert holds.held(NOON) == {"a1", "a2"}
    assert [hold.n_accounts for hold in holds.standing(NOON)] == [2]
    assert holds.release("case-7", released_by="ben", at=NOON) == 2
    holds.refuse("a1", actor="ana", at=NOON)
    assert holds.all().num_rows == 2


def test_rows_expire_by_their_own_time_and_deliveries_with_their_event(state: State, keys: Keys) -> None:
    fill(state, keys)
    assert n_expiring(state, "webhook_events", "happened_at", NOON) == 0
    assert expire_rows(state, "webhook_events", "happened_at", NOON + timedelta(seconds=1)) == 2
    assert column(state, "webhook_deliveries", "event_id") == []
    assert expire_rows(state, "audit_entries", "at", LATER) == 1


def test_a_chained_ledger_becomes_a_merkle_log(state: State) -> None:
    """The database as state version 1 had it, with three entries."""
    with state.writing() as connection:
        connection.execute(sa.text("DROP TABLE ledger"))
        connection.execute(
            sa.text(
                "CREATE TABLE ledger (seq BIGINT PRIMARY KEY, at BIGINT, kind TEXT, body TEXT, previous TEXT, "
                "digest TEXT)"
            )
        )
        head = "0" * 64
        for seq in (1, 2, 3):
            row = [seq, microseconds(NOON), "vault.open", f'{{"actor":"ana","n":{seq}}}']
            sealed = hashlib.blake2b(msgspec.json.encode([*row, head]), digest_size=32).hexdigest()
            connection.execute(
                sa.text("INSERT INTO ledger VALUES (:seq, :at, :kind, :body, :previous, :digest)"),
                dict(zip(("seq", "at", "kind", "body", "previous", "digest"), (*row, head, sealed), strict=True)),
            )
            head = sealed
        state.insert_new(connection, META, [{"name": "ledger_head", "value": f'{{"seq":3,"digest":"{head}"}}'}])
        connection.execute(sa.update(META).where(META.c.name == "schema_version").values(value="1"))
    assert [change.version for change in migrate_state(state, LATER)] == [1]
    ledger = Ledger(state)
    ledger.verify()
    assert [entry.kind for entry in ledger.entries()] == ["vault.open"] * 3 + ["ledger.migrated"]
    assert migrate_state(state, LATER) == []
