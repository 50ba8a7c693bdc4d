"""The drain: a process of its own that ingests sealed spool files, so that decisions never wait for it.

It reads lines on standard input (`go`), drains what is sealed, and answers each file with a JSON line. When its input
ends, as it does when the server is killed, it ends too. A file is deleted after its rows are committed: a drain that is
killed in between ingests the file again, and ingest knows its records already.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from stillwatch.config import Config
from stillwatch.errors import LakeLocked, StillwatchError
from stillwatch.model.tables import EXCHANGE_RECORDS, INGEST_BATCHES, PROMPT_SKETCHES
from stillwatch.python_api import Stillwatch
from stillwatch.store.lake import Lake
from stillwatch.store.spool import sealed_files

COMPACTED: Final = (EXCHANGE_RECORDS, PROMPT_SKETCHES, INGEST_BATCHES)
"""Tables that every drained file adds a segment to."""
MOST_FILES: Final = 32
"""Files that are ingested together, in one hold of the lake: what is stored already is read once for all of them."""

_log = logging.getLogger(__name__)


class Drained(msgspec.Struct, frozen=True):
    """What became of one spool file; `fault` says why it is still there."""

    records_in: int = 0
    rows_out: int = 0
    duplicates: int = 0
    rejected: int = 0
    fault: str | None = None


def drain(watch: Stillwatch, folder: Path) -> Iterator[Drained]:
    """Ingest every sealed file of a spool, oldest first. Stops at the first fault and leaves the rest.

    Segments are merged on the way: while a drain is behind, nobody who reads the day has to open hundreds of files.
    """
    files = sealed_files(folder)
    for start in range(0, len(files), MOST_FILES):
        together = files[start : start + MOST_FILES]
        try:
            yield from _ingested(watch, together)
        except StillwatchError as error:
            yield from _up_to_the_fault(watch, together, str(error))
            return
        tidy(watch.workspace.lake)


def _ingested(watch: Stillwatch, files: list[Path]) -> list[Drained]:
    """What became of files that are ingested together; they are deleted."""
    reports = watch.ingest(files, source="otlp")
    for path in files:
        path.unlink()
    return [Drained(report.records_in, report.rows_out, report.duplicates, report.rejected) for report in reports]


def _up_to_the_fault(watch: Stillwatch, files: list[Path], fault: str) -> Iterator[Drained]:
    """One file after the other, so that those before a fault are done; where it does not come again, it is told."""
    for path in files:
        try:
            yield from _ingested(watch, [path])
        except StillwatchError as error:
            fault = str(error)
            break
    yield Drained(fault=fault)


def tidy(lake: Lake) -> None:
    """Merge the small segments that drained files left, where there are many; another writer goes first."""
    snapshot = lake.snapshot()
    crowded = [
        (table, partition)
        for table in COMPACTED
        for partition in snapshot.partitions(table)
        if len(snapshot.segments(table, partition)) > lake.settings.compact_above
    ]
    if not crowded:
        return
    try:
        with lake.write() as writer:
            for table, partition in crowded:
                writer.compact(table, partition)
            writer.commit()
    except LakeLocked:
        return


class Drainage:
    """The drain process, seen from the server: started when needed, asked now and then, started again if it dies."""

    def __init__(self, workspace: Path, folder: Path, config: Config, environ: dict[str, str]) -> None:
        self._arguments = [str(workspace), str(folder)]
        self._config = msgspec.json.encode(config) + b"\n"
        self._environ = environ
        self._process: asyncio.subprocess.Process | None = None

    async def go(self, tell: Callable[[Drained], None]) -> None:
        """Drain once; `tell` hears of each file as it is done."""
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(b"go\n")
            await process.stdin.drain()
        except ConnectionError:
            self._process = None
            return
        while line := await process.stdout.readline():
            if line == b"done\n":
                return
            tell(msgspec.json.decode(line, type=Drained))
        _log.error("the drain process ended with %s; it is started again", await process.wait())
        self._process = None

    async def close(self) -> None:
        """Let the process finish its file and end."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "stillwatch.api.drain", *self._arguments,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=self._environ,
            )  # fmt: skip
            assert self._process.stdin is not None
            self._process.stdin.write(self._config)
        return self._process


def main(arguments: list[str], asked: BinaryIO, answers: BinaryIO) -> None:
    """Run the drain process: settings on the first line, then one line for each round."""
    workspace, folder = map(Path, arguments)
    config = msgspec.json.decode(asked.readline(), type=Config)
    with Stillwatch.open(workspace, config=config) as watch:
        while asked.readline():
            for done in drain(watch, folder):
                answers.write(msgspec.json.encode(done) + b"\n")
                answers.flush()
            answers.write(b"done\n")
            answers.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:  # the server was killed; the next one's drain goes on
        os._exit(0)
