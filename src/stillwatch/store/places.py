"""Where new telemetry appears: folders on this machine, and prefixes of an object store."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.fs as pafs

from stillwatch.errors import ExternalServiceError, UsageError


@dataclass(frozen=True, slots=True)
class Found:
    """One file of a place: its path or URL, its size in bytes, and when it was last changed (UTC)."""

    uri: str
    n_bytes: int
    modified_at: datetime


class Place(Protocol):
    """A folder or prefix in which files appear. A listing is sorted by uri."""

    grows: bool
    """Whether a file may be seen before it is complete."""

    def listing(self, suffixes: tuple[str, ...]) -> list[Found]:
        """Every file whose name ends in one of `suffixes`."""
        ...

    def fetched(self, found: Found, folder: Path) -> "Iterator[Path]":
        """A context in which the file is on this machine; a copy goes into `folder`."""
        ...


class LocalPlace:
    """A file or folder on this machine, read where it lies."""

    grows = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def listing(self, suffixes: tuple[str, ...]) -> list[Found]:
        """Every file below the folder; a file that vanishes meanwhile is left out."""
        if not self._path.exists():
            raise UsageError(f"there is no file or folder {self._path}; make it, or check the path")
        files = [self._path] if self._path.is_file() else self._path.rglob("*")
        named = (file for file in files if file == self._path or file.name.lower().endswith(suffixes))
        return sorted((found for file in named if (found := _found(file))), key=lambda found: found.uri)

    @contextmanager
    def fetched(self, found: Found, folder: Path) -> Iterator[Path]:  # noqa: ARG002  # nothing is copied
        """The file itself."""
        yield Path(found.uri)


class RemotePlace:
    """A prefix of an object store, or of any other file system that pyarrow knows. Objects appear whole."""

    grows = False

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        try:
            self._filesystem, self._base = pafs.FileSystem.from_uri(url)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UsageError(f"{url} names no file system that pyarrow has: {error}") from error

    def listing(self, suffixes: tuple[str, ...]) -> list[Found]:
        """Every object below the prefix."""
        try:
            infos = self._filesystem.get_file_info(pafs.FileSelector(self._base, recursive=True, allow_not_found=True))
        except OSError as error:
            raise ExternalServiceError(f"{self._url} cannot be listed: {error}") from error
        files = [info for info in infos if info.type == pafs.FileType.File and info.path.lower().endswith(suffixes)]
        found = [Found(self._uri(info.path), info.size, info.mtime.astimezone(UTC)) for info in files]
        return sorted(found, key=lambda one: one.uri)

    @contextmanager
    def fetched(self, found: Found, folder: Path) -> Iterator[Path]:
        """A copy of the object, removed afterwards."""
        key = f"{self._base}{found.uri.removeprefix(self._url)}"
        copy = folder / found.uri.rpartition("/")[2]
        try:
            with self._filesystem.open_input_stream(key, compression=None) as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            yield copy
        except OSError as error:
            raise ExternalServiceError(f"{found.uri} cannot be read: {error}") from error
        finally:
            copy.unlink(missing_ok=True)

    def _uri(self, key: str) -> str:
        return f"{self._url}{key.removeprefix(self._base)}"


def place_of(named: str) -> LocalPlace | RemotePlace:
    """The place that a path or a URL (`s3://`, `gs://`, `abfs://`, `file://`) names.

    Raises:
        UsageError: the URL names a file system that pyarrow does not have.
    """
    return RemotePlace(named) if "://" in named else LocalPlace(Path(named).absolute())


def _found(file: Path) -> Found | None:
    try:
        seen = file.stat()
    except FileNotFoundError:
        return None
    return Found(str(file), seen.st_size, datetime.fromtimestamp(seen.st_mtime, UTC)) if file.is_file() else None
