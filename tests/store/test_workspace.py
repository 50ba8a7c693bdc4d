import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from stillwatch.errors import ConfigError
from stillwatch.model.tables import ACCOUNT_EVENTS
from stillwatch.store.keys import Keys
from stillwatch.store.settings import Settings
from stillwatch.store.workspace import Workspace
from tests.store.conftest import NOON, events


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_a_new_workspace_opens_with_all_its_parts_working(tmp_path: Path, environ: dict[str, str]) -> None:
    Workspace.init(tmp_path / "w", environ=environ)
    with Workspace.open(tmp_path / "w", environ=environ) as workspace:
        with workspace.lake.write() as writer:
            writer.append(ACCOUNT_EVENTS, events([date(2026, 4, 22)]))
            writer.commit()
        workspace.vault.seal("email", pa.array([1], pa.int64()), pa.array(["ann@example.org"]))
        assert workspace.vault.open("email", 1, actor="o", reason="r", at=NOON) == "ann@example.org"
        assert len(workspace.ledger.entries()) == 1
        assert workspace.state.workspace_id == workspace.workspace_id
    with Workspace.open(tmp_path / "w", environ=environ) as again:
        assert again.lake.snapshot().n_rows(ACCOUNT_EVENTS) == 1


def test_no_key_is_inside_the_workspace(tmp_path: Path, environ: dict[str, str]) -> None:
    workspace = Workspace.init(tmp_path / "w", environ=environ)
    with workspace:
        file = tmp_path / "config" / "stillwatch" / "keys" / f"{workspace.workspace_id}.json"
        assert Keys.load(file) == workspace.keys
        assert str(workspace.keys.vault_key) not in repr(workspace)
    kept = [
        value.encode() for value in json.loads(file.read_text()).values() if isinstance(value, str) and len(value) > 20
    ]
    files = [path for path in (tmp_path / "w").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in files for value in kept if value in path.read_bytes()]


def test_the_folder_is_for_its_owner_alone(tmp_path: Path, environ: dict[str, str]) -> None:
    Workspace.init(tmp_path / "w", environ=environ)
    assert (tmp_path / "w").stat().st_mode & 0o777 == 0o700


def test_opening_where_no_workspace_is_says_what_to_type(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"stillwatch --workspace .* init"):
        Workspace.open(tmp_path / "w", environ=environ)


def test_a_workspace_is_not_made_over_another(tmp_path: Path, environ: dict[str, str]) -> None:
    first = Workspace.init(tmp_path / "w", environ=environ)
    with pytest.raises(ConfigError, match="choose another folder"):
        Workspace.init(tmp_path / "w", environ=environ)
    assert Workspace.open(tmp_path / "w", environ=environ).workspace_id == first.workspace_id


def test_keys_that_the_deployment_provides_are_used_and_not_replaced(tmp_path: Path) -> None:
    provided = Keys.create(tmp_path / "secret.json")
    environ = {"STILLWATCH_KEYS": str(tmp_path / "secret.json")}
    assert Workspace.init(tmp_path / "w", environ=environ).keys == provided


def test_lost_keys_are_reported_when_they_are_needed_and_not_before(tmp_path: Path, environ: dict[str, str]) -> None:
    workspace = Workspace.init(tmp_path / "w", environ=environ)
    (tmp_path / "config" / "stillwatch" / "keys" / f"{workspace.workspace_id}.json").unlink()
    with Workspace.open(tmp_path / "w", environ=environ) as reopened:
        assert reopened.lake.snapshot().version == 0
        with pytest.raises(ConfigError, match="key file"):
            _ = reopened.vault


@pytest.mark.parametrize("mark", ["id = ", "name = 'x'", "id = 7"])
def test_a_damaged_mark_is_reported(tmp_path: Path, environ: dict[str, str], mark: str) -> None:
    Workspace.init(tmp_path / "w", environ=environ)
    (tmp_path / "w" / "workspace.toml").write_text(mark)
    with pytest.raises(ConfigError, match="backup"):
        Workspace.open(tmp_path / "w", environ=environ)


def test_settings_reach_the_lake(tmp_path: Path, environ: dict[str, str]) -> None:
    settings = Settings(segment_rows=7)
    assert Workspace.init(tmp_path / "w", settings=settings, environ=environ).lake.settings == settings


def test_the_state_database_can_be_elsewhere(tmp_path: Path, environ: dict[str, str]) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.sqlite'}"
    with Workspace.init(tmp_path / "w", state_url=url, environ=environ) as workspace:
        assert workspace.state.judgements().num_rows == 0
    assert (tmp_path / "elsewhere.sqlite").exists()
    assert not (tmp_path / "w" / "state.sqlite").exists()
