"""kill -9 at hundreds of points of ingest, features and detection: no row lost, none doubled, findings equal."""

import multiprocessing
import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_FINDINGS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    EXCHANGE_RECORDS,
    PROMPT_SKETCHES,
    TOKEN_USES,
)
from tests import kill_world
from tests.small_world import START, before, cut, new_workspace, opened, small_world

__all__ = ["small_world"]

N_KILLS = 500
TELL_EVERY = 10
SEED = 20_261_123
COMPARED = (EXCHANGE_RECORDS, PROMPT_SKETCHES, TOKEN_USES, ACCOUNT_DAYS, CAMPAIGNS, CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS)
PASSING = ("run_id", "ingest_batch_id", "ingested_at", "first_flagged_at")
"""Names of a run and of a batch, which a repetition makes anew."""


@pytest.fixture(scope="module")
def logs(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of the small world, in a file a day."""
    return cut(small_world, tmp_path_factory.mktemp("kills") / "logs", before(START + timedelta(days=2)))


@pytest.fixture(scope="module")
def fork_server() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "tests.kill_world", "stillwatch.pipeline.detection"])
    return context


@contextmanager
def fresh(folder: Path, world: Path) -> Iterator[Path]:
    """A workspace that has its accounts and nothing else; gone afterwards."""
    with new_workspace(folder, world):
        pass
    yield folder
    shutil.rmtree(folder)


def run(context: Any, *arguments: Any) -> tuple[int, Any]:
    """Exit code of one process, and what it told; nothing when it was killed."""
    ours, theirs = context.Pipe()
    process = context.Process(target=kill_world.work, args=(theirs, *map(str, arguments[:-1]), arguments[-1]))
    process.start()
    theirs.close()
    try:
        told = ours.recv()
    except EOFError:
        told = None
    process.join()
    code = process.exitcode
    process.close()
    ours.close()
    return code, told


def rows(folder: Path, world: Path, table: Any) -> pa.Table:
    """Every row that counts, without the names that a repetition makes anew, in one order."""
    with opened(folder, world) as watch:
        snapshot = watch.workspace.lake.snapshot()
        parts = [pq.read_table(file, schema=table.schema, partitioning=None) for file in snapshot.files(table)]
    found = pa.concat_tables(parts) if parts else table.empty()
    kept = [name for name in found.schema.names if name not in PASSING]
    key = [(name, "ascending") for name in table.key if name in kept]
    return found.select(kept).sort_by(key) if key else found.select(kept)


def is_doubled(folder: Path, world: Path) -> bool:
    keys = rows(folder, world, EXCHANGE_RECORDS)["record_key"]
    return int(pc.count_distinct(keys).as_py()) != len(keys)


@pytest.mark.slow
def test_500_kills_lose_and_double_nothing(small_world: Path, logs: Path, fork_server: Any, tmp_path: Path) -> None:
    with fresh(tmp_path / "whole", small_world) as whole:
        code, told = run(fork_server, whole, small_world, logs, 0)
        assert code == 0
        wanted = {table: rows(whole, small_world, table) for table in COMPARED}
    n_ingest, n_steps = told
    draw = random.Random(SEED)
    n_kills = n_worlds = 0
    reached: set[int] = set()
    while n_kills < N_KILLS:
        n_worlds += 1
        with fresh(tmp_path / f"w{n_worlds}", small_world) as folder:
            while True:
                most = n_ingest if draw.random() < 0.5 else n_steps
                at = draw.randint(1, most) if n_kills < N_KILLS else 0
                code, told = run(fork_server, folder, small_world, logs, at)
                if code == 0:
                    break
                assert code == -signal.SIGKILL
                n_kills += 1
                reached.add(at)
                if n_kills % TELL_EVERY == 0:
                    print(f"{n_kills} kills in {n_worlds} workspaces", flush=True)
                assert not is_doubled(folder, small_world), f"doubled after a kill at step {at}"
            for table, expected in wanted.items():
                assert rows(folder, small_world, table).equals(expected), f"{table.name} after {n_kills} kills"
    print(f"{n_kills} kills at {len(reached)} of {n_steps} steps ({n_ingest} of ingest) in {n_worlds} workspaces")
