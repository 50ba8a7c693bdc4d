import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from stillwatch.store.lake import Lake
from stillwatch.store.storage import LocalStorage
from tests.store import crash_world
from tests.store.crash_world import POINTS, ROWS, checked_batches

KILLS_AT_EACH_POINT = 3
KILLS_AT_RANDOM = 20
SEED = 20260422


@pytest.fixture(scope="module")
def fork_server() -> Any:
    """A process context whose children start with the store imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "tests.store.crash_world"])
    return context


@contextlib.contextmanager
def running(context: Any, target: Any, *arguments: Any) -> Iterator[tuple[Any, Connection]]:
    """A child process and our end of its pipe; killed on leaving."""
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(arguments[0], theirs, *arguments[1:]))
    process.start()
    theirs.close()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()


def kill_at(context: Any, root: str, point: str, nth: int) -> tuple[str, int]:
    """SIGKILL a writer while it stands at the `nth` occurrence of `point`; returns the point and its commits."""
    n_commits = 0
    with running(context, crash_world.write_until_killed, root, True) as (process, pipe):
        while True:
            reached = pipe.recv()
            n_commits += reached == "committed"
            nth -= reached == point
            if nth == 0:
                os.kill(process.pid, signal.SIGKILL)
                process.join()
                assert process.exitcode == -signal.SIGKILL
                return reached, n_commits
            pipe.send("go on")


def kill_after(context: Any, root: str, n_points: int, seconds: float) -> tuple[str, int]:
    """SIGKILL a writer that waits for nobody, `seconds` after its n-th point; returns the last point it told."""
    n_commits = 0
    with running(context, crash_world.write_until_killed, root, False) as (process, pipe):
        for _ in range(n_points):
            reached = pipe.recv()
            n_commits += reached == "committed"
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        with contextlib.suppress(EOFError):
            while True:
                reached = pipe.recv()
                n_commits += reached == "committed"
    return f"after {reached}", n_commits


def test_no_kill_of_the_writer_loses_doubles_or_tears_what_was_committed(tmp_path: Path, fork_server: Any) -> None:
    root = str(tmp_path / "lake")
    lake = Lake.create(root)
    random_source = random.Random(SEED)
    plan = [(point, random_source.randint(1, 3)) for point in POINTS for _ in range(KILLS_AT_EACH_POINT)]
    plan += [("", random_source.randint(1, 60)) for _ in range(KILLS_AT_RANDOM)]
    random_source.shuffle(plan)
    landed: Counter[str] = Counter()
    n_batches = 0
    with running(fork_server, crash_world.read_until_told, root) as (_, reader):
        for point, nth in plan:
            if point:
                where, n_commits = kill_at(fork_server, root, point, nth)
            else:
                where, n_commits = kill_after(fork_server, root, nth, random_source.uniform(0, 0.003))
            landed[where] += 1
            found = checked_batches(lake.snapshot())
            assert found - n_batches - n_commits in (0, 1), f"{found} batches after a kill at {where!r}"
            n_batches = found
        reader.send("stop")
        report = reader.recv()
    assert isinstance(report, tuple), report
    n_reads, n_versions, last_version = report
    print(f"{sum(landed.values())} kills, {n_batches} batches, reader: {n_reads} reads of {n_versions} versions")
    print(landed)
    assert set(POINTS) <= set(landed)
    assert sum(landed.values()) >= 50
    assert n_versions >= 10
    assert last_version <= lake.snapshot().version


def test_the_next_writer_removes_what_a_killed_one_left_behind(tmp_path: Path, fork_server: Any) -> None:
    root = str(tmp_path / "lake")
    lake = Lake.create(root)
    kill_at(fork_server, root, "segment half written", 3)
    assert len(list(LocalStorage(tmp_path / "lake").segments())) == 3
    with lake.write():
        assert list(LocalStorage(tmp_path / "lake").segments()) == []


def test_a_kill_after_the_rename_keeps_the_commit_and_one_before_does_not(tmp_path: Path, fork_server: Any) -> None:
    root = str(tmp_path / "lake")
    lake = Lake.create(root)
    kill_at(fork_server, root, "before rename", 1)
    assert lake.snapshot().n_rows(ROWS) == 0
    kill_at(fork_server, root, "after rename", 1)
    assert lake.snapshot().n_rows(ROWS) == crash_world.BATCH_ROWS
