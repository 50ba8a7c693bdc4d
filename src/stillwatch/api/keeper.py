"""Keeps the desk's snapshot equal to the file on disk: a new one is checked, built aside, and put in place at once."""

import contextlib
import gc
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from stillwatch.api.desk import Desk
from stillwatch.api.figures import Figures
from stillwatch.errors import SnapshotError
from stillwatch.response import Snapshot

_log = logging.getLogger(__name__)


SWITCH_SECONDS: Final = 0.0002
"""How long a snapshot that is being built may hold the interpreter; Python's own 5 ms add up to 100 ms a decision."""


@contextlib.contextmanager
def yielding() -> Iterator[None]:
    """Long work of a thread beside an event loop: short turns, and no collection over all that it makes."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        sys.setswitchinterval(usual)


class Keeper:
    """Watches one snapshot file. A file that does not verify, or an older one, leaves the present snapshot in place."""

    def __init__(self, path: Path, public_key: bytes, desk: Desk, figures: Figures) -> None:
        self.path = path
        self._public_key = public_key
        self._desk = desk
        self._figures = figures
        self._seen: tuple[int, int, int] | None = None
        self.snapshot: Snapshot | None = None
        """The one in use."""

    @property
    def serial(self) -> int:
        """The serial of the snapshot in use; -1 without one."""
        return -1 if self.snapshot is None else self.snapshot.serial

    def look(self) -> bool:
        """Load the file if it changed; whether another snapshot is in use now."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        mark = (found.st_ino, found.st_mtime_ns, found.st_size)
        if mark == self._seen:
            return False
        self._seen = mark
        try:
            with yielding():
                snapshot = Snapshot.read(self.path, self._public_key, newer_than=self.serial)
        except SnapshotError as error:
            _log.error("%s; the one in use stays", error)
            self._figures.reloads.labels("refused").inc()
            return False
        self._desk.decider = self.snapshot = snapshot
        self._figures.reloads.labels("loaded").inc()
        self._figures.snapshot_at.set(time.time())
        gc.freeze()  # a snapshot lives until the next one: collections need not walk through it
        _log.info(
            "decision snapshot %d: %d accounts, %d tokens", snapshot.serial, snapshot.n_accounts, snapshot.n_tokens
        )
        return True
