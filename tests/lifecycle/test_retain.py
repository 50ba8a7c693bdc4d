"""Retention: what is past its time goes, what was derived from it stays, and rows under hold stay too."""

import shutil
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from stillwatch.config import load_config
from stillwatch.errors import ConfigError
from stillwatch.lifecycle import Settings
from stillwatch.model.tables import ACCOUNT_DAYS, ACCOUNTS, CONTENTS, EXCHANGE_RECORDS, PROMPT_SKETCHES, TOKEN_USES
from stillwatch.pipeline.lifecycle import Custodian, Expired
from stillwatch.store.audit import AuditTrail, Call
from tests.lifecycle.world import (
    CLOCK,
    CONFIG,
    EMAIL,
    OTHERS,
    OWN_PROMPT,
    SHARED_PROMPT,
    TARGET,
    made,
    opened,
    refresh,
    rows_of,
)

KEPT_DAYS = {"exchange_records": 17, "prompt_sketches": 17, "audit_entries": 10}
"""On CLOCK, 10 May, 17 days keep the 23rd of April and not the 22nd."""


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.getbasetemp() / "lifecycle-retained", (*OTHERS[:3], TARGET))


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "kept"))


def config(days: dict[str, int]) -> object:
    return msgspec.structs.replace(CONFIG, retention=Settings(days=days))


def keeper(watch: object, at: timedelta = timedelta()) -> Custodian:
    return Custodian(watch.workspace, watch.config, clock=lambda: CLOCK + at)  # type: ignore[attr-defined]


def test_days_past_their_time_go_and_their_aggregates_stay_as_they_are(folder: Path) -> None:
    with opened(folder, config=config(KEPT_DAYS)) as watch:
        aggregates = rows_of(watch, TOKEN_USES), rows_of(watch, ACCOUNT_DAYS)
        plan = keeper(watch).expiring()
        assert {one.table: one.n_rows for one in plan} == {"exchange_records": 16, "prompt_sketches": 16}
        assert keeper(watch).prune(actor="ana") == plan
        assert {str(row["day"]) for row in rows_of(watch, EXCHANGE_RECORDS)} == {"2026-04-23"}
        assert {str(row["day"]) for row in rows_of(watch, PROMPT_SKETCHES)} == {"2026-04-23"}
        version = watch.workspace.lake.snapshot().version
        refresh(watch)
        assert watch.workspace.lake.snapshot().version == version, "no day is stale"
        assert (rows_of(watch, TOKEN_USES), rows_of(watch, ACCOUNT_DAYS)) == aggregates
        assert keeper(watch).expiring() == []
        assert watch.workspace.ledger.entries()[-1].kind == "retention.applied"


def test_rows_of_held_accounts_stay_with_their_sketches_and_texts(folder: Path) -> None:
    with opened(folder, config=config(KEPT_DAYS)) as watch:
        aggregates = rows_of(watch, TOKEN_USES)
        held = keeper(watch, timedelta(days=40))
        held.hold(
            "case-7", accounts=[TARGET], reason="litigation", placed_by="ana", approver="ben",
            expires_at=CLOCK + timedelta(days=90),
        )  # fmt: skip
        done = {one.table: one for one in held.prune(actor="ana")}
        assert done["exchange_records"] == Expired("exchange_records", 26, 6)
        assert {row["account_id"] for row in rows_of(watch, EXCHANGE_RECORDS)} == {TARGET}
        keys = {row["record_key"] for row in rows_of(watch, EXCHANGE_RECORDS)}
        assert {row["record_key"] for row in rows_of(watch, PROMPT_SKETCHES)} == keys
        bodies = {row["body"] for row in rows_of(watch, CONTENTS)}
        assert {OWN_PROMPT, SHARED_PROMPT} <= bodies
        assert not any(OTHERS[0] in body for body in bodies)
        refresh(watch)
        assert rows_of(watch, TOKEN_USES) == aggregates


def test_texts_go_when_their_own_time_is_over_and_nothing_else_does(folder: Path) -> None:
    with opened(folder) as watch:
        n = len(rows_of(watch, CONTENTS))
        assert keeper(watch, timedelta(days=29)).expiring() == []
        done = keeper(watch, timedelta(days=30)).prune(actor="ana")
        assert done == [Expired("contents", n, 0)]
        assert rows_of(watch, CONTENTS) == []
        assert len(rows_of(watch, EXCHANGE_RECORDS)) == 32


def test_sealed_identities_and_calls_go_when_their_time_is_over(folder: Path) -> None:
    with opened(folder, config=config(KEPT_DAYS)) as watch:
        AuditTrail(watch.workspace.state).write([(Call("POST", "/v1/judgements", 200), 1)], CLOCK)
        AuditTrail(watch.workspace.state).write([(Call("POST", "/v1/judgements", 200), 1)], CLOCK + timedelta(days=300))
        done = {one.table: one.n_rows for one in keeper(watch, timedelta(days=365)).prune(actor="ana")}
        assert done["audit_entries"] == 2
        assert done["identities"] == 8
        assert keeper(watch, timedelta(days=365)).expiring() == []


def test_sealed_identities_of_held_accounts_stay(folder: Path) -> None:
    with opened(folder) as watch:
        later = keeper(watch, timedelta(days=365))
        later.hold(
            "case-7", accounts=[TARGET], reason="litigation", placed_by="ana", approver="ben",
            expires_at=CLOCK + timedelta(days=400),
        )  # fmt: skip
        done = {one.table: one for one in later.prune(actor="ana")}
        assert done["identities"] == Expired("identities", 4, 4)  # two addresses, a card and an e-mail stay
        mine = next(row for row in rows_of(watch, ACCOUNTS) if row["account_id"] == TARGET)
        early = watch.workspace.vault.open("email", mine["email"], actor="ana", reason="case 7", at=CLOCK)
        assert early == EMAIL


def test_each_class_of_identity_has_its_own_time(tmp_path: Path) -> None:
    ingest = msgspec.structs.replace(CONFIG.ingest, sealed_days_of={"address": 10})
    folder = made(tmp_path / "world", OTHERS[:2], config=msgspec.structs.replace(CONFIG, ingest=ingest))
    with opened(folder) as watch:
        assert keeper(watch, timedelta(days=9)).expiring() == []
        (one,) = keeper(watch, timedelta(days=10)).expiring()
        assert one == Expired("identities", 1, 0)


@pytest.mark.parametrize("days", ["{ ledger = 10 }", "{ exchange_records = -1 }"])
def test_a_table_that_cannot_expire_is_refused(tmp_path: Path, days: str) -> None:
    (tmp_path / "stillwatch.toml").write_text(f"[retention]\ndays = {days}\n")
    with pytest.raises(ConfigError, match="days"):
        load_config(environ={"XDG_CONFIG_HOME": str(tmp_path)}, directory=tmp_path)
