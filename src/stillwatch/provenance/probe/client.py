"""A client for any OpenAI-compatible endpoint, on the standard library. Redirects are not followed."""

import email.utils
import http.client
import ipaddress
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from stillwatch.errors import ExternalServiceError, UsageError
from stillwatch.provenance.settings import ProbeSettings

RETRIED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which the same request may succeed."""
FIRST_WAIT: Final = 1.0
"""Seconds before the second try where the endpoint names no time; each further wait is twice as long."""


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    model: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its text, why it ended, and the model that the endpoint says gave it."""

    text: str
    finish_reason: str
    model: str


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        """Never: the key of one host must not reach another."""
        return


@dataclass(frozen=True)
class Client:
    """Asks one endpoint. `sleep` waits a number of seconds; `api_key` is sent and never shown.

    Raises:
        UsageError: the address is neither https nor on this machine.
    """

    endpoint: str
    settings: ProbeSettings
    api_key: str = field(default="", repr=False)
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        parts = urllib.parse.urlsplit(self.endpoint)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
            raise UsageError(f"the endpoint must be https, or http on this machine, got {parts.scheme}://{parts.hostname}")  # fmt: skip  # noqa: E501

    def ask(self, messages: list[dict[str, str]], **settings: str | float) -> Reply:
        """One chat completion; `settings` are its parameters (`model`, `temperature`, ...).

        Raises:
            ExternalServiceError: the endpoint refused, or did not answer in `max_attempts` tries.
        """
        body = msgspec.json.encode({"messages": messages, **settings})
        completion = self._decoded(self._sent("/chat/completions", body))
        if not completion.choices:
            raise ExternalServiceError(f"{self.endpoint} answered without a choice")
        choice = completion.choices[0]
        return Reply(choice.message.content or "", choice.finish_reason or "", completion.model)

    def _decoded(self, answer: bytes) -> _Completion:
        try:
            return msgspec.json.decode(answer, type=_Completion)
        except msgspec.DecodeError as error:
            raise ExternalServiceError(f"{self.endpoint} did not answer with a chat completion") from error

    def _sent(self, path: str, body: bytes) -> bytes:
        wait = FIRST_WAIT
        said = ""
        for attempt in range(self.settings.max_attempts):
            if attempt:
                self.sleep(wait)
                wait *= 2
            try:
                return self._once(path, body)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code not in RETRIED:
                        raise ExternalServiceError(f"{self.endpoint} refused with status {error.code}") from error
                    said = f"status {error.code}"
                    wait = max(wait, self._asked_wait(error.headers.get("Retry-After")))
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                said = type(error).__name__
        raise ExternalServiceError(
            f"{self.endpoint} did not answer in {self.settings.max_attempts} tries ({said}); try again later"
        )

    def _once(self, path: str, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        request = urllib.request.Request(self.endpoint.rstrip("/") + path, body, headers)  # noqa: S310 - checked above
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(request, timeout=self.settings.timeout_seconds) as response:
            answer: bytes = response.read(self.settings.max_answer_bytes + 1)
        if len(answer) > self.settings.max_answer_bytes:
            raise ExternalServiceError(f"{self.endpoint} answered with more than {self.settings.max_answer_bytes:,} bytes")  # fmt: skip  # noqa: E501
        return answer

    def _asked_wait(self, header: str | None) -> float:
        """Seconds that a `Retry-After` asks for, as a number or a date, within the limit."""
        if header is None:
            return 0.0
        if header.strip().isdigit():
            return min(float(header), self.settings.max_wait_seconds)
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return 0.0
        return min(max(seconds, 0.0), self.settings.max_wait_seconds)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
