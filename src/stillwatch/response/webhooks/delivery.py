"""Deliveries that are due, one after the other, and when each is tried again."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

from stillwatch.response.webhooks.post import GONE, Answer, post
from stillwatch.response.webhooks.settings import Endpoint, Settings
from stillwatch.response.webhooks.signature import signatures
from stillwatch.store.outbox import Due, Outbox

_SHARES: Final = 2.0**64
MOST_AT_ONCE: Final = 200
"""Deliveries of one round; the rest is due in the next."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rounds:
    """What one round of deliveries came to."""

    n_delivered: int = 0
    n_failed: int = 0
    n_dead: int = 0


class Post(Protocol):
    """Sends one document; `post` is the one that does."""

    def __call__(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout_seconds: float, now: float
    ) -> Answer:
        """Send the body once."""
        ...


class Courier:
    """Delivers what the outbox holds to the endpoints that the settings name.

    `secrets` are those of each endpoint by name. `clock` dates attempts; `send` is an argument for those who deliver by
    another road.
    """

    def __init__(
        self,
        outbox: Outbox,
        settings: Settings,
        secrets: Mapping[str, tuple[str, ...]],
        *,
        clock: Callable[[], datetime],
        send: Post = post,
    ) -> None:
        self._outbox = outbox
        self._settings = settings
        self._secrets = secrets
        self._clock = clock
        self._send = partial(send, timeout_seconds=settings.timeout_seconds)
        self._endpoints = {endpoint.name: endpoint for endpoint in settings.endpoints}

    def deliver(self, is_over: Callable[[], bool] = lambda: False) -> Rounds:
        """Try every delivery that is due now, oldest first; stops between two of them once `is_over()`."""
        n_delivered = n_failed = n_dead = 0
        gone: set[str] = set()
        for due in self._outbox.due(self._clock(), list(self._endpoints), limit=MOST_AT_ONCE):
            if is_over():
                break
            if due.endpoint in gone:
                continue
            answer = self._attempt(due)
            if answer.is_taken:
                n_delivered += 1
            elif self._failed(due, answer):
                n_dead += 1
            else:
                n_failed += 1
            if answer.status == GONE:
                gone.add(due.endpoint)
        return Rounds(n_delivered, n_failed, n_dead)

    def _attempt(self, due: Due) -> Answer:
        endpoint: Endpoint = self._endpoints[due.endpoint]
        at = self._clock()
        body = due.body.encode()
        headers = {
            "webhook-id": due.event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signatures(self._secrets[due.endpoint], due.event_id, int(at.timestamp()), body),
            "user-agent": "stillwatch",
        }
        answer = self._send(endpoint.url, headers, body, now=at.timestamp())
        if answer.is_taken:
            self._outbox.delivered(due, status=answer.status or 0, at=self._clock())
        return answer

    def _failed(self, due: Due, answer: Answer) -> bool:
        """Note a failed attempt; whether the delivery is given up."""
        at = self._clock()
        why = answer.fault or f"HTTP {answer.status}"
        if answer.status == GONE:
            self._outbox.disable(due.endpoint, reason="it answered 410: it wants no more", at=at)
            _log.error("webhook endpoint %s answered 410 and is disabled", due.endpoint)
            return True
        n_attempts = due.n_attempts + 1
        is_dead = n_attempts >= self._settings.max_attempts
        pause = pause_seconds(self._settings, due.event_id, due.endpoint, n_attempts, answer.retry_after)
        self._outbox.failed(
            due, status=answer.status, fault=why, at=at, next_at=None if is_dead else at + timedelta(seconds=pause)
        )
        level = logging.ERROR if is_dead else logging.WARNING
        said = "given up" if is_dead else f"again in {pause:.0f} s"
        _log.log(level, "event %s did not reach %s (%s): %s", due.event_id, due.endpoint, why, said)
        return is_dead


def pause_seconds(
    settings: Settings, event_id: str, endpoint: str, n_attempts: int, retry_after: float | None
) -> float:
    """Seconds until the next attempt after `n_attempts` failed ones, or what the receiver asked for if that is longer.

    Pauses grow by a factor up to a maximum and are drawn from the upper half of their span, so that deliveries which
    failed together do not come back together; equal arguments give equal pauses.
    """
    exponent = min(n_attempts - 1, 64)  # beyond it the power would overflow; the maximum holds long before
    usual = min(settings.first_retry_seconds * settings.retry_factor**exponent, settings.max_retry_seconds)
    drawn = hashlib.blake2b(f"{event_id}|{endpoint}|{n_attempts}".encode(), digest_size=8).digest()
    jittered = usual * (0.5 + 0.5 * int.from_bytes(drawn, "big") / _SHARES)
    return max(jittered, min(retry_after or 0.0, settings.max_retry_seconds))
