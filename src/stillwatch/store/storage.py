"""Where the bytes of a lake are: a local folder with fsync and a lock, or an object store."""

import contextlib
import fcntl
import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from stillwatch.errors import LakeError, LakeLocked


class Storage(Protocol):
    """Files of one lake by relative path. What `publish` replaced is seen whole or not at all."""

    root: str

    def read(self, path: str) -> bytes | None:
        """All bytes of a file; None when there is no such file."""
        ...

    def write(self, path: str, body: pa.Buffer) -> None:
        """Write a file that nobody reads yet; on return its bytes survive a loss of power."""
        ...

    def publish(self, path: str, body: bytes) -> None:
        """Replace a file that others are reading; every file written before is durable before this one is."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file; not an error when it is gone."""
        ...

    def segments(self) -> Iterator[tuple[str, datetime]]:
        """Path and modification time (UTC) of every Parquet file, in the manifest or not."""
        ...

    def locate(self, path: str) -> str:
        """What a reader opens: an absolute path or a URL."""
        ...

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Hold the one writer's lock.

        Raises:
            LakeLocked: another writer holds it.
        """
        ...


class LocalStorage:
    """A folder on a local disk. A crash or loss of power at any instant leaves the last published manifest whole."""

    def __init__(self, root: Path) -> None:
        self.folder = root.absolute()
        self.root = str(self.folder)
        self._unsynced: set[Path] = set()

    def read(self, path: str) -> bytes | None:
        """All bytes of a file; None when there is no such file."""
        try:
            return (self.folder / path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, body: pa.Buffer) -> None:
        """Write and fsync a file. Its folder is fsynced by the next `publish`."""
        target = self.folder / path
        self._make_folder(target.parent)
        with target.open("wb") as handle:
            self._pour(handle, body)
            self._sync(handle)
        self._unsynced.add(target.parent)

    def publish(self, path: str, body: bytes) -> None:
        """Replace a file by rename, between an fsync of its bytes and one of its folder."""
        target = self.folder / path
        self._make_folder(target.parent)
        for folder in sorted(self._unsynced):
            self._sync_folder(folder)
        self._unsynced.clear()
        draft = target.with_name(f"{target.name}.tmp")
        with draft.open("wb") as handle:
            self._pour(handle, body)
            self._sync(handle)
        self._rename(draft, target)
        self._sync_folder(target.parent)

    def delete(self, path: str) -> None:
        """Remove a file; not an error when it is gone."""
        (self.folder / path).unlink(missing_ok=True)

    def segments(self) -> Iterator[tuple[str, datetime]]:
        """Path and modification time of every Parquet file below the lake."""
        for target in self.folder.rglob("*.parquet"):
            modified = datetime.fromtimestamp(target.stat().st_mtime, UTC)
            yield target.relative_to(self.folder).as_posix(), modified

    def locate(self, path: str) -> str:
        """The absolute path of a file."""
        return f"{self.root}/{path}"

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Hold `writer.lock`; the operating system releases it when the process ends, however it ends."""
        return _flock(self.folder / "writer.lock", self.root)

    def _make_folder(self, folder: Path) -> None:
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        self._unsynced.update(parent.parent for parent in missing)

    def _pour(self, handle: BinaryIO, body: pa.Buffer | bytes) -> None:
        handle.write(body)

    def _sync(self, handle: BinaryIO) -> None:
        handle.flush()
        os.fsync(handle.fileno())

    def _rename(self, draft: Path, target: Path) -> None:
        draft.replace(target)

    def _sync_folder(self, folder: Path) -> None:
        sync_folder(folder)


class ObjectStorage:
    """A bucket or any other pyarrow filesystem whose writes become visible whole when their stream closes.

    NOTE: that holds for S3, Google Cloud Storage and Azure; durability is theirs. There is no lock between machines:
    `lock` keeps writers of one machine apart, and a commit refuses when it finds a manifest that it did not read,
    which narrows the race between two machines and does not close it. Run one writer.
    """

    def __init__(self, filesystem: pafs.FileSystem, base: str, *, root: str) -> None:
        self.filesystem = filesystem
        self.base = base.rstrip("/")
        self.root = root.rstrip("/")

    def read(self, path: str) -> bytes | None:
        """All bytes of an object; None when there is no such object."""
        try:
            with self.filesystem.open_input_stream(self._key(path)) as stream:
                body: bytes = stream.read()
        except FileNotFoundError:
            return None
        return body

    def write(self, path: str, body: pa.Buffer | bytes) -> None:
        """Put one object."""
        key = self._key(path)
        self.filesystem.create_dir(key.rpartition("/")[0], recursive=True)
        with self.filesystem.open_output_stream(key, compression=None) as stream:
            stream.write(body)

    def publish(self, path: str, body: bytes) -> None:
        """Put one object in place of another; readers get the old one or the new one."""
        self.write(path, body)

    def delete(self, path: str) -> None:
        """Remove an object; not an error when it is gone."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(self._key(path))

    def segments(self) -> Iterator[tuple[str, datetime]]:
        """Path and modification time of every Parquet object below the lake."""
        selector = pafs.FileSelector(self.base, recursive=True, allow_not_found=True)
        for found in self.filesystem.get_file_info(selector):
            if found.type == pafs.FileType.File and found.path.endswith(".parquet"):
                yield found.path.removeprefix(f"{self.base}/"), found.mtime

    def locate(self, path: str) -> str:
        """The URL of an object; what the lake's URL says after `?` stays behind the path."""
        place, mark, options = self.root.partition("?")
        return f"{place.rstrip('/')}/{path}{mark}{options}"

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Hold a lock file of this machine and this account, named by the lake's URL."""
        name = hashlib.blake2b(self.root.encode(), digest_size=8).hexdigest()
        return _flock(Path(tempfile.gettempdir()) / f"stillwatch-{os.getuid()}-{name}.lock", self.root)

    def _key(self, path: str) -> str:
        return f"{self.base}/{path}" if self.base else path


def storage_at(root: str | Path) -> Storage:
    """The storage that `root` names: a path, a `file://` URL, or an object store's URL (`s3://`, `gs://`, `abfs://`).

    Raises:
        LakeError: the URL names a filesystem that pyarrow does not have.
    """
    if isinstance(root, Path) or "://" not in root:
        return LocalStorage(Path(root))
    if urlsplit(root).scheme == "file":
        return LocalStorage(Path(unquote(urlsplit(root).path)))
    try:
        filesystem, base = pafs.FileSystem.from_uri(root)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LakeError(
            f"lake {root} cannot be reached through pyarrow: {error}; give a path or a supported URL"
        ) from error
    return ObjectStorage(filesystem, base, root=root)


def sync_folder(folder: Path) -> None:
    """Make what `folder` names survive a loss of power; for a file, its bytes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make every file and folder below `folder`, and itself, survive a loss of power."""
    for path in (*folder.rglob("*"), folder):
        sync_folder(path)


@contextlib.contextmanager
def _flock(lock_file: Path, root: str) -> Iterator[None]:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(lock_file, flags, 0o600), "r+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = handle.read(200).strip() or "another process"
            raise LakeLocked(f"lake {root} is being written by {holder}; wait until it is done, or stop it") from error
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        handle.flush()
        yield
