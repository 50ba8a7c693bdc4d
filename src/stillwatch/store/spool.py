"""The spool: bytes that were acknowledged and not yet ingested, in files that survive kill -9 and a loss of power.

A file holds records of one form behind each other. Writers wait together for one fsync (group commit). A file that is
being written ends in `.open`; when it is full or old enough it is sealed by a rename, and only sealed files are
drained. A file that a killed process left open is sealed by the next one: its end may be torn, and what is torn was
never acknowledged.
"""

import contextlib
import fcntl
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from stillwatch.errors import EnvironmentFault, SpoolFull

OPEN: Final = ".open"
LOCK: Final = ".lock"
MOST_TOGETHER: Final = 1024
"""Records of one group commit; the queue's order keeps the others for the next."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of a spool, in bytes and seconds."""

    max_bytes: int = 1 << 30
    """Acknowledged bytes that may wait for ingest; beyond them senders are told to come again."""
    file_bytes: int = 16 << 20
    """A file of this size is sealed; it stays below what one OTLP document may have."""
    seal_seconds: float = 2.0
    """A file is sealed at this age, so that quiet traffic is ingested too."""
    pending_bytes: int = 64 << 20
    """Bytes in memory that wait for the disk."""
    free_bytes: int = 1 << 30
    """Free space that the disk keeps."""


@dataclass(slots=True)
class _File:
    path: Path
    descriptor: int
    opened_at: float
    n_bytes: int = 0


@dataclass(slots=True)
class _Waiting:
    suffix: str
    body: bytes
    written: "Future[None]" = field(default_factory=Future)


class Spool:
    """One folder of spooled records, held by one process. `append` may be called from any thread."""

    def __init__(self, folder: Path, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self.settings = settings
        self._clock = clock
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._counts = threading.Lock()
        self._pending = self._stored = 0
        self._has_room = True
        self._files: dict[str, _File] = {}
        self._n_files = 0
        self._is_closed = False
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_folder(folder.parent)
        with contextlib.ExitStack() as held:
            held.enter_context(_only_one(folder))
            self._seal_left_open()
            self._look()
            self._held = held.pop_all()
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def append(self, body: bytes, suffix: str) -> "Future[None]":
        """A future that is done when `body` is on disk, at the end of a file whose name ends in `suffix`.

        The future raises SpoolFull when the disk refused; nothing of the record counts then.

        Raises:
            SpoolFull: the spool holds as much as it may.
        """
        with self._counts:
            if (
                self._is_closed
                or not self._has_room
                or self._stored + self._pending + len(body) > self.settings.max_bytes
            ):
                raise SpoolFull("the spool is full; send the records again later")
            if self._pending + len(body) > self.settings.pending_bytes:
                raise SpoolFull("the disk is behind; send the records again later")
            self._pending += len(body)
            waiting = _Waiting(suffix, body)
            self._waiting.put(waiting)
        return waiting.written

    @property
    def n_bytes(self) -> int:
        """Bytes that wait for ingest, those on their way to the disk included."""
        return self._stored + self._pending

    def close(self) -> None:
        """Write and seal everything that was appended, and let the folder go."""
        with self._counts:
            was_closed, self._is_closed = self._is_closed, True
        if not was_closed:
            self._waiting.put(None)
            self._thread.join()
            self._held.close()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the writing thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        looked_at = self._clock()
        while True:
            group, is_last = self._take()
            for suffix in dict.fromkeys(waiting.suffix for waiting in group):
                self._write(suffix, [waiting for waiting in group if waiting.suffix == suffix])
            if is_last:
                for suffix in list(self._files):
                    self._seal(suffix)
                return
            self._seal_old()
            if self._clock() - looked_at >= 1.0:
                self._look()
                looked_at = self._clock()

    def _take(self) -> tuple[list[_Waiting], bool]:
        """What waits now, after at most half a second; and whether it is the last."""
        group: list[_Waiting] = []
        with contextlib.suppress(queue.Empty):
            found = self._waiting.get(timeout=min(0.5, self.settings.seal_seconds))
            while found is not None:
                group.append(found)
                if len(group) >= MOST_TOGETHER:
                    return group, False
                found = self._waiting.get_nowait()
            return group, True
        return group, False

    def _write(self, suffix: str, group: list[_Waiting]) -> None:
        """Append a group by one fsync. After a failure the file is cut back to what it held and never used again."""
        body = b"".join(waiting.body for waiting in group)
        failure: SpoolFull | None = None
        try:
            file = self._files.get(suffix) or self._open(suffix)
            _write_all(file.descriptor, body)
            os.fdatasync(file.descriptor)
            file.n_bytes += len(body)
        except OSError as error:
            failure = SpoolFull(f"the spool could not be written ({error.strerror})")
            self._give_up(suffix)
        with self._counts:
            self._pending -= len(body)
            self._stored += 0 if failure else len(body)
        for waiting in group:
            if failure is None:
                waiting.written.set_result(None)
            else:
                waiting.written.set_exception(failure)
        if failure is None and file.n_bytes >= self.settings.file_bytes:
            self._seal(suffix)

    def _open(self, suffix: str) -> _File:
        self._n_files += 1
        path = self.folder / f"{time.time_ns():020d}-{self._n_files:06d}{suffix}{OPEN}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        file = _File(path, descriptor, self._clock())
        self._files[suffix] = file
        _sync_folder(self.folder)
        return file

    def _seal_old(self) -> None:
        for suffix, file in list(self._files.items()):
            if self._clock() - file.opened_at >= self.settings.seal_seconds:
                self._seal(suffix)

    def _seal(self, suffix: str) -> None:
        file = self._files.pop(suffix)
        os.close(file.descriptor)
        if file.n_bytes:
            file.path.rename(file.path.with_name(file.path.name.removesuffix(OPEN)))
        else:
            file.path.unlink(missing_ok=True)

    def _give_up(self, suffix: str) -> None:
        file = self._files.get(suffix)
        if file is None:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(file.descriptor, file.n_bytes)
        with contextlib.suppress(OSError):
            self._seal(suffix)

    def _seal_left_open(self) -> None:
        for path in self.folder.glob(f"*{OPEN}"):
            if path.stat().st_size:
                path.rename(path.with_name(path.name.removesuffix(OPEN)))
            else:
                path.unlink()

    def _look(self) -> None:
        """Count what is on disk: drained files are gone, and the disk may have filled up from elsewhere."""
        sizes = []
        for path in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                sizes.append(path.stat().st_size)
        has_room = shutil.disk_usage(self.folder).free > self.settings.free_bytes
        with self._counts:
            self._stored, self._has_room = sum(sizes), has_room


def sealed_files(folder: Path) -> list[Path]:
    """The files of a spool that may be drained, oldest first."""
    names = (path for path in folder.iterdir() if not path.name.startswith(".") and not path.name.endswith(OPEN))
    return sorted(path for path in names if path.is_file())


def _write_all(descriptor: int, body: bytes) -> None:
    left = memoryview(body)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    with os.fdopen(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EnvironmentFault(
                f"another server writes the spool {folder}; stop it, or name another folder in [serve] spool"
            ) from error
        yield
