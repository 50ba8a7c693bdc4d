"""New keys: every pseudonym is another one, and everything that was the same still is."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from stillwatch.errors import ConfigError, EnvironmentFault, VaultError
from stillwatch.ingest.pseudonyms import Pseudonymiser
from stillwatch.model.tables import ACCOUNT_DAYS, ACCOUNTS, EXCHANGE_RECORDS, PROMPT_SKETCHES, TOKEN_USES
from stillwatch.pipeline.lifecycle import Custodian, Rotated
from stillwatch.store.decisions import Decisions
from stillwatch.store.keys import Keys, linked
from stillwatch.store.rekeying import key_id
from stillwatch.store.schema import STORED
from stillwatch.store.spool import Settings as SpoolSettings
from stillwatch.store.spool import Spool
from tests.lifecycle.test_erase import fill_state
from tests.lifecycle.world import (
    CLOCK,
    OTHERS,
    OWN_ADDRESS,
    TARGET,
    exchanges,
    made,
    opened,
    refresh,
    rows_of,
    where,
    write_lines,
)

NAMED = "some.body@mail.example"


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made(tmp_path_factory.getbasetemp() / "lifecycle-rotated", (*OTHERS[:5], TARGET, NAMED))
    with opened(folder) as watch:
        fill_state(watch)
        alias = Pseudonymiser.under(watch.workspace.keys).aliases(pa.array([NAMED]))[0].as_py()
        watch.judge(alias, "honest", author="ana", note="")
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "kept"))


def rotate(folder: Path) -> Rotated:
    with opened(folder) as watch:
        return Custodian(watch.workspace, watch.config, clock=lambda: CLOCK).rotate(actor="ana", reason="yearly")


def keys_of(folder: Path) -> Keys:
    return Keys.load(folder / "keys.json")


def read(folder: Path, table: Any) -> list[dict[str, Any]]:
    with opened(folder) as watch:
        return rows_of(watch, table)


def test_every_pseudonym_is_another_one_and_equal_ones_stay_equal(folder: Path) -> None:
    before = read(folder, EXCHANGE_RECORDS)
    rotate(folder)
    link = keys_of(folder).link_keys[0]
    after = {row["source_record_id"]: row for row in read(folder, EXCHANGE_RECORDS)}
    for row in before:
        same = after.get(row["source_record_id"])
        if same is None:  # the id held an address and is an alias itself
            continue
        for name in ("client_address", "client_prefix"):
            assert same[name] == (None if row[name] is None else linked(link, row[name]))
        if (row["account_id"] or "").startswith("acct-"):
            assert same["account_id"] != row["account_id"]
        else:
            assert same["account_id"] == row["account_id"]
    assert len(after) == len(before)


def test_no_old_pseudonym_and_no_old_alias_is_left_in_the_workspace(folder: Path) -> None:
    people, records = read(folder, ACCOUNTS), read(folder, EXCHANGE_RECORDS)
    numbers = {
        row[name]
        for row in people
        for name in ("email", "payment_fingerprint", "signup_client_address", "signup_client_prefix")
    }
    numbers |= {row[name] for row in records for name in ("client_address", "client_prefix")}
    words = {
        value
        for row in records
        for value in row.values()
        if isinstance(value, str) and value.startswith(("acct-", "id-"))
    }
    assert len(words) > 6
    needles = [number.to_bytes(8, order, signed=True) for number in numbers - {None} for order in ("big", "little")]
    needles += [word.encode() for word in words]
    rotate(folder)
    assert {needle: found for needle in needles if (found := where(folder / "workspace", needle))} == {}


def test_records_and_sketches_stay_joined_and_reading_the_files_again_adds_nothing(folder: Path) -> None:
    sketches, records = read(folder, PROMPT_SKETCHES), read(folder, EXCHANGE_RECORDS)
    rotate(folder)
    after = {row["record_key"]: row for row in read(folder, EXCHANGE_RECORDS)}
    assert len(after) == len(records)
    fresh = read(folder, PROMPT_SKETCHES)
    assert len(fresh) == len(sketches)
    assert all(after[row["record_key"]]["exchange_key"] == row["exchange_key"] for row in fresh)
    with opened(folder, clock=CLOCK + timedelta(days=1)) as watch:
        for name, n in (("exchanges.jsonl", 42), ("echoes.jsonl", 14)):
            (report,) = watch.ingest([folder / name])
            assert (report.rows_out, report.duplicates) == (0, n), name
        (report,) = watch.ingest_accounts([folder / "accounts.jsonl"])
        assert report.rows_out == 0
        (report,) = watch.ingest_account_events([folder / "events.jsonl"])
        assert report.rows_out == 0


def test_links_across_the_rotation_survive(folder: Path) -> None:
    """What comes after it from the same address is the same token as what was stored before."""
    rotate(folder)
    rows = [row for row in exchanges((*OTHERS[:5], TARGET, NAMED)) if row["account_id"] == TARGET]
    later = [
        {
            **row,
            "source_record_id": f"l-{row['source_record_id']}",
            "call_id": None,
            "start_time": "2026-04-24T09:00:00Z",
        }
        for row in rows
    ]
    with opened(folder, clock=CLOCK + timedelta(days=1)) as watch:
        watch.ingest([write_lines(folder / "later.jsonl", later)])
        refresh(watch)
        uses = [
            row for row in rows_of(watch, TOKEN_USES) if row["account_id"] == TARGET and row["token_kind"] == "address"
        ]
    days = {row["token"]: set() for row in uses}
    for row in uses:
        days[row["token"]].add(str(row["day"]))
    own = Pseudonymiser.under(keys_of(folder)).address(OWN_ADDRESS)[0]
    assert days[own] == {"2026-04-22", "2026-04-23", "2026-04-24"}


def test_aggregates_are_those_that_features_would_make_and_none_is_stale(folder: Path) -> None:
    rotate(folder)
    with opened(folder) as watch:
        renamed = rows_of(watch, TOKEN_USES), rows_of(watch, ACCOUNT_DAYS)
        lake = watch.workspace.lake
        version = lake.snapshot().version
        refresh(watch)
        assert lake.snapshot().version == version
        with lake.write() as writer:
            for day in lake.snapshot().partitions(EXCHANGE_RECORDS):
                writer.rewrite(EXCHANGE_RECORDS, day, lambda rows: rows.slice(0))
            writer.commit()
        refresh(watch)
        assert (rows_of(watch, TOKEN_USES), rows_of(watch, ACCOUNT_DAYS)) == renamed


def test_the_vault_opens_under_the_new_keys_alone(folder: Path) -> None:
    old = keys_of(folder)
    done = rotate(folder)
    assert done.key_id == "k2"
    assert done.state.n_identities > 7
    with opened(folder) as watch:
        mine = next(row for row in rows_of(watch, ACCOUNTS) if row["account_id"] == TARGET)
        said = watch.workspace.vault.open("email", mine["email"], actor="ana", reason="check", at=CLOCK)
        assert said == "odd.person@mail.example"
        with watch.workspace.state.reading() as connection:
            assert set(connection.scalars(sa.select(STORED["identities"].c.key_id))) == {"k2"}
    assert old.vault_key not in (folder / "keys.json").read_bytes()
    assert keys_of(folder).vault_key != old.vault_key
    assert keys_of(folder).reference_key == old.reference_key
    assert (folder / "keys.json").stat().st_mode & 0o777 == 0o600


def test_judgements_decisions_and_salts_follow_the_account(folder: Path) -> None:
    with opened(folder) as watch:
        old = next(row["account_id"] for row in rows_of(watch, ACCOUNTS) if row["account_id"].startswith("acct-"))
    rotate(folder)
    with opened(folder) as watch:
        new = Pseudonymiser.under(watch.workspace.keys).aliases(pa.array([NAMED]))[0].as_py()
        assert new != old
        assert {TARGET, OTHERS[0], new} == set(watch.workspace.state.judgements()["subject_id"].to_pylist())
        ledger = watch.workspace.ledger
        ledger.verify()
        watch.workspace.checkpoints.verify(ledger)
        assert Decisions(watch.workspace.state, ledger).verify() == 2
        assert json.loads(ledger.entries("keys.rotated")[0].body)["to"] == "k2"
        done = Custodian(watch.workspace, watch.config, clock=lambda: CLOCK).erase(
            NAMED, actor="ana", reason="request 17"
        )
        assert done.account_id == new
        with watch.workspace.state.reading() as connection:
            salts = set(connection.scalars(sa.text("SELECT subject FROM ledger_salts")))
    assert not salts & {f"account:{old}", f"account:{new}"}


def test_an_account_is_found_by_the_alias_that_it_had_before_two_rotations(folder: Path) -> None:
    with opened(folder) as watch:
        old = next(row["account_id"] for row in rows_of(watch, ACCOUNTS) if row["account_id"].startswith("acct-"))
    rotate(folder)
    rotate(folder)
    with opened(folder) as watch:
        new = Pseudonymiser.under(watch.workspace.keys).aliases(pa.array([NAMED]))[0].as_py()
        assert watch.workspace.keys.present_names(old)[-1] == new != old
        assert watch.workspace.keys.present_names(TARGET) == []
        keeper = Custodian(watch.workspace, watch.config, clock=lambda: CLOCK)
        assert keeper.erase(old, actor="ana", reason="request 17").account_id == new


def test_keys_are_rotated_again_and_again(folder: Path) -> None:
    people = len(read(folder, ACCOUNTS))
    assert [rotate(folder).key_id for _ in range(3)] == ["k2", "k3", "k4"]
    assert len(keys_of(folder).link_keys) == 3
    with opened(folder, clock=CLOCK + timedelta(days=1)) as watch:
        (report,) = watch.ingest_accounts([folder / "accounts.jsonl"])
        assert (report.rows_out, report.duplicates) == (0, people)


def test_a_workspace_without_sealed_identities_rotates_too(tmp_path: Path) -> None:
    import msgspec

    from tests.lifecycle.world import CONFIG

    config = msgspec.structs.replace(CONFIG, ingest=msgspec.structs.replace(CONFIG.ingest, sealed_classes=()))
    folder = made(tmp_path / "closed", (OTHERS[0], TARGET), config=config)
    done = rotate(folder)
    assert (done.state.n_identities, done.key_id) == (0, "k2")
    with opened(folder, config=config) as watch:
        (report,) = watch.ingest([folder / "exchanges.jsonl"])
        assert report.rows_out == 0


def test_a_vault_that_does_not_open_stops_the_rotation_before_anything_changes(folder: Path) -> None:
    with opened(folder) as watch, watch.workspace.state.writing() as connection:
        connection.execute(sa.update(STORED["identities"]).values(sealed=b"\0" * 40))
    with pytest.raises(VaultError, match="does not open"):
        rotate(folder)
    with opened(folder) as watch:
        assert key_id(watch.workspace.state) == watch.workspace.lake.snapshot().key_id == "k1"
        assert watch.workspace.keys.next is None


def test_a_running_server_keeps_its_keys(folder: Path) -> None:
    with (
        Spool(folder / "workspace" / "spool", SpoolSettings()),
        pytest.raises(EnvironmentFault, match="another server"),
    ):
        rotate(folder)
    assert keys_of(folder).next is None
    assert keys_of(folder).pseudonym_key_id == "k1"


def test_rows_are_never_added_under_keys_that_are_not_the_lakes(folder: Path) -> None:
    shutil.copy(folder / "keys.json", folder / "old.json")
    rotate(folder)
    shutil.copy(folder / "old.json", folder / "keys.json")
    with opened(folder) as watch, pytest.raises(ConfigError, match="rows are under key k2"):
        watch.ingest([folder / "exchanges.jsonl"])
