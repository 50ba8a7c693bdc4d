"""Opens telemetry files: compressed or not, damaged or not, counting what was read."""

import bz2
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from stillwatch.errors import UsageError

BLOCK_BYTES = 1 << 20
"""What is read at once."""

LEAST_LIMIT = 1 << 30
"""Compressed files that unpack to less than this are read whatever their ratio."""

COMPRESSIONS = (".gz", ".bz2", ".zst")

Opener = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file to ingest: where it is, its size, and the hexadecimal BLAKE2b-256 of its bytes."""

    path: Path
    n_bytes: int
    digest: str


def find_files(paths: Sequence[Path], suffixes: tuple[str, ...]) -> list[Path]:
    """The files that `paths` name, folders searched recursively for `suffixes`; each once, in sorted order per path.

    Raises:
        UsageError: a path does not exist, or a folder holds no file with one of the suffixes.
    """
    found: dict[Path, None] = {}
    for path in paths:
        found.update(dict.fromkeys(_files_of(path, suffixes)))
    return list(found)


def with_bzip2(suffixes: tuple[str, ...]) -> tuple[str, ...]:
    """`suffixes`, and for each that may be gzipped its bzip2 twin."""
    return suffixes + tuple(suffix[:-3] + ".bz2" for suffix in suffixes if suffix.endswith(".gz"))


def _files_of(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UsageError(f"cannot ingest {path}: there is no such file or folder; check the path")
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name.lower().endswith(suffixes))
    if not files:
        raise UsageError(f"folder {path} holds no file that ends in {', '.join(suffixes)}; name the file itself")
    return files


def inspect_file(path: Path) -> InputFile:
    """Size and digest of a file, by one pass over its bytes before it is parsed."""
    digest = hashlib.blake2b(digest_size=32)
    n_bytes = 0
    with path.open("rb") as handle:
        while block := handle.read(BLOCK_BYTES):
            digest.update(block)
            n_bytes += len(block)
    return InputFile(path=path, n_bytes=n_bytes, digest=digest.hexdigest())


class CountedFile(io.RawIOBase):
    """The first `n_bytes` of a file on disk, and how many bytes of it were read so far.

    NOTE: a log that grows while it is read ends where its digest ended; the next ingest takes the rest.
    """

    def __init__(self, path: Path, n_bytes: int) -> None:
        super().__init__()
        self.n_read = 0
        self._n_bytes = n_bytes
        self._handle = path.open("rb", buffering=0)

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, target: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Fill `target` as far as the file goes."""
        left = max(0, self._n_bytes - self._handle.tell())
        n = self._handle.readinto(memoryview(target)[:left]) or 0
        self.n_read += n
        return n

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position; the end is where the digest ended."""
        if whence == io.SEEK_END:
            return self._handle.seek(self._n_bytes + offset)
        return self._handle.seek(offset, whence)

    def tell(self) -> int:
        """The position in the file."""
        return self._handle.tell()

    def close(self) -> None:
        """Close the file on disk."""
        self._handle.close()
        super().close()


class UnpacksTooFar(EOFError):
    """A compressed file holds far more than its size lets expect."""


class DecompressedFile(io.RawIOBase):
    """The bytes inside a compressed file; all in front of a damage are read before EOFError tells of it.

    `is_truncated` says that there was damage, or more than `limit` bytes: then `is_bomb` too. Seeks by reading; there
    is no seek from the end.
    """

    def __init__(self, reopen: Opener, *, limit: int) -> None:
        super().__init__()
        self.is_truncated = False
        self.is_bomb = False
        self._limit = limit
        self._reopen = reopen
        self._inner = reopen()
        self._at = 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """The position in the decompressed bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position from the start or from here."""
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("a compressed stream has no known end")
        target = offset + (self._at if whence == io.SEEK_CUR else 0)
        if target < self._at:
            self._inner, self._at = self._reopen(), 0
        while self._at < target and self.read(min(BLOCK_BYTES, target - self._at)):
            pass
        return self._at

    def readinto(self, target: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Fill a part of `target`; 0 at the end.

        Raises:
            EOFError: the rest is damaged, or beyond the limit.
        """
        if self._at >= self._limit and self._inner.read(1):
            self.is_truncated = self.is_bomb = True
        if self.is_bomb:
            raise UnpacksTooFar(f"the file unpacks to more than {self._limit} bytes")
        if self.is_truncated:
            raise EOFError("the compressed stream is damaged or cut off")
        try:
            block = self._inner.read(min(len(target), self._limit - self._at))
        except (EOFError, zlib.error, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            block = self._salvage(len(target))
            if not block:
                raise EOFError("the compressed stream is damaged or cut off") from error
        target[: len(block)] = block
        self._at += len(block)
        return len(block)

    def _salvage(self, n_bytes: int) -> bytes:
        """Up to `n_bytes` in front of the damage.

        NOTE: decompressors drop what they hold when they fail, so the last block is read again byte by byte.
        """
        self._inner = self._reopen()
        position = 0
        while position < self._at:
            position += len(self._inner.read(min(BLOCK_BYTES, self._at - position)))
        kept = bytearray()
        try:
            while len(kept) < n_bytes and (byte := self._inner.read(1)):
                kept += byte
        except (EOFError, zlib.error, OSError):
            self.is_truncated = True
        return bytes(kept)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file being read: the uncompressed stream, and what lies below it."""

    stream: BinaryIO
    counted: CountedFile
    decompressed: DecompressedFile | None

    @property
    def is_truncated(self) -> bool:
        """Whether the compressed stream was damaged."""
        return self.decompressed is not None and self.decompressed.is_truncated

    @property
    def is_bomb(self) -> bool:
        """Whether the compressed stream went beyond its limit."""
        return self.decompressed is not None and self.decompressed.is_bomb

    def close(self) -> None:
        """Close the stream and the file."""
        self.stream.close()
        self.counted.close()


def open_file(file: InputFile, *, max_unpack_ratio: int) -> OpenFile:
    """`file` as a seekable stream of uncompressed bytes, by the suffix of its name.

    Of a compressed file at most `max_unpack_ratio` times its size is read, or LEAST_LIMIT where that is more.
    """
    counted = CountedFile(file.path, file.n_bytes)
    suffix = file.path.suffix.lower()
    if suffix not in COMPRESSIONS:
        return OpenFile(io.BufferedReader(counted, BLOCK_BYTES), counted, None)
    limit = max(LEAST_LIMIT, max_unpack_ratio * file.n_bytes)
    decompressed = DecompressedFile(lambda: _decompressor(counted, suffix), limit=limit)
    return OpenFile(io.BufferedReader(decompressed, BLOCK_BYTES), counted, decompressed)


def _decompressor(counted: CountedFile, suffix: str) -> BinaryIO:
    counted.seek(0)
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=io.BufferedReader(_Borrowed(counted), BLOCK_BYTES))  # type: ignore[return-value]
    if suffix == ".bz2":
        return bz2.BZ2File(io.BufferedReader(_Borrowed(counted), BLOCK_BYTES))  # type: ignore[return-value]
    return pa.CompressedInputStream(pa.PythonFile(_Borrowed(counted), mode="r"), "zstd")  # type: ignore[no-any-return]


class _Borrowed(io.RawIOBase):
    """A file that stays open when its reader is thrown away."""

    def __init__(self, inner: CountedFile) -> None:
        super().__init__()
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, target: "bytearray | memoryview") -> int:  # type: ignore[override]
        return self._inner.readinto(target)
