"""ASGI middleware for an application that serves the model itself: the same decision, without a call to a server.

app = DecisionMiddleware(app, desk=open_desk(workspace, settings), paths=("/v1/chat/completions",))
"""

from collections.abc import Collection
from typing import Final

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stillwatch.api.desk import Bypass, Desk
from stillwatch.api.gateways import response_to
from stillwatch.api.questions import of_call, with_canary
from stillwatch.config import GatewaySettings

MOST_BYTES: Final = 8 << 20
"""A larger body is not held back to be read: the account alone is looked up."""
ACTION: Final = "stillwatch.action"
"""Key of the ASGI scope where the application finds the action: to withhold reasoning is its own to do."""


class DecisionMiddleware:
    """Decides on POSTs to `paths`; everything else passes. The body is read once and given on.

    It is unchanged but for a canary of the sealed plan.
    """

    def __init__(self, app: ASGIApp, *, desk: Desk, paths: Collection[str], settings: GatewaySettings) -> None:
        self._app = app
        self._desk = desk
        self._paths = frozenset(paths)
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or say why not."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return
        held, body = await _held(receive)
        call, bypass = _decoded(body)
        question = of_call(Headers(scope=scope), call, self._settings)
        answer = self._desk.answer(question, gateway="asgi", bypass=bypass)
        if not answer.allowed:
            refused: Response = response_to(answer)
            await refused(scope, receive, send)
            return
        scope[ACTION] = answer.action.value
        if answer.canary is not None and isinstance(call, dict):
            scope, held = _carrying(scope, msgspec.json.encode(with_canary(call, answer.canary)))
        await self._app(scope, _again(held, receive), send)


async def _held(receive: Receive) -> tuple[list[Message], bytes | None]:
    """The messages of a body, and the body; None when it is longer than MOST_BYTES or broke off."""
    messages: list[Message] = []
    n_bytes = 0
    while n_bytes <= MOST_BYTES:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            return messages, None
        n_bytes += len(message.get("body", b""))
        if not message.get("more_body", False):
            return messages, b"".join(held.get("body", b"") for held in messages)
    return messages, None


def _carrying(scope: Scope, body: bytes) -> tuple[Scope, list[Message]]:
    """The same call with another body, of which the length is said anew."""
    kept = [(name, value) for name, value in scope["headers"] if name.lower() != b"content-length"]
    headers = [*kept, (b"content-length", str(len(body)).encode())]
    return {**scope, "headers": headers}, [{"type": "http.request", "body": body, "more_body": False}]


def _decoded(body: bytes | None) -> tuple[object, Bypass | None]:
    if body is None:
        return None, Bypass.BODY
    try:
        return (msgspec.json.decode(body) if body else None), None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None, Bypass.BODY


def _again(held: list[Message], receive: Receive) -> Receive:
    """A `receive` that gives the held messages first."""
    waiting = list(reversed(held))

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message
