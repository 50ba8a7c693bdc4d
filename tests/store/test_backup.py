"""Backups: what they hold, when they are consistent, and what a restore refuses."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stillwatch.errors import ConfigError, UsageError
from stillwatch.model.tables import ACCOUNT_EVENTS
from stillwatch.store.backup import Contents, back_up
from stillwatch.store.lake import Lake
from stillwatch.store.restore import restore, verify
from stillwatch.store.workspace import Workspace
from tests.databases import KINDS, database
from tests.store.conftest import NOON, events

AT = datetime(2026, 6, 1, tzinfo=UTC)


def filled(folder: Path, url: str = "") -> Workspace:
    workspace = Workspace.init(folder, environ={"STILLWATCH_KEYS": str(folder.parent / "keys.json")}, state_url=url)
    with workspace.lake.write() as writer:
        writer.append(ACCOUNT_EVENTS, events([NOON.date()] * 3))
        writer.commit()
    workspace.journal.record_judgement(
        subject_kind="account", subject_id="a1", verdict="honest", author="r", note="", judged_at=NOON
    )
    (folder / "screening-lists").mkdir()
    (folder / "screening-lists" / "list.json").write_text("[]")
    (folder / "spool").mkdir()
    (folder / "spool" / "1.pb").write_bytes(b"acknowledged")
    (folder / "spool" / "2.pb.open").write_bytes(b"acknowledged too")
    return workspace


@pytest.fixture(params=KINDS)
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "databases").mkdir()
    with database(request.param, tmp_path / "databases") as url:
        kept = filled(tmp_path / "workspace", url if request.param == "postgresql" else "")
        with kept:
            yield kept


def taken(workspace: Workspace, target: Path, **said: bool) -> Contents:
    return back_up(workspace, target, release="0", at=AT, **said)


@pytest.mark.parametrize("name", ["kept", "kept.tar"])
def test_a_restored_workspace_holds_all_that_the_backup_took(workspace: Workspace, tmp_path: Path, name: str) -> None:
    contents = taken(workspace, tmp_path / name)
    environ = {"STILLWATCH_KEYS": str(tmp_path / "keys.json")}
    assert restore(tmp_path / name, tmp_path / "again", environ=environ) == contents
    with Workspace.open(tmp_path / "again", environ=environ) as again:
        assert again.workspace_id == workspace.workspace_id
        assert again.state.judgements() == workspace.state.judgements()
        assert again.ledger.root() == workspace.ledger.root()
        assert again.lake.snapshot().n_rows(ACCOUNT_EVENTS) == 3
        again.ledger.verify()
    for name in ("screening-lists/list.json", "spool/1.pb", "spool/2.pb.open"):
        assert (tmp_path / "again" / name).read_bytes() == (workspace.path / name).read_bytes()
    assert contents.is_of_one_moment


def test_keys_are_in_a_backup_only_when_they_are_asked_for(workspace: Workspace, tmp_path: Path) -> None:
    secret = (tmp_path / "keys.json").read_bytes()
    taken(workspace, tmp_path / "kept")
    assert secret not in {path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file()}
    taken(workspace, tmp_path / "with", with_keys=True)
    (tmp_path / "keys.json").unlink()
    environ = {"STILLWATCH_KEYS": str(tmp_path / "keys.json")}
    restore(tmp_path / "with", tmp_path / "again", environ=environ)
    assert (tmp_path / "keys.json").read_bytes() == secret
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "again" / "keys.json").exists()


def test_nothing_is_restored_over_something(workspace: Workspace, tmp_path: Path) -> None:
    taken(workspace, tmp_path / "kept")
    before = sorted(path for path in workspace.path.rglob("*"))
    with pytest.raises(UsageError, match="into nothing"):
        restore(tmp_path / "kept", workspace.path)
    assert sorted(path for path in workspace.path.rglob("*")) == before


def test_no_backup_is_written_over_another_or_into_the_workspace(workspace: Workspace, tmp_path: Path) -> None:
    taken(workspace, tmp_path / "kept")
    with pytest.raises(UsageError, match="never written over"):
        taken(workspace, tmp_path / "kept")
    with pytest.raises(UsageError, match="inside of the workspace"):
        taken(workspace, workspace.path / "kept")


@pytest.mark.parametrize("harm", ["change", "remove", "add", "shorten"])
def test_a_backup_with_one_file_harmed_is_not_restored(workspace: Workspace, tmp_path: Path, harm: str) -> None:
    taken(workspace, tmp_path / "kept")
    assert verify(tmp_path / "kept").workspace_id == workspace.workspace_id
    (segment,) = (tmp_path / "kept" / "lake").rglob("*.parquet")
    body = segment.read_bytes()
    if harm == "change":
        segment.write_bytes(body[:-9] + b"x" + body[-8:])
    elif harm == "remove":
        segment.unlink()
    elif harm == "add":
        segment.with_name("other.parquet").write_bytes(body)
    else:
        segment.write_bytes(body[:-1])
    with pytest.raises(ConfigError, match="1 files differ"):
        verify(tmp_path / "kept")
    with pytest.raises(ConfigError, match="1 files differ"):
        restore(tmp_path / "kept", tmp_path / "again")
    assert not (tmp_path / "again").exists()
    assert list(tmp_path.glob(".*")) == []


def test_keys_of_another_day_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    taken(workspace, tmp_path / "kept")
    keys = tmp_path / "keys.json"
    keys.write_text(keys.read_text().replace('"k1"', '"k2"'))
    with pytest.raises(ConfigError, match="are under k1"):
        restore(tmp_path / "kept", tmp_path / "again", environ={"STILLWATCH_KEYS": str(keys)})
    assert not (tmp_path / "again").exists()


def test_a_restore_needs_no_keys_to_read_findings(workspace: Workspace, tmp_path: Path) -> None:
    taken(workspace, tmp_path / "kept")
    elsewhere = {"STILLWATCH_KEYS": str(tmp_path / "nowhere.json")}
    restore(tmp_path / "kept", tmp_path / "again", environ=elsewhere)
    with Workspace.open(tmp_path / "again", environ=elsewhere) as again:
        assert again.lake.snapshot().n_rows(ACCOUNT_EVENTS) == 3


def test_a_commit_between_manifest_and_state_makes_the_backup_look_again(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three commits fall between the two; then it is quiet and the backup is of one moment."""
    from stillwatch.store import backup

    copied, n_commits = backup._copy_state, iter(range(3))

    def copy_while_somebody_commits(*arguments: object) -> None:
        if (number := next(n_commits, None)) is not None:
            with Lake.open(workspace.lake.root).write() as writer:
                writer.append(ACCOUNT_EVENTS, events([NOON.date()], first=10 + number))
                writer.commit()
        copied(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(backup, "_copy_state", copy_while_somebody_commits)
    contents = taken(workspace, tmp_path / "kept")
    assert contents.is_of_one_moment
    assert contents.lake_version == workspace.lake.snapshot().version
    restore(tmp_path / "kept", tmp_path / "again")
    assert Lake.open(tmp_path / "again" / "lake").snapshot().n_rows(ACCOUNT_EVENTS) == 6


def test_a_folder_that_is_no_backup_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="is no backup"):
        restore(tmp_path / "folder", tmp_path / "again")
    shutil.rmtree(tmp_path / "folder")
    with pytest.raises(UsageError, match="there is no backup"):
        restore(tmp_path / "folder", tmp_path / "again")
