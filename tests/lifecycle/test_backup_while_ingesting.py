"""Backups of workspaces that found campaigns, and of workspaces that somebody writes to at the same moment."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from stillwatch.cli.app import main
from stillwatch.model.tables import EXCHANGE_RECORDS, INGEST_BATCHES, PROMPT_SKETCHES
from stillwatch.store.backup import back_up
from stillwatch.store.lake import Snapshot
from stillwatch.store.restore import restore
from stillwatch.store.schema import STORED
from stillwatch.store.workspace import Workspace
from tests.lifecycle.world import OTHERS, exchanges, write_lines
from tests.small_world import found_world, small_world

__all__ = ["found_world", "small_world"]
N_FILES = 40
N_BACKUPS = 2
INGEST = """
import sys
from pathlib import Path
from stillwatch.config import Config
from stillwatch.python_api import Stillwatch
with Stillwatch.open(sys.argv[1], config=Config()) as watch:
    for path in sorted(Path(sys.argv[2]).iterdir()):
        watch.ingest([path])
        print(path.name, flush=True)
"""


def printed(workspace: Path, keys: Path, capsys: pytest.CaptureFixture[str], *verb: str) -> str:
    capsys.readouterr()
    assert main(["--workspace", str(workspace), *verb]) == 0
    return capsys.readouterr().out


def test_another_machine_prints_the_same_campaigns_to_the_byte(
    found_world: Path,
    small_world: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other machine has neither the folder nor, at first, the keys."""
    workspace = shutil.copytree(found_world, tmp_path / "here" / "workspace")
    monkeypatch.setenv("STILLWATCH_KEYS", str(small_world / "keys.json"))
    before = printed(workspace, small_world, capsys, "campaigns", "--format", "json")
    assert len(json.loads(before)) > 0
    people = printed(workspace, small_world, capsys, "accounts", "--format", "json")
    printed(workspace, small_world, capsys, "backup", str(tmp_path / "kept.tar"))
    shutil.rmtree(tmp_path / "here")
    monkeypatch.setenv("STILLWATCH_KEYS", str(tmp_path / "there" / "keys.json"))
    there = tmp_path / "there" / "workspace"
    printed(there, small_world, capsys, "restore", str(tmp_path / "kept.tar"))
    assert printed(there, small_world, capsys, "campaigns", "--format", "json") == before
    assert printed(there, small_world, capsys, "accounts", "--format", "json") == people


def facts(snapshot: Snapshot) -> tuple[int, int, int]:
    """Rows that batches say, that records have and that sketches have; and every record must be there once."""
    batches = [row for file in snapshot.files(INGEST_BATCHES) for row in pq.read_table(file)["rows_out"].to_pylist()]
    keys = [
        key
        for file in snapshot.files(EXCHANGE_RECORDS)
        for key in pq.ParquetFile(file).read(["record_key"])[0].to_pylist()
    ]
    assert len(keys) == len(set(keys))
    return sum(batches), len(keys), snapshot.n_rows(PROMPT_SKETCHES)


def test_backups_taken_while_another_process_ingests_are_each_consistent(tmp_path: Path) -> None:
    """Every batch that a backup's lake has is whole; its identities are in the backup's vault; its ledger verifies."""
    environ = {"STILLWATCH_KEYS": str(tmp_path / "keys.json")}
    Workspace.init(tmp_path / "workspace", environ=environ).close()
    (tmp_path / "files").mkdir()
    for number in range(N_FILES):
        rows = exchanges((OTHERS[number % len(OTHERS)],))
        rows = [
            {**row, "source_record_id": f"{number}-{row['source_record_id']}", "client_address": f"198.51.{number}.1"}
            for row in rows
        ]
        write_lines(tmp_path / "files" / f"{number:03}.jsonl", rows)
    command = [sys.executable, "-c", INGEST, str(tmp_path / "workspace"), str(tmp_path / "files")]
    taken = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **environ}, text=True) as ingest:
        assert ingest.stdout is not None
        with Workspace.open(tmp_path / "workspace", environ=environ) as workspace:
            for number in range(N_BACKUPS):
                for _ in range(3):
                    ingest.stdout.readline()
                at = datetime(2026, 6, 1, tzinfo=UTC)
                taken.append(back_up(workspace, tmp_path / f"kept-{number}", release="0", at=at))
            assert ingest.poll() is None, "ingest must still be running while backups are taken"
        ingest.kill()
    for number, contents in enumerate(taken):
        again = tmp_path / f"again-{number}"
        assert restore(tmp_path / f"kept-{number}", again, environ=environ) == contents
        with Workspace.open(again, environ=environ) as workspace:
            snapshot = workspace.lake.snapshot()
            said, n_records, n_sketches = facts(snapshot)
            assert said == n_records == n_sketches
            assert 0 < n_records < N_FILES * 6
            workspace.ledger.verify()
            with workspace.state.reading() as connection:
                sealed = set(connection.scalars(sa.select(STORED["identities"].c.pseudonym)))
            seen = {
                one
                for file in snapshot.files(EXCHANGE_RECORDS)
                for one in pq.ParquetFile(file).read(["client_address"])[0].to_pylist()
            }
            assert seen <= sealed
    versions = [contents.lake_version for contents in taken]
    assert versions == sorted(set(versions))
