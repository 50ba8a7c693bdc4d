"""Server-sent events: what the server did, as it happens."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Final

import msgspec

KEPT: Final = 256
"""Events that a client which comes back can catch up with."""
QUEUED: Final = 256
"""Events that wait for a slow client; it is cut off beyond them, and comes back with the last id it saw."""
HEARTBEAT_SECONDS: Final = 15.0
MOST_LISTENERS: Final = 100


class Broadcast:
    """Events in order, numbered from 1, to every listener. All methods belong to one event loop."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._listeners: set[asyncio.Queue[tuple[int, bytes] | None]] = set()
        self._n = 0

    @property
    def is_full(self) -> bool:
        """Whether no further listener is taken."""
        return len(self._listeners) >= MOST_LISTENERS

    def tell(self, kind: str, said: Mapping[str, object]) -> None:
        """Send one event."""
        self._n += 1
        event = (self._n, b"id: %d\nevent: %b\ndata: %b\n\n" % (self._n, kind.encode(), msgspec.json.encode(said)))
        self._kept.append(event)
        for listener in list(self._listeners):
            if listener.qsize() >= QUEUED:
                self._listeners.discard(listener)
                listener.put_nowait(None)
            else:
                listener.put_nowait(event)

    def close(self) -> None:
        """Let every listener go."""
        for listener in self._listeners:
            listener.put_nowait(None)

    async def listen(self, after: int) -> AsyncIterator[bytes]:
        """Events with a number above `after`, those kept first; a comment where nothing happens."""
        queue: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        for event in self._kept:
            if event[0] > after:
                queue.put_nowait(event)
        self._listeners.add(queue)
        try:
            yield b": listening\n\n"
            while True:
                try:
                    found = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if found is None:
                    return
                yield found[1]
        finally:
            self._listeners.discard(queue)
