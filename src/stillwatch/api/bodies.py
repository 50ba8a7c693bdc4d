"""Bodies of requests, read within bounds of bytes and time."""

import asyncio
import zlib
from dataclasses import dataclass
from typing import Final

from starlette.requests import ClientDisconnect, Request

GZIP_WINDOW: Final = 31
"""zlib's `wbits` for a gzip stream with its largest window."""
IDENTITY: Final = ("", "identity")


class Refused(Exception):
    """A request that is answered with `status` and one sentence; never a word of the body."""

    def __init__(self, status: int, words: str, *, retry_after: int | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many bytes a body may have, as sent and unpacked, and how many seconds it may take to arrive."""

    max_bytes: int
    max_unpacked: int
    seconds: float


async def read_body(request: Request, bounds: Bounds) -> bytes:
    """The whole body, unpacked.

    Raises:
        Refused: it is too large, too slow, broken off, or packed in a way that is not gzip.
    """
    told = request.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and int(told) > bounds.max_bytes:
        raise _too_large(bounds.max_bytes)
    packed = await _received(request, bounds)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in IDENTITY:
        return packed
    if encoding != "gzip":
        raise Refused(415, "Content-Encoding must be gzip or identity")
    return unpack(packed, bounds.max_unpacked)


async def _received(request: Request, bounds: Bounds) -> bytes:
    parts = []
    n_bytes = 0
    try:
        async with asyncio.timeout(bounds.seconds):
            async for part in request.stream():
                n_bytes += len(part)
                if n_bytes > bounds.max_bytes:
                    raise _too_large(bounds.max_bytes)
                parts.append(part)
    except TimeoutError as error:
        raise Refused(408, f"the body did not arrive within {bounds.seconds:g} s") from error
    except ClientDisconnect as error:
        raise Refused(400, "the body broke off") from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


def unpack(packed: bytes, max_unpacked: int) -> bytes:
    """The bytes of one gzip stream; a bomb costs at most `max_unpacked` bytes of memory.

    Raises:
        Refused: it is damaged, broken off, followed by something else, or larger than `max_unpacked`.
    """
    stream = zlib.decompressobj(GZIP_WINDOW)
    try:
        body = stream.decompress(packed, max_unpacked + 1)
    except zlib.error as error:
        raise Refused(400, "the body is not gzip") from error
    if len(body) > max_unpacked:
        raise _too_large(max_unpacked)
    if not stream.eof or stream.unused_data:
        raise Refused(400, "the body is not one whole gzip stream")
    return body


def _too_large(most: int) -> Refused:
    return Refused(413, f"the body is larger than {most} bytes; send smaller batches")
