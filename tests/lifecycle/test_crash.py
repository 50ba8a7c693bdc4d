"""kill -9 in the middle of what an operator does: nothing is lost or doubled, and running it again finishes it."""

import contextlib
import multiprocessing
import random
import shutil
import signal
import tarfile
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from stillwatch.errors import UsageError
from stillwatch.model.table import Home
from stillwatch.model.tables import ACCOUNTS, EXCHANGE_RECORDS, TABLES
from stillwatch.pipeline.lifecycle import Custodian
from stillwatch.store.decisions import Decisions
from stillwatch.store.keys import Keys, linked
from stillwatch.store.migrations import MIGRATED
from stillwatch.store.workspace import Workspace
from tests.lifecycle import crash_life
from tests.lifecycle.test_erase import fill_state
from tests.lifecycle.world import CLOCK, OTHERS, OWN_PROMPT, TARGET, made, opened, rows_of, where

ARCHIVE = Path(__file__).parents[1] / "fixtures" / "workspace-1.tar.gz"
SEED = 20260422
KILLS = 500
"""Of the long suite, over all verbs."""


@pytest.fixture(scope="module")
def fork_server() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "tests.lifecycle.crash_life"])
    return context


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder to start from for each verb."""
    base = tmp_path_factory.mktemp("crash")
    living = made(base / "living", (*OTHERS[:2], TARGET, "some.body@mail.example"))
    with opened(living) as watch:
        fill_state(watch)
    (base / "before").mkdir()
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(base / "before", filter="data")
    return {"rotate": living, "erase": living, "migrate": base / "before"}


def run_until(context: Any, folder: Path, verb: str, kill_at: int) -> list[str]:
    """The steps that a verb took until it killed itself, or until it was done."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=crash_life.run, args=(str(folder), theirs, verb, kill_at))
    process.start()
    theirs.close()
    steps = []
    with contextlib.suppress(EOFError):
        while True:
            steps.append(ours.recv())
    process.join()
    assert process.exitcode == (0 if steps[-1] == "done" else -signal.SIGKILL), steps[-1]
    process.close()
    ours.close()
    return steps


def lake_counts(folder: Path) -> dict[str, int]:
    snapshot = Workspace.open(folder / "workspace").lake.snapshot()
    found = {}
    for table in (table for table in TABLES if table.home is Home.LAKE):
        found[table.name] = sum(pq.ParquetFile(file).metadata.num_rows for file in snapshot.files(table))
        assert found[table.name] == snapshot.n_rows(table)
    return found


def check_rotated(start: Path, folder: Path) -> None:
    assert lake_counts(folder) == lake_counts(start)
    before, after = (crash_life.counts(one / "workspace" / "state.sqlite") for one in (start, folder))
    assert {name: n for name, n in after.items() if name not in ("ledger", "meta", "ledger_checkpoints")} == {
        name: n for name, n in before.items() if name not in ("ledger", "meta", "ledger_checkpoints")
    }
    (link,) = Keys.load(folder / "keys.json").link_keys
    with opened(start) as old, opened(folder, clock=CLOCK + timedelta(days=1)) as new:
        emails = {linked(link, row["email"]) for row in rows_of(old, ACCOUNTS)}
        assert {row["email"] for row in rows_of(new, ACCOUNTS)} == emails
        opened_now = new.workspace.vault.open_many("email", emails, actor="ana", reason="check", at=CLOCK)
        assert len(opened_now) == len(emails)
        assert Decisions(new.workspace.state, new.workspace.ledger).verify() == 2
        assert len(new.workspace.ledger.entries("keys.rotated")) == 1
        assert sum(report.rows_out for report in new.ingest([folder / "exchanges.jsonl", folder / "echoes.jsonl"])) == 0


def check_migrated(start: Path, folder: Path) -> None:
    assert lake_counts(folder) == lake_counts(start)
    before, after = (crash_life.counts(one / "workspace" / "state.sqlite") for one in (start, folder))
    kept = before.keys() - {"ledger", "meta"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    with opened(folder) as watch:
        entries = watch.workspace.ledger.entries()
        assert [entry.kind for entry in entries][: before["ledger"] + 1] == [
            "decisions.applied",
            "vault.open",
            MIGRATED,
        ]
        watch.workspace.ledger.verify()


def check_erased(start: Path, folder: Path) -> None:
    needles = (TARGET.encode() + b'"', OWN_PROMPT.encode(), f"account:{TARGET}".encode())
    assert {needle: where(folder / "workspace", needle) for needle in needles} == {needle: [] for needle in needles}
    with opened(start) as old, opened(folder) as new:
        others = [row for row in rows_of(old, EXCHANGE_RECORDS) if row["account_id"] in OTHERS]
        assert [row for row in rows_of(new, EXCHANGE_RECORDS) if row["account_id"] in OTHERS] == others
        assert TARGET not in {row["account_id"] for row in rows_of(new, EXCHANGE_RECORDS)}
        assert Decisions(new.workspace.state, new.workspace.ledger).verify() == 2


CHECKS: dict[str, Callable[[Path, Path], None]] = {
    "rotate": check_rotated,
    "migrate": check_migrated,
    "erase": check_erased,
}


def is_rotated(folder: Path) -> bool:
    """Whether a rotation got so far that running the verb again would begin another."""
    keys = Keys.load(folder / "keys.json")
    return keys.pseudonym_key_id != "k1" and keys.next is None


def finish(folder: Path, verb: str) -> None:
    """Run the verb again, as the operator does after a crash."""
    with opened(folder) as watch:
        keeper = Custodian(watch.workspace, watch.config, clock=lambda: CLOCK)
        with contextlib.suppress(UsageError if verb == "erase" else ()):  # erased already
            if verb != "rotate" or not is_rotated(folder):
                crash_life.VERBS[verb](keeper)


def kill_and_finish(context: Any, worlds: dict[str, Path], folder: Path, verb: str, kills: list[int]) -> list[str]:
    """The points at which a verb was killed, once it was run to its end afterwards and everything is there."""
    shutil.copytree(worlds[verb], folder)
    landed = []
    for kill_at in kills:
        steps = run_until(context, folder, verb, kill_at)
        landed.append(steps[-1])
        if steps[-1] == "done" or (verb == "rotate" and is_rotated(folder)):
            break
    finish(folder, verb)
    CHECKS[verb](worlds[verb], folder)
    shutil.rmtree(folder)
    return landed


@pytest.mark.parametrize(
    ("verb", "points"),
    [
        (
            "rotate",
            ("before fsync keys", "after replace manifest", "before commit of the state", "before replace keys"),
        ),
        ("migrate", ("before fsync manifest", "before replace manifest", "before commit of the state")),
    ],
)
def test_a_kill_loses_and_doubles_nothing(
    worlds: dict[str, Path], tmp_path: Path, fork_server: Any, verb: str, points: tuple[str, ...]
) -> None:
    """One kill at the last occurrence of each named point: between the keys, the lake, the state and the keys again."""
    steps = run_until(fork_server, Path(shutil.copytree(worlds[verb], tmp_path / "whole")), verb, 0)
    assert steps[-1] == "done"
    CHECKS[verb](worlds[verb], tmp_path / "whole")
    last = {point: number for number, point in enumerate(steps, start=1) if point != "done"}
    for point in points:
        landed = kill_and_finish(fork_server, worlds, tmp_path / "killed", verb, [last[point]])
        assert landed == [point]


@pytest.mark.slow
def test_five_hundred_kills_of_rotate_migrate_and_erase(
    worlds: dict[str, Path], tmp_path: Path, fork_server: Any
) -> None:
    """At random steps, a third of them killed a second time while they are finished."""
    source = random.Random(SEED)
    n_steps = {
        verb: len(run_until(fork_server, Path(shutil.copytree(start, tmp_path / f"whole-{verb}")), verb, 0))
        for verb, start in worlds.items()
    }
    landed: Counter[str] = Counter()
    while sum(landed.values()) < KILLS:
        verb = source.choice(sorted(worlds))
        kills = [source.randrange(1, n_steps[verb]) for _ in range(source.choice((1, 1, 2)))]
        points = kill_and_finish(fork_server, worlds, tmp_path / "killed", verb, kills)
        landed.update(f"{verb}: {point}" for point in points if point != "done")
        print(f"{sum(landed.values())} kills, each finished and counted", flush=True)
    print(f"{sum(landed.values())} kills at {len(landed)} kinds of points: {dict(landed.most_common())}")
    assert len(landed) >= 20
