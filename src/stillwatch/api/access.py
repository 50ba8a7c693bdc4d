"""The door: no call passes without a key, a role that its route names, and a token in the key's bucket."""

import base64
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import msgspec
from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stillwatch.api.auditing import Auditor
from stillwatch.api.figures import Figures
from stillwatch.api.roles import UNAUDITED, WRITES_STATE, open_route
from stillwatch.model.role import Role
from stillwatch.store.api_keys import ApiKey, ApiKeys, split
from stillwatch.store.audit import Call

KEY_HEADERS: Final = ("x-stillwatch-key", "x-api-key")
"""Where a key may stand in place of `Authorization: Bearer`, best first: gateways forward the customer's own."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_log = logging.getLogger(__name__)

NO_ROUTE: Final = "(no route)"
FIXED_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class KeyRing:
    """The keys in memory: a call costs no database."""

    def __init__(self, stored: ApiKeys, clock: Callable[[], datetime]) -> None:
        self._stored = stored
        self._clock = clock
        self._keys: Mapping[str, ApiKey] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read all keys anew."""
        self._keys = {key.key_id: key for key in self._stored.all()}

    def try_refresh(self) -> None:
        """Read all keys anew, or keep those in memory while the state database is away."""
        try:
            self.refresh()
        except SQLAlchemyError as error:
            _log.error("API keys could not be read again (%s); those in memory stay", type(error).__name__)

    def find(self, headers: Headers) -> ApiKey | None:
        """The valid key that a request shows; None for anything else."""
        shown = next((headers[name] for name in KEY_HEADERS if name in headers), None)
        if shown is None:
            shown = _authorized(headers.get("authorization", ""))
        parts = split(shown.strip())
        key = self._keys.get(parts[0]) if parts else None
        if parts is None or key is None or not self._stored.opens(key, parts[1]):
            return None
        return key if key.is_valid(self._clock()) else None


def _authorized(header: str) -> str:
    """The key in an Authorization header: a bearer token, or the password of a TAXII client's basic authentication."""
    scheme, _, shown = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(shown, validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return shown if scheme.lower() == "bearer" else ""


class Buckets:
    """A token bucket for each name: `rate` calls a second, `burst` at once. The least recently used are forgotten."""

    def __init__(self, rate: float, burst: float, *, clock: Callable[[], float] = time.monotonic, most: int = 100_000):
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._most = most
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, name: str) -> float:
        """0 when a call may pass now, and it is counted; else the seconds until one may."""
        now = self._clock()
        level, at = self._levels.pop(name, (self._burst, now))
        level = min(self._burst, level + (now - at) * self._rate)
        wait = 0.0 if level >= 1 else (1 - level) / self._rate
        self._levels[name] = (level if wait else level - 1, now)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)
        return wait


class Door:
    """ASGI: authenticates, bounds the rate, adds fixed headers, counts, and audits writes and refusals."""

    def __init__(self, app: ASGIApp, *, ring: KeyRing, buckets: Buckets, auditor: Auditor, figures: Figures) -> None:
        self._app = app
        self._ring = ring
        self._buckets = buckets
        self._auditor = auditor
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one call in, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        is_answered = False

        async def tell(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                headers = MutableHeaders(scope=message)
                for name, value in FIXED_HEADERS.items():
                    headers.setdefault(name, value)
                if self._record(scope, message["status"]):
                    await to_thread.run_sync(self._auditor.flush)
            await send(message)

        try:
            await self._admit(scope, receive, tell)
        finally:
            if not is_answered:
                self._record(scope, 500)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        if open_route(scope["path"]) is not None:
            await self._app(scope, receive, send)
            return
        key = self._ring.find(Headers(scope=scope))
        if key is None:
            self._figures.denied.labels("no_key").inc()
            await refusal(401, "a valid API key is needed", {"www-authenticate": "Bearer"})(scope, receive, send)
            return
        scope["api_key"] = key
        wait = self._buckets.wait_seconds(key.key_id)
        if wait:
            self._figures.denied.labels("rate").inc()
            words = {"retry-after": str(max(1, round(wait + 0.5)))}
            await refusal(429, "this key makes too many calls", words)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _record(self, scope: Scope, status: int) -> bool:
        """Count and audit one answer; whether its entry has to be on disk before the answer leaves."""
        route = scope.get("route_template") or open_route(scope["path"]) or NO_ROUTE
        self._figures.calls.labels(route, status).inc()
        method = scope["method"] if scope["method"].isalpha() and len(scope["method"]) <= 10 else "?"
        is_write = method not in SAFE_METHODS and not {(method, route), ("*", route)} & UNAUDITED
        is_export = "audit_export" in scope
        if is_write or is_export or status in {401, 403, 429}:
            key: ApiKey | None = scope.get("api_key")
            key_id, role = (key.key_id, key.role.value) if key else (None, None)
            self._auditor.note(Call(method, route, status, key_id, role, scope.get("audit_subject")))
        return is_export or (is_write and (method, route) in WRITES_STATE)


class RoleGate:
    """ASGI around one route: passes the roles that the route names."""

    def __init__(self, app: ASGIApp, template: str, roles: Mapping[str, frozenset[Role]]) -> None:
        self._app = app
        self._template = template
        self._roles = roles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the call through, or answer 403."""
        scope["route_template"] = self._template
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        allowed = self._roles.get(method, self._roles.get("*", frozenset()))
        key: ApiKey | None = scope.get("api_key")
        if key is None or key.role not in allowed:
            await refusal(403, "the role of this key may not do that")(scope, receive, send)
            return
        await self._app(scope, receive, send)


def refusal(status: int, words: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that says no, in the one form that all routes share."""
    body = msgspec.json.encode({"error": words})
    return Response(body, status, headers=dict(headers or {}), media_type="application/json")
