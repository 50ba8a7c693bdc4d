"""Tenants are workspaces of their own: no key, no pseudonym, no path and no row of one reaches the other."""

from pathlib import Path

import pytest

from stillwatch.errors import ConfigError, VaultError
from stillwatch.model.tables import ACCOUNTS, EXCHANGE_RECORDS
from stillwatch.pipeline.health import examine
from stillwatch.pipeline.lifecycle import Custodian
from stillwatch.python_api import Stillwatch
from stillwatch.store.keys import key_file
from stillwatch.store.state import State
from stillwatch.store.workspace import Workspace
from tests.lifecycle.world import CLOCK, CONFIG, OTHERS, TARGET, exchanges, register, rows_of, write_lines


@pytest.fixture
def tenants(tmp_path: Path) -> tuple[Stillwatch, Stillwatch]:
    """Two workspaces below one folder, each with the same two accounts, and keys where keys are by default."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "configuration")}
    made = []
    for name in ("acme", "beta"):
        watch = Stillwatch(Workspace.init(tmp_path / name, environ=environ), CONFIG, clock=lambda: CLOCK)
        watch.ingest_accounts([write_lines(tmp_path / f"{name}.jsonl", register((OTHERS[0], TARGET)))])
        watch.ingest([write_lines(tmp_path / f"{name}-rows.jsonl", exchanges((OTHERS[0], TARGET)))])
        watch.checkpoint()
        made.append(watch)
    return made[0], made[1]


def test_the_same_person_has_unrelated_pseudonyms_and_no_key_is_shared(tenants: tuple[Stillwatch, Stillwatch]) -> None:
    acme, beta = tenants
    names = ("email", "payment_fingerprint", "signup_client_address", "signup_client_prefix")
    seen = [{row[name] for row in rows_of(watch, ACCOUNTS) for name in names} for watch in tenants]
    assert not seen[0] & seen[1]
    assert acme.workspace.key_file != beta.workspace.key_file
    keys = [watch.workspace.keys for watch in tenants]
    for name in ("pseudonym_key", "vault_key", "reference_key"):
        assert getattr(keys[0], name) != getattr(keys[1], name)


def test_everything_of_a_tenant_lies_in_its_own_folder(tenants: tuple[Stillwatch, Stillwatch]) -> None:
    for watch in tenants:
        folder = watch.workspace.path
        snapshot = watch.workspace.lake.snapshot()
        assert all(Path(file).is_relative_to(folder) for file in snapshot.files(EXCHANGE_RECORDS))
        assert Path(str(watch.workspace.state.file)).is_relative_to(folder)
        assert not key_file(watch.workspace.workspace_id, watch.workspace.environ).is_relative_to(folder)


def test_keys_of_one_tenant_open_nothing_of_the_other_and_doctor_says_so(
    tenants: tuple[Stillwatch, Stillwatch],
) -> None:
    acme, beta = tenants
    crossed = Workspace.open(acme.workspace.path, environ={"STILLWATCH_KEYS": str(beta.workspace.key_file)})
    with crossed:
        mine = rows_of(acme, ACCOUNTS)[0]["email"]
        with pytest.raises(VaultError, match="does not open"):
            crossed.vault.open("email", mine, actor="ana", reason="check", at=CLOCK)
        found = {check.name: check for check in examine(crossed, CONFIG, clock=lambda: CLOCK)}["keys"]
    assert (found.state, "another workspace's" in found.detail) == ("fail", True)


def test_a_state_database_belongs_to_one_tenant(tenants: tuple[Stillwatch, Stillwatch]) -> None:
    acme, beta = tenants
    with pytest.raises(ConfigError, match="belongs to workspace"):
        State.create(f"sqlite:///{acme.workspace.state.file}", workspace_id=beta.workspace.workspace_id)


def test_erasing_and_rotating_in_one_leaves_the_other_as_it_is(tenants: tuple[Stillwatch, Stillwatch]) -> None:
    acme, beta = tenants
    before = {path: path.read_bytes() for path in beta.workspace.path.rglob("*") if path.is_file()}
    keys = beta.workspace.key_file.read_bytes()
    keeper = Custodian(acme.workspace, acme.config, clock=lambda: CLOCK)
    keeper.rotate(actor="ana", reason="yearly")
    keeper.erase(TARGET, actor="ana", reason="request 17")
    assert {path: path.read_bytes() for path in beta.workspace.path.rglob("*") if path.is_file()} == before
    assert beta.workspace.key_file.read_bytes() == keys
    assert TARGET in {row["account_id"] for row in rows_of(beta, EXCHANGE_RECORDS)}
