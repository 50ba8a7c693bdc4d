"""The process that the kill test kills: ingest and detection that stop dead at the n-th step of their storage."""

import os
import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from stillwatch.store.storage import LocalStorage
from tests.small_world import opened

STEPS = ("_pour", "_sync", "_rename", "_sync_folder", "delete", "publish", "write")
"""Everything by which a lake changes its folder; a step is reached before it and after it."""


class Steps:
    """Counts steps, and ends the process by SIGKILL at the wanted one; 0 only counts."""

    def __init__(self, kill_at: int) -> None:
        self.n = 0
        self._kill_at = kill_at

    def reach(self, *_: object) -> None:
        self.n += 1
        if self.n == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def instrument(steps: Steps) -> None:
    """Make the lake's storage and the state database report what they do."""
    for name in STEPS:
        setattr(LocalStorage, name, _reporting(getattr(LocalStorage, name), steps))
    for moment in ("commit", "begin"):
        sa.event.listen(sa.Engine, moment, steps.reach)


def _reporting(method: Callable[..., Any], steps: Steps) -> Callable[..., Any]:
    @wraps(method)
    def reported(*arguments: Any, **named: Any) -> Any:
        steps.reach()
        done = method(*arguments, **named)
        steps.reach()
        return done

    return reported


def work(pipe: Any, folder: str, world: str, logs: str, kill_at: int) -> None:
    """Ingest the logs and detect, from wherever an earlier process was killed; tells how many steps that took."""
    steps = Steps(kill_at)
    instrument(steps)
    with opened(Path(folder), Path(world)) as watch:
        watch.ingest([logs])
        n_ingest = steps.n
        watch.detect()
    pipe.send((n_ingest, steps.n))
