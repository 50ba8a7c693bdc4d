"""The process of the crash test: an operator's verb that kills itself, as SIGKILL does, at the n-th step on disk."""

import contextlib
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from stillwatch.errors import UsageError
from stillwatch.pipeline.lifecycle import Custodian
from tests.lifecycle.world import CLOCK, TARGET, opened

VERBS: dict[str, Callable[[Custodian], object]] = {
    "rotate": lambda keeper: keeper.rotate(actor="ana", reason="yearly"),
    "migrate": lambda keeper: keeper.migrate(),
    "erase": lambda keeper: keeper.erase(TARGET, actor="ana", reason="request 17"),
}


def run(folder: str, pipe: Connection, verb: str, kill_at: int) -> None:
    """Run a verb; at step `kill_at` (from 1; 0: never) kill this process. Sends the name of each step before it."""
    n = 0

    def reach(point: str) -> None:
        nonlocal n
        n += 1
        pipe.send(point)
        if n == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with telling(reach), opened(Path(folder)) as watch, contextlib.suppress(UsageError):  # erased already
        VERBS[verb](Custodian(watch.workspace, watch.config, clock=lambda: CLOCK))
    pipe.send("done")


@contextlib.contextmanager
def telling(reach: Callable[[str], None]) -> Iterator[None]:
    """Calls `reach` around everything that changes what a crash leaves behind: syncs, renames, deletions, commits."""
    kept = {name: getattr(os, name) for name in ("fsync", "replace", "rename", "unlink")}

    def around(name: str) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            what = f"{name} {kind_of(arguments[0])}"
            reach(f"before {what}")
            done = kept[name](*arguments, **options)
            reach(f"after {what}")
            return done

        return step

    def before_commit(_: sa.Connection) -> None:
        reach("before commit of the state")

    for name in kept:
        setattr(os, name, around(name))
    sa.event.listen(sa.Engine, "commit", before_commit)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "commit", before_commit)
        for name, function in kept.items():
            setattr(os, name, function)


def kind_of(target: Any) -> str:
    """What a path or an open file is: segment, manifest, keys or a folder."""
    name = str(Path(f"/proc/self/fd/{target}").readlink()) if isinstance(target, int) else str(target)
    if name.endswith(".parquet"):
        return "segment"
    for word in ("manifest", "keys", "state"):
        if word in Path(name).name:
            return word
    return "folder" if Path(name).is_dir() else "file"


def counts(database: Path) -> dict[str, int]:
    """Rows of each table of a SQLite database."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
