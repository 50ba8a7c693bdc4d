"""The channels to peers: files and HTTPS. Outgoing bytes come from cleared objects alone, incoming ones are bounded."""

import base64
import http.client
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from stillwatch.errors import ExternalServiceError, GuardRefused, UsageError
from stillwatch.guard.clearance import Cleared
from stillwatch.guard.envelope import Signer
from stillwatch.guard.intake import MAX_BYTES
from stillwatch.guard.matching import MESSAGE_TYPE, ClearedStep
from stillwatch.guard.package import packed
from stillwatch.guard.policy import Policy

TIMEOUT_SECONDS: Final = 30.0
MATCH_SECONDS: Final = 300.0
"""For a step of private matching: the other side multiplies up to 65,536 points twice before it answers."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer answered; the body is at most MAX_BYTES."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Peer:
    """Another party's server. `token` goes into Authorization as bearer, `name:password` as basic."""

    root: str
    token: str = field(default="", repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS

    def get(self, path: Sequence[str], accept: str, query: Mapping[str, str]) -> Answer:
        """The answer to a GET of a path, given by its parts; redirects are not followed.

        Raises:
            ExternalServiceError: no answer, or one that is too large.
        """
        asked = f"?{urlencode(query)}" if query else ""
        return self._call("GET", _joined(path) + asked, {"Accept": accept}, None)

    def post(self, path: Sequence[str], cleared: Cleared, media_type: str) -> Answer:
        """The answer to a POST of cleared objects as a TAXII envelope."""
        _refuse_unless_cleared(cleared)
        return self._call("POST", _joined(path), {"Accept": media_type, "Content-Type": media_type}, cleared.envelope())

    def stamp(self, query: bytes, media_type: str) -> Answer:
        """The answer to a query for a time stamp, which holds a digest and nothing else (`guard.timestamping`)."""
        return self._call("POST", "", {"Accept": "application/timestamp-reply", "Content-Type": media_type}, query)

    def match(self, path: Sequence[str], cleared: ClearedStep) -> Answer:
        """The answer to a POST of a step of private matching."""
        if type(cleared) is not ClearedStep:
            raise GuardRefused("only steps that the guard cleared leave")
        patient = replace(self, timeout_seconds=max(self.timeout_seconds, MATCH_SECONDS))
        return patient._call(
            "POST", _joined(path), {"Accept": MESSAGE_TYPE, "Content-Type": MESSAGE_TYPE}, cleared.body
        )

    def _call(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        connection, prefix = self._connection()
        if self.token:
            headers["Authorization"] = _authorization(self.token)
        try:
            connection.request(method, f"{prefix}{path}", body=body, headers=headers)
            response = connection.getresponse()
            read = response.read(MAX_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise ExternalServiceError(f"peer {self._host()} did not answer ({type(error).__name__})") from error
        finally:
            connection.close()
        if len(read) > MAX_BYTES:
            raise ExternalServiceError(f"peer {self._host()} sent more than {MAX_BYTES:,} bytes in one answer")
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, read)

    def _connection(self) -> tuple[http.client.HTTPConnection, str]:
        parts = urlsplit(self.root)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                host, parts.port, timeout=self.timeout_seconds, context=context
            ), parts.path.rstrip("/")
        if parts.scheme == "http" and host in _LOOPBACK:
            return http.client.HTTPConnection(host, parts.port, timeout=self.timeout_seconds), parts.path.rstrip("/")
        raise UsageError("a peer's address starts with https://; plain http is for loopback alone")

    def _host(self) -> str:
        return urlsplit(self.root).hostname or "?"


def _joined(path: Sequence[str]) -> str:
    return "".join(f"/{quote(part, safe='')}" for part in path)


def write_bundle(cleared: Cleared, path: Path) -> None:
    """Write cleared objects as a STIX bundle."""
    _refuse_unless_cleared(cleared)
    path.write_bytes(cleared.bundle() + b"\n")


def write_step(cleared: ClearedStep, path: Path) -> None:
    """Write a step of private matching as a signed message."""
    if type(cleared) is not ClearedStep:
        raise GuardRefused("only steps that the guard cleared leave")
    path.write_bytes(cleared.body + b"\n")


def write_package(cleared: Cleared, policy: Policy, signer: Signer, path: Path) -> None:
    """Write cleared objects as a signed package with a statement of who answers for them."""
    _refuse_unless_cleared(cleared)
    path.write_bytes(packed(cleared, policy, signer) + b"\n")


def _refuse_unless_cleared(cleared: object) -> None:
    if type(cleared) is not Cleared:
        raise GuardRefused("only objects that the guard cleared leave")


def _authorization(token: str) -> str:
    if ":" in token:
        return f"Basic {base64.b64encode(token.encode()).decode()}"
    return f"Bearer {token}"
