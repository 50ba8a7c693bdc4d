"""Reading a stream that may break midway: what came before the fault still counts."""

import zlib
from typing import BinaryIO

from stillwatch.sources.base import Reject
from stillwatch.sources.digests import raw_digest

FAULTS = (OSError, EOFError, ValueError, zlib.error)
"""What damaged compression, a lost mount and a closed file raise while reading."""
CHUNK_BYTES = 1 << 20


class SteadyStream:
    """Forward reader over `stream` that ends, instead of raising, when reading fails.

    `fault` is the name of the exception type that ended it, None while all is well. `head` shows the first bytes
    without using them up.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._read_some = getattr(stream, "read1", stream.read)  # NOTE: `read` loses a partial chunk when it raises
        self._ahead = b""
        self.fault: str | None = None

    def head(self, n_bytes: int) -> bytes:
        """The next bytes, fewer only at the end of the stream; they will be read again."""
        while len(self._ahead) < n_bytes:
            more = self._next()
            if not more:
                break
            self._ahead += more
        return self._ahead[:n_bytes]

    def read(self) -> bytes:
        """The next chunk of at most about one MiB; empty at the end or after a fault."""
        if self._ahead:
            chunk, self._ahead = self._ahead, b""
            return chunk
        return self._next()

    def head_line(self, limit: int) -> bytes:
        """The bytes up to the first line end that follows something, at most about `limit`; they will be read again."""
        while (begun := self._ahead.lstrip().find(b"\n")) < 0 and len(self._ahead) <= limit:
            more = self._next()
            if not more:
                return self._ahead
            self._ahead += more
        shown = self._ahead.lstrip()
        return shown[:begun] if begun >= 0 else shown

    def read_all(self, limit: int) -> bytes | None:
        """Everything that is left; None, with nothing used up, when it is longer than `limit` bytes."""
        held = bytearray()
        while chunk := self.read():
            held += chunk
            if len(held) > limit:
                self.unread(bytes(held))
                return None
        return bytes(held)

    def unread(self, held: bytes) -> None:
        """Put bytes back, to be read first."""
        self._ahead = held + self._ahead

    def _next(self) -> bytes:
        if self.fault is not None:
            return b""
        try:
            chunk: bytes = self._read_some(CHUNK_BYTES)
        except FAULTS as fault:
            self.fault = type(fault).__name__
            return b""
        return chunk

    def truncation(self, line_no: int, remainder: bytes = b"") -> Reject | None:
        """The reject that closes a stream which broke at `line_no`; None when it did not break."""
        if self.fault is None:
            return None
        detail = f"the stream could not be read to its end: {self.fault}"
        return Reject(line_no, "truncated_stream", detail, len(remainder), raw_digest(remainder))
