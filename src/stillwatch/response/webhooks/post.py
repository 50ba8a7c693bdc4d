"""One attempt to hand a document to an endpoint."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from stillwatch.response.webhooks.settings import is_loopback

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
GONE: Final = 410
"""The receiver wants no more: Standard Webhooks says that the endpoint is to be disabled."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint said. `status` is None where it said nothing, and `fault` then tells why.

    `retry_after` is in seconds from `date` of the attempt.
    """

    status: int | None = None
    retry_after: float | None = None
    fault: str | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the document arrived."""
        return self.status is not None and 200 <= self.status < 300


def post(url: str, headers: Mapping[str, str], body: bytes, *, timeout_seconds: float, now: float) -> Answer:
    """Send the body once; redirects are not followed, and the attempt ends after `timeout_seconds` whatever happens.

    `now` (seconds since 1970) is what a date in `Retry-After` is compared with.
    """
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, timeout_seconds)
    deadline = threading.Timer(timeout_seconds, _cut, [connection])
    deadline.daemon = True
    deadline.start()
    try:
        connection.request("POST", target, body, {"content-type": CONTENT_TYPE, **headers})
        answer = connection.getresponse()
        return Answer(answer.status, _pause(answer.getheader("retry-after"), now))
    except (OSError, http.client.HTTPException) as error:
        # NOTE: the kind alone: texts of errors may quote what the other side sent.
        return Answer(fault=type(error).__name__)
    finally:
        deadline.cancel()
        connection.close()


def _connection(scheme: str, host: str, port: int | None, timeout_seconds: float) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout_seconds, context=context)
    if not is_loopback(host):
        raise ValueError(f"{host} is not this machine, and the address is not https")
    return http.client.HTTPConnection(host, port, timeout=timeout_seconds)


def _cut(connection: http.client.HTTPConnection) -> None:
    """End the attempt of a receiver that sends its answer drop by drop."""
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)


def _pause(said: str | None, now: float) -> float | None:
    """Seconds that a `Retry-After` header asks for; None where it asks for nothing that can be read."""
    if said is None:
        return None
    if said.strip().isdecimal() and said.isascii():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
