"""Erasing an account: no byte of it stays, nobody else loses a row, and the ledger still verifies."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from stillwatch.errors import EnvironmentFault, UnderHold, UsageError
from stillwatch.model.decision import Action, Decision, Mode
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_EVENTS,
    ACCOUNTS,
    CONTENTS,
    EXCHANGE_RECORDS,
    PROMPT_SKETCHES,
    TOKEN_USES,
)
from stillwatch.pipeline.lifecycle import Custodian
from stillwatch.python_api import Stillwatch
from stillwatch.store.audit import AuditTrail, Call
from stillwatch.store.decisions import Batch, Decisions
from stillwatch.store.outbox import Message, Outbox
from stillwatch.store.schema import STORED
from stillwatch.store.spool import Settings as SpoolSettings
from stillwatch.store.spool import Spool
from tests.api.served import spans
from tests.lifecycle.world import (
    CLOCK,
    EMAIL,
    OTHERS,
    OWN_PROMPT,
    SHARED_PROMPT,
    TARGET,
    bytes_of,
    exchanges,
    made,
    opened,
    refresh,
    rows_of,
    where,
    write_lines,
)

STAMPS = ("ingested_at", "ingest_batch_id", "expires_at")


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the target and everything that the state can know of it. Copy it before writing to it."""
    folder = made(tmp_path_factory.getbasetemp() / "lifecycle-kept")
    with opened(folder) as watch:
        fill_state(watch)
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "kept"))


def decision(decision_id: str, account_id: str) -> Decision:
    return Decision(
        decision_id=decision_id, account_id=account_id, campaign_id=None, action=Action.OBSERVE, mode=Mode.SHADOW,
        rule="watch", reasons=("volume_dispersion",), decided_at=CLOCK, expires_at=CLOCK + timedelta(days=7),
        policy_digest="p-1", run_id="r-1", calibration_id="c-1", approved_by="ana", second_by=None, min_token_kinds=0,
        models=(), pause_seconds=None, canary_percent=None,
    )  # fmt: skip


def fill_state(watch: Stillwatch) -> None:
    state, ledger = watch.workspace.state, watch.workspace.ledger
    watch.judge(TARGET, "unsure", author="ana", note="asked twice")
    watch.judge(OTHERS[0], "unsure", author="ana", note=f"sits beside {TARGET}, not beside {TARGET}-b")
    made_now = (decision("d-1", TARGET), decision("d-2", OTHERS[1]))
    Decisions(state, ledger).record(Batch(made_now, {}, "p-1", "# none", "ana", None, 5, CLOCK))
    AuditTrail(state).write([(Call("POST", "/v1/judgements", 200, subject=TARGET), 1)], CLOCK)
    body = f'{{"account":"{TARGET}"}}'
    Outbox(state).put([Message("e-1", "campaign.alarm", None, CLOCK, body, ("desk",))])
    account = watch.workspace.lake.snapshot().files(ACCOUNTS)
    assert account
    mine = next(row for row in rows_of(watch, ACCOUNTS) if row["account_id"] == TARGET)
    watch.workspace.vault.open("email", mine["email"], actor="ana", reason="ticket 7", at=CLOCK)
    watch.checkpoint()


def custodian(watch: Stillwatch) -> Custodian:
    return Custodian(watch.workspace, watch.config, clock=lambda: CLOCK)


def erase(folder: Path) -> None:
    with opened(folder) as watch:
        custodian(watch).erase(TARGET, actor="ana", reason="request 17")


def own_pseudonyms(folder: Path) -> set[int]:
    with opened(folder) as watch:
        mine = next(row for row in rows_of(watch, ACCOUNTS) if row["account_id"] == TARGET)
        records = [row for row in rows_of(watch, EXCHANGE_RECORDS) if row["account_id"] == TARGET]
        others = {row["client_address"] for row in rows_of(watch, EXCHANGE_RECORDS) if row["account_id"] != TARGET}
    found = {mine[name] for name in ("email", "payment_fingerprint", "signup_client_address")}
    return found | ({row["client_address"] for row in records} - others)


def test_no_byte_of_the_account_is_left_anywhere_in_the_workspace(folder: Path) -> None:
    pseudonyms = own_pseudonyms(folder)
    assert len(pseudonyms) == 3
    needles = [TARGET.encode(), EMAIL.encode(), OWN_PROMPT.encode(), b"Quartz marmalade"]
    needles += [number.to_bytes(8, order, signed=True) for number in pseudonyms for order in ("big", "little")]
    before = {needle: where(folder / "workspace", needle) for needle in needles}
    assert before[TARGET.encode()]
    assert before[OWN_PROMPT.encode()]
    assert sum(bool(before[number.to_bytes(8, "big", signed=True)]) for number in pseudonyms) == 3, "vault"
    assert sum(bool(before[number.to_bytes(8, "little", signed=True)]) for number in pseudonyms) == 3, "lake"
    erase(folder)
    body = dict(bytes_of(folder / "workspace"))
    left = {needle: [name for name, content in body.items() if needle in content] for needle in needles}
    beside = f"{TARGET}-b".encode()  # another account's name that begins alike, written by a person
    assert left.pop(TARGET.encode()) == where(folder / "workspace", beside) == ["state.sqlite"]
    assert body["state.sqlite"].count(TARGET.encode()) == body["state.sqlite"].count(beside) == 1
    assert left == {needle: [] for needle in left}


def test_everything_of_others_is_as_in_a_world_without_the_account(folder: Path, tmp_path: Path) -> None:
    erase(folder)
    shutil.copy(folder / "keys.json", tmp_path / "keys.json")
    (tmp_path / "never").mkdir()
    shutil.copy(folder / "keys.json", tmp_path / "never" / "keys.json")
    never = made(tmp_path / "never", OTHERS)
    with opened(folder) as erased, opened(never) as without:
        for table in (EXCHANGE_RECORDS, PROMPT_SKETCHES, CONTENTS, ACCOUNTS, ACCOUNT_EVENTS, TOKEN_USES, ACCOUNT_DAYS):
            assert rows_of(erased, table, STAMPS) == rows_of(without, table, STAMPS), table.name


def test_aggregates_after_an_erasure_are_those_that_features_would_make(folder: Path) -> None:
    """The shingles that only the target and one other shared are not shared any more."""
    text = "Only two accounts ever asked how a lighthouse keeper mends his nets while a long winter storm goes on."
    pair = [
        {
            **exchanges((OTHERS[0],))[0],
            "source_record_id": f"p-{account}",
            "call_id": None,
            "account_id": account,
            "prompt": text,
        }
        for account in (OTHERS[0], TARGET)
    ]
    with opened(folder) as watch:
        watch.ingest([write_lines(folder / "pair.jsonl", pair)])
        refresh(watch)
        before = rows_of(watch, TOKEN_USES)
        custodian(watch).erase(TARGET, actor="ana", reason="request 17")
        filtered = rows_of(watch, TOKEN_USES), rows_of(watch, ACCOUNT_DAYS)
        lake = watch.workspace.lake
        with lake.write() as writer:
            for table in (TOKEN_USES, ACCOUNT_DAYS):
                for day in lake.snapshot().partitions(table):
                    writer.drop(table, day)
            writer.commit()
        with lake.write() as writer:
            for day in lake.snapshot().partitions(EXCHANGE_RECORDS):
                writer.rewrite(EXCHANGE_RECORDS, day, lambda rows: rows.slice(0))
            writer.commit()
        refresh(watch)
        assert (rows_of(watch, TOKEN_USES), rows_of(watch, ACCOUNT_DAYS)) == filtered
    of_another = [[row for row in rows if row["account_id"] == OTHERS[0]] for rows in (before, filtered[0])]
    assert {row["token_kind"] for row in of_another[0] if row not in of_another[1]} == {"shingle"}


def test_a_text_that_others_sent_too_stays_theirs(folder: Path) -> None:
    erase(folder)
    with opened(folder) as watch:
        bodies = [row["body"] for row in rows_of(watch, CONTENTS)]
        assert SHARED_PROMPT in bodies
        refs = {row["input_messages_ref"] for row in rows_of(watch, EXCHANGE_RECORDS)} - {None}
        assert refs == {row["content_ref"] for row in rows_of(watch, CONTENTS)}


def test_the_ledger_and_its_checkpoints_verify_and_say_that_something_was_erased(folder: Path) -> None:
    with opened(folder) as watch:
        root, size = watch.workspace.ledger.root(), watch.workspace.ledger.size()
    erase(folder)
    with opened(folder) as watch:
        ledger = watch.workspace.ledger
        ledger.verify()
        watch.workspace.checkpoints.verify(ledger)
        assert ledger.prove_consistency(size).holds(root, ledger.root())
        assert Decisions(watch.workspace.state, ledger).verify() == 2
        assert [entry.kind for entry in ledger.entries()][-2:] == ["decisions.renamed", "account.erased"]
        with watch.workspace.state.reading() as connection:
            salts = set(connection.scalars(sa.text("SELECT subject FROM ledger_salts")))
        assert not any(TARGET in subject or subject.startswith("email:") for subject in salts)
        watch.checkpoint()


def test_decisions_about_others_stay_and_those_about_the_account_are_nobodys(folder: Path) -> None:
    erase(folder)
    with opened(folder) as watch, watch.workspace.state.reading() as connection:
        named = dict(
            connection.execute(sa.select(STORED["decisions"].c.decision_id, STORED["decisions"].c.account_id)).all()
        )
        assert named["d-2"] == OTHERS[1]
        assert named["d-1"].startswith("erased-")
        said = connection.execute(sa.select(STORED["judgements"].c.subject_id, STORED["judgements"].c.note)).all()
    assert [subject for subject, _ in said] == [OTHERS[0]]
    assert said[0][1] == f"sits beside {named['d-1']}, not beside {TARGET}-b"


def test_erasing_twice_says_that_nothing_is_left(folder: Path) -> None:
    erase(folder)
    with pytest.raises(UsageError, match="erased already"):
        erase(folder)


def test_an_unknown_account_and_a_reason_that_names_it_are_refused(folder: Path) -> None:
    with opened(folder) as watch:
        size = watch.workspace.ledger.size()
        with pytest.raises(UsageError, match="nothing stored names"):
            custodian(watch).erase("nobody", actor="ana", reason="request 17")
        with pytest.raises(UsageError, match="does not name the account"):
            custodian(watch).erase(TARGET, actor="ana", reason=f"{TARGET} asked")
        assert watch.workspace.ledger.size() == size


def test_a_held_account_is_not_erased_and_the_attempt_is_in_the_ledger(folder: Path) -> None:
    with opened(folder) as watch:
        keeper = custodian(watch)
        keeper.hold(
            "case-7", accounts=[TARGET], reason="litigation", placed_by="ana", approver="ben",
            expires_at=CLOCK + timedelta(days=30),
        )  # fmt: skip
        before = rows_of(watch, EXCHANGE_RECORDS)
        with pytest.raises(UnderHold, match=r"case-7 until 2026-06-09 \(litigation; approved by ben\)"):
            keeper.erase(TARGET, actor="ana", reason="request 17")
        assert rows_of(watch, EXCHANGE_RECORDS) == before
        assert [entry.kind for entry in watch.workspace.ledger.entries()][-2:] == ["hold.placed", "erase.refused"]
        keeper.holds.release("case-7", released_by="ben", at=CLOCK)
        keeper.erase(TARGET, actor="ana", reason="request 17")
    assert where(folder / "workspace", OWN_PROMPT.encode()) == []


def test_a_hold_ends_with_its_day(folder: Path) -> None:
    with opened(folder) as watch:
        custodian(watch).hold(
            "case-7", accounts=[TARGET], reason="litigation", placed_by="ana", approver="ben",
            expires_at=CLOCK + timedelta(days=1),
        )  # fmt: skip
        later = Custodian(watch.workspace, watch.config, clock=lambda: CLOCK + timedelta(days=2))
        assert later.erase(TARGET, actor="ana", reason="request 17").n_rows > 0


@pytest.mark.parametrize("wrong", [{"approver": "ana"}, {"reason": " "}, {"expires_at": CLOCK}])
def test_a_hold_without_a_second_person_a_reason_or_an_end_is_refused(folder: Path, wrong: dict[str, object]) -> None:
    said = {"reason": "litigation", "placed_by": "ana", "approver": "ben", "expires_at": CLOCK + timedelta(days=1)}
    with opened(folder) as watch, pytest.raises(UsageError):
        custodian(watch).hold("case-7", accounts=[TARGET], **(said | wrong))  # type: ignore[arg-type]


def spooled(folder: Path) -> Path:
    """A file that a stopped server left in its spool, with a call of the target."""
    spool = folder / "workspace" / "spool"
    spool.mkdir()
    document = spans(1)
    for attribute in document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"]:
        if attribute["value"].get("stringValue") == "acct-1":
            attribute["value"] = {"stringValue": TARGET}
    file = spool / "1.json.open"
    file.write_text(json.dumps(document))
    assert TARGET in file.read_text()
    return file


def test_what_a_stopped_server_spooled_is_ingested_first_and_then_erased(folder: Path) -> None:
    file = spooled(folder)
    erase(folder)
    assert list(file.parent.glob("*.json*")) == []
    assert where(folder / "workspace" / "spool", TARGET.encode()) == []
    with opened(folder) as watch:
        assert [row["source"] for row in watch.batches().table.to_pylist()].count("otlp") == 1
        assert TARGET not in {row["account_id"] for row in rows_of(watch, EXCHANGE_RECORDS)}


def test_a_running_server_that_still_spools_the_account_makes_erasing_wait(folder: Path) -> None:
    spooled(folder)
    with Spool(folder / "workspace" / "spool", SpoolSettings()), pytest.raises(EnvironmentFault, match="wait until"):
        erase(folder)


def test_an_account_is_erased_by_the_address_that_ingest_gave_an_alias(tmp_path: Path) -> None:
    named = "some.body@mail.example"
    folder = made(tmp_path / "world", (*OTHERS[:2], named))
    with opened(folder) as watch:
        alias = next(row["account_id"] for row in rows_of(watch, ACCOUNTS) if row["account_id"].startswith("acct-"))
        assert custodian(watch).erase(named, actor="ana", reason="request 17").account_id == alias
        rows = rows_of(watch, EXCHANGE_RECORDS)
    assert {row["account_id"] for row in rows} == {*OTHERS[:2], None}
    assert where(folder / "workspace", alias.encode()) == []


def test_a_name_of_the_account_in_rows_of_others_is_gone_and_the_rows_stay(tmp_path: Path) -> None:
    folder = made(tmp_path / "world", OTHERS[:3])
    extra = [
        {**row, "source_record_id": f"x-{row['source_record_id']}", "end_user_id": OTHERS[0], "call_id": None}
        for row in exchanges(OTHERS[1:2])
    ]
    with opened(folder) as watch:
        watch.ingest([write_lines(folder / "extra.jsonl", extra)])
        custodian(watch).erase(OTHERS[0], actor="ana", reason="request 17")
        rows = [row for row in rows_of(watch, EXCHANGE_RECORDS) if row["source_record_id"].startswith("x-")]
    assert len(rows) == len(extra)
    assert {row["end_user_id"] for row in rows} == {None}
    assert where(folder / "workspace", OTHERS[0].encode()) == []
