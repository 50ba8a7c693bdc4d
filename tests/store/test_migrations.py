"""A workspace of the release before: read as it is, brought forward without loss."""

import hashlib
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from stillwatch.errors import ConfigError, LakeError, LedgerError
from stillwatch.model.table import Home
from stillwatch.model.tables import EXCHANGE_RECORDS, TABLES
from stillwatch.store.decisions import Decisions
from stillwatch.store.migrations import migrate_lake, migrate_state, pending_of_lake, pending_of_state
from stillwatch.store.schema import STORED
from stillwatch.store.state import State
from stillwatch.store.storage import LocalStorage
from stillwatch.store.workspace import Workspace

ARCHIVE = Path(__file__).parents[1] / "fixtures" / "workspace-1.tar.gz"
AT = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """Folder with `workspace/` and `keys.json` as the release before left them."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def workspace(folder: Path) -> Workspace:
    return Workspace.open(folder / "workspace", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})


def raw(folder: Path, query: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(f"sqlite:///{folder / 'workspace' / 'state.sqlite'}")
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(sa.text(query))]
    engine.dispose()
    return rows


def migrate(folder: Path) -> None:
    with State.open(f"sqlite:///{folder / 'workspace' / 'state.sqlite'}") as state:
        migrate_state(state, AT)
    migrate_lake(LocalStorage(folder / "workspace" / "lake"), AT)


def lake_rows(folder: Path) -> dict[str, list[dict[str, Any]]]:
    snapshot = workspace(folder).lake.snapshot()
    return {
        table.name: [
            row for file in snapshot.files(table) for row in pq.read_table(file, partitioning=None).to_pylist()
        ]
        for table in TABLES
        if table.home is Home.LAKE
    }


def test_what_the_release_before_wrote_is_read_without_migrating(before: Path) -> None:
    with workspace(before) as old:
        assert old.lake.snapshot().schema_version == 1
        assert old.lake.snapshot().key_id == "k1"
        assert old.state.judgements()["subject_id"].to_pylist() == ["a2"]


def test_what_the_release_before_wrote_is_not_written_to_until_it_is_migrated(before: Path) -> None:
    with workspace(before) as old:
        with pytest.raises(LakeError, match="stillwatch migrate"), old.lake.write():
            pass
        with pytest.raises(ConfigError, match="stillwatch migrate"), old.state.writing():
            pass
        with pytest.raises(ConfigError, match="stillwatch migrate"):
            _ = old.ledger


def test_migrating_loses_no_row_of_the_lake_and_none_of_the_state(before: Path) -> None:
    kept = ("judgements", "identities", "decisions", "decision_events", "policies", "ledger_salts")
    rows, stored = lake_rows(before), {name: raw(before, f"SELECT * FROM {name}") for name in kept}
    assert min(len(rows[name]) for name in ("exchange_records", "contents", "token_uses", "detection_runs")) > 0
    assert min(len(stored[name]) for name in ("judgements", "identities", "decisions", "ledger_salts")) > 0
    migrate(before)
    assert lake_rows(before) == rows
    assert {name: raw(before, f"SELECT * FROM {name}") for name in kept} == stored


def test_the_old_ledger_says_the_same_as_a_merkle_log_and_its_head_can_be_rebuilt(before: Path) -> None:
    old = raw(before, "SELECT seq, at, kind, body, digest FROM ledger ORDER BY seq")
    migrate(before)
    with workspace(before) as new:
        new.ledger.verify()
        entries = new.ledger.entries()
        assert Decisions(new.state, new.ledger).verify() == 1
    assert [(e.seq, e.kind, json.loads(e.body)) for e in entries[:-1]] == [(r[0], r[2], json.loads(r[3])) for r in old]
    said = json.loads(entries[-1].body)
    assert (entries[-1].kind, said["head"], said["n_entries"]) == ("ledger.migrated", old[-1][4], len(old))
    assert rebuilt_head([(r[0], r[1]) for r in old], [(e.kind, e.body) for e in entries[:-1]]) == said["head"]


def rebuilt_head(numbers: list[tuple[int, int]], words: list[tuple[str, str]]) -> str:
    """The head of the chain of state version 1, written here once more."""
    head = "0" * 64
    for (seq, at), (kind, body) in zip(numbers, words, strict=True):
        line = json.dumps([seq, at, kind, body, head], separators=(",", ":"), ensure_ascii=False)
        head = hashlib.blake2b(line.encode(), digest_size=32).hexdigest()
    return head


def test_a_migrated_workspace_has_every_table_and_no_step_left(before: Path) -> None:
    migrate(before)
    with workspace(before) as new:
        assert (new.lake.snapshot().schema_version, new.state.schema_version) == (2, 2)
        assert pending_of_state(new.state) == pending_of_lake(LocalStorage(before / "workspace" / "lake")) == []
        assert set(STORED) <= {name for (name,) in raw(before, "SELECT name FROM sqlite_master")}
        with new.lake.write() as writer:
            writer.commit()


def test_migrating_twice_changes_nothing(before: Path) -> None:
    migrate(before)
    manifest, size = (before / "workspace/lake/manifest.json").read_bytes(), raw(before, "SELECT count(*) FROM ledger")
    migrate(before)
    assert (before / "workspace/lake/manifest.json").read_bytes() == manifest
    assert raw(before, "SELECT count(*) FROM ledger") == size


def test_a_ledger_that_somebody_changed_is_not_migrated(before: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{before / 'workspace' / 'state.sqlite'}")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE ledger SET body = '{}' WHERE seq = 2"))
    engine.dispose()
    with workspace(before) as old, pytest.raises(LedgerError, match="entry 2"):
        migrate_state(old.state, AT)
    assert len(raw(before, "SELECT previous FROM ledger")) == 2


def test_segments_of_the_release_before_can_be_merged_and_rewritten(before: Path) -> None:
    """They lack columns that were added since; those are null."""
    migrate(before)
    rows = lake_rows(before)[EXCHANGE_RECORDS.name]
    absent = set(EXCHANGE_RECORDS.schema.names) - set(rows[0])
    assert absent == {"alias_keys"}
    with workspace(before) as new, new.lake.write() as writer:
        for day in new.lake.snapshot().partitions(EXCHANGE_RECORDS):
            assert writer.rewrite(EXCHANGE_RECORDS, day, lambda held: held.slice(0)) > 0
        writer.commit()
    assert lake_rows(before)[EXCHANGE_RECORDS.name] == [{**row, **dict.fromkeys(absent)} for row in rows]
