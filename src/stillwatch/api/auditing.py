"""Calls on their way into the audit trail: counted in memory, written once a second."""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from stillwatch.store.audit import AuditTrail, Call

FLUSH_SECONDS: Final = 1.0
MOST_DISTINCT: Final = 10_000
"""Distinct calls between two flushes; more can only come from many keys, and are counted without their subject."""

_log = logging.getLogger(__name__)


class Auditor:
    """Notes calls without waiting. A flood of equal refusals is one entry a second."""

    def __init__(self, trail: AuditTrail, clock: Callable[[], datetime]) -> None:
        self._trail = trail
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: Counter[Call] = Counter()
        self._first_at: datetime | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def start(self) -> None:
        """Begin to write once a second."""
        self._thread.start()

    def note(self, call: Call) -> None:
        """Count one call."""
        with self._lock:
            if len(self._calls) >= MOST_DISTINCT and call not in self._calls:
                call = Call(call.method, call.route, call.status)
            self._first_at = self._first_at or self._clock()
            self._calls[call] += 1

    def flush(self) -> None:
        """Write what was noted; what cannot be written now is kept for the next time."""
        with self._lock:
            calls, at = self._calls, self._first_at
            self._calls, self._first_at = Counter(), None
        if at is None:
            return
        try:
            self._trail.write(calls.items(), at)
        except SQLAlchemyError as error:
            _log.error("%d audited calls wait for the state database (%s)", calls.total(), type(error).__name__)
            with self._lock:
                self._calls += calls
                self._first_at = at

    def close(self) -> None:
        """Write everything and stop."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()

    def _run(self) -> None:
        while not self._is_over.wait(FLUSH_SECONDS):
            self.flush()
