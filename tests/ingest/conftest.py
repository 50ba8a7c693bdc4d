"""A lake, keys, a vault, and canonical rows to ingest."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.ingest import BatchReport, Settings, ingest_account_events, ingest_accounts, ingest_paths
from stillwatch.model.table import Home, Table
from stillwatch.model.tables import TABLES
from stillwatch.sources.base import Source
from stillwatch.sources.canonical import SOURCE as CANONICAL
from stillwatch.store.keys import Keys
from stillwatch.store.lake import Lake
from stillwatch.store.ledger import Ledger
from stillwatch.store.state import State
from stillwatch.store.vault import Vault

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
START = datetime(2026, 6, 1, 10, tzinfo=UTC)


def keys() -> Keys:
    """Fixed keys: equal inputs give equal pseudonyms."""
    return Keys("k1", b"p" * 32, b"v" * 32, b"r" * 32)


def record(number: int, **columns: object) -> dict[str, object]:
    """One canonical record; `columns` replace or add."""
    plain = {
        "source_record_id": f"r{number}",
        "account_id": f"acct-{number % 7}",
        "start_time": (START + timedelta(minutes=number)).isoformat(),
        "request_model": "model-a",
    }
    return plain | columns


def write_jsonl(path: Path, records: Sequence[object]) -> Path:
    """Records as JSON lines; bytes go in as they are."""
    lines = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in records]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


@dataclass
class House:
    """One lake with what ingest needs beside it."""

    lake: Lake
    vault: Vault
    settings: Settings
    clock: Callable[[], datetime]

    def ingest(
        self, *paths: Path, source: Source = CANONICAL, settings: Settings | None = None, vault: bool = True
    ) -> list[BatchReport]:
        """Ingest telemetry."""
        return ingest_paths(
            paths,
            source,
            lake=self.lake,
            keys=keys(),
            vault=self.vault if vault else None,
            settings=settings or self.settings,
            clock=self.clock,
        )

    def accounts(self, *paths: Path) -> list[BatchReport]:
        """Ingest accounts."""
        return ingest_accounts(
            paths, lake=self.lake, keys=keys(), vault=self.vault, settings=self.settings, clock=self.clock
        )

    def events(self, *paths: Path) -> list[BatchReport]:
        """Ingest account events."""
        return ingest_account_events(
            paths, lake=self.lake, keys=keys(), vault=self.vault, settings=self.settings, clock=self.clock
        )

    def rows(self, table: Table) -> pa.Table:
        """All committed rows of a table."""
        files = self.lake.snapshot().files(table)
        parts = [pq.read_table(file, partitioning=None) for file in files]
        return pa.concat_tables(parts) if parts else table.empty()

    def every_row(self) -> list[list[dict[str, object]]]:
        """The decoded rows of every lake table, for searches that compression would defeat."""
        return [self.rows(table).to_pylist() for table in TABLES if table.home is Home.LAKE]


def make_house(folder: Path) -> House:
    """A house in an empty folder."""
    state = State.create(f"sqlite:///{folder}/state.sqlite", workspace_id="w1")
    lake = Lake.create(folder / "lake", clock=lambda: NOW)
    settings = Settings(ahead_days=0)  # the samples were captured after NOW
    return House(lake, Vault(state, keys(), Ledger(state)), settings, lambda: NOW)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house of its own for each test."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return make_house(folder)
