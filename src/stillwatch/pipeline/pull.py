"""New files of a folder or object store, taken in as they appear."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from stillwatch.config import Config
from stillwatch.errors import ExternalServiceError
from stillwatch.ingest import BatchReport, ingest_paths
from stillwatch.ingest.streams import inspect_file, with_bzip2
from stillwatch.model.tables import INGEST_BATCHES
from stillwatch.sources.base import Source
from stillwatch.store.places import Found, LocalPlace, RemotePlace, place_of
from stillwatch.store.pulled import Pulled, Taken
from stillwatch.store.workspace import Workspace

COPIES: Final = "pulling-"
"""Folders of the workspace with copies of objects; the process that uses one is in its name."""

_log = logging.getLogger(__name__)


class Pull:
    """Takes what is new in `places`, once, over restarts.

    A file is known by place, size and time of change, and by the digest of its bytes: one that only moved or was
    touched is not taken again. A file that grew is read from its beginning, and what it held before counts as
    duplicates. The rows of a file and its batch are committed together, and it is remembered after that: a kill in
    between costs one more reading, and no row.

    A file on this machine that changed within `settle` of the clock may still be being written, and waits.
    """

    def __init__(
        self,
        places: Sequence[str],
        source: Source,
        *,
        workspace: Workspace,
        config: Config,
        clock: Callable[[], datetime],
        settle: timedelta = timedelta(seconds=5),
    ) -> None:
        self._places = [place_of(named) for named in places]
        self._source = source
        self._workspace = workspace
        self._config = config
        self._clock = clock
        self._settle = settle
        self._pulled = Pulled(workspace.state)

    def round(self, *, is_over: Callable[[], bool] = lambda: False) -> Iterator[BatchReport]:
        """The report of each file taken now, in the order of places and names; stops between files when `is_over()`.

        Raises:
            UsageError: a folder does not exist.
            ExternalServiceError: an object store cannot be listed.
            LakeLocked: another writer holds the lake.
        """
        known = dict(self._pulled.files(self._source.name))
        digests = {taken.digest for taken in known.values()}
        with copies_in(self._workspace.path) as folder:
            for place, found in self._waiting(known):
                if is_over():
                    return
                try:
                    report = self._take(place, found, digests, folder)
                except (ExternalServiceError, FileNotFoundError) as error:
                    _log.warning("%s: left for the next round", error)
                    continue
                if report is not None:
                    yield report

    def _waiting(self, known: dict[str, Taken]) -> list[tuple[LocalPlace | RemotePlace, Found]]:
        """What is there and was not taken as it is now."""
        suffixes = with_bzip2(self._source.suffixes)
        now = self._clock()
        waiting = []
        for place in self._places:
            for found in place.listing(suffixes):
                taken = known.get(found.uri)
                is_new = taken is None or (taken.n_bytes, taken.modified_at) != (found.n_bytes, found.modified_at)
                if is_new and not (place.grows and abs(now - found.modified_at) < self._settle):
                    waiting.append((place, found))
        return waiting

    def _take(
        self, place: LocalPlace | RemotePlace, found: Found, digests: set[str], folder: Path
    ) -> BatchReport | None:
        """The report of a file; None when its very bytes were taken before."""
        with place.fetched(found, folder) as path:
            digest = inspect_file(path).digest
            report = None if digest in digests else self._ingested(path, found.uri)
        now = self._clock()
        taken = report.digest if report else digest
        self._pulled.remember(self._source.name, found.uri, Taken(found.n_bytes, found.modified_at, taken), now)
        digests.add(taken)
        return report

    def _ingested(self, path: Path, uri: str) -> BatchReport:
        return ingested(path, uri, self._source, workspace=self._workspace, config=self._config, clock=self._clock)


def ingested(
    path: Path, uri: str, source: Source, *, workspace: Workspace, config: Config, clock: Callable[[], datetime]
) -> BatchReport:
    """The report of one file under the name `uri`, stored and in the ledger."""
    (report,) = ingest_paths(
        [path], source, lake=workspace.lake, keys=workspace.keys, vault=workspace.vault, settings=config.ingest,
        clock=clock, named=lambda _: uri,
    )  # fmt: skip
    row = {name: getattr(report, name) for name in INGEST_BATCHES.schema.names}
    workspace.journal.record_batches([row], clock())
    return report


@contextmanager
def copies_in(workspace: Path) -> Iterator[Path]:
    """A folder of this process for copies of objects; what processes that were killed left behind goes first."""
    for left in workspace.glob(f"{COPIES}*"):
        if not _is_alive(left.name.removeprefix(COPIES)):
            shutil.rmtree(left, ignore_errors=True)
    folder = workspace / f"{COPIES}{os.getpid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
