"""What is known of stored runs, kept in memory: it changes only when a run is made again."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import pyarrow as pa

from stillwatch.api import paging
from stillwatch.api.paging import Listing, Wanted
from stillwatch.errors import StillwatchError, UsageError
from stillwatch.model.tables import DETECTION_RUNS
from stillwatch.python_api import Stillwatch

CACHED: Final = 32
"""Results that are kept, the least recently used forgotten first; accounts of a million take some 150 MB."""

Found = TypeVar("Found")
_log = logging.getLogger(__name__)


class Kept:
    """Results about runs by name. A run whose rows were replaced is asked again."""

    def __init__(self, watch: Stillwatch) -> None:
        self._watch = watch
        self._found: OrderedDict[tuple[object, ...], Any] = OrderedDict()
        self._making: dict[tuple[object, ...], threading.Lock] = {}
        self._lock = threading.Lock()

    def runs(self) -> pa.Table:
        """Stored detection runs, latest `as_of` last."""
        version = self._watch.workspace.lake.snapshot().version
        return self._once(("runs", version), lambda: self._watch.runs().table)

    def campaigns(self, run_id: str) -> pa.Table:
        """The campaigns of a run, as the Python API lists them."""
        return self.of_run("campaigns", run_id, lambda: self._watch.campaigns(run_id).table)

    def accounts(self, run_id: str) -> pa.Table:
        """Every account of a run, as the Python API lists them, in one piece: a page is cut out of it."""
        return self.of_run("accounts", run_id, lambda: _in_one_piece(self._watch.accounts(run_id).table))

    def warm(self) -> None:
        """Put the accounts of the latest run in order before anybody asks: of a million that takes seconds.

        Where there is no run, or it cannot be read, nothing is kept and whoever asks is told why.
        """
        try:
            self.accounts(self.latest())
        except StillwatchError as error:
            _log.info("the accounts of the latest run wait for whoever asks: %s", error)

    def latest(self) -> str:
        """The id of the latest run.

        Raises:
            UsageError: there is none yet.
        """
        runs = self.runs()
        if not runs.num_rows:
            raise UsageError("no detection run is stored yet: run `stillwatch detect` first")
        return str(runs["run_id"][-1].as_py())

    def run(self, listing: Listing, wanted: Wanted, run: str | None) -> str:
        """The run that was asked for, else the one that earlier pages came from, else the latest."""
        return run or paging.pinned_run(listing, wanted.cursor) or self.latest()

    def of_run(self, name: str, run_id: str, make: Callable[[], Found]) -> Found:
        """What `make` returns; it is called once for each name and run, and again when the run is made again."""
        generation = self._watch.workspace.lake.snapshot().generation(DETECTION_RUNS, run_id)
        return self._once((name, run_id, generation), make)

    def _once(self, key: tuple[object, ...], make: Callable[[], Found]) -> Found:
        """Callers who ask for the same thing at once wait for the one who makes it."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return cast(Found, self._found[key])
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._found:
                    return cast(Found, self._found[key])
            try:
                made = make()
            finally:
                with self._lock:
                    self._making.pop(key, None)
            with self._lock:
                self._found[key] = made
                if len(self._found) > CACHED:
                    self._found.popitem(last=False)
        return made


def _in_one_piece(rows: pa.Table) -> pa.Table:
    """The rows with one chunk a column: taking single rows out of many chunks searches for their chunk each time."""
    return rows.combine_chunks()
