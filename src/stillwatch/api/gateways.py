"""One decision, in the words of each gateway: our own, LiteLLM's guardrail, Envoy's ext_authz, nginx' auth_request.

A customer is never told why or of which campaign: only what to do next, and a reference for an appeal.
"""

from typing import Any, Final

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from stillwatch.api.access import refusal
from stillwatch.api.bodies import Bounds, Refused, read_body
from stillwatch.api.desk import Answer, Bypass, Desk
from stillwatch.api.questions import DecisionBody, LitellmBody, Question, of_call, with_canary_rows
from stillwatch.config import GatewaySettings
from stillwatch.model.decision import Action
from stillwatch.response import Gateway, Snapshot, refusals

JSON: Final = "application/json"
INLINE_BYTES: Final = 64 << 10
"""Larger bodies are sketched in a thread."""
UNPUBLISHED: Final = "no decision snapshot is published yet: run `stillwatch respond apply` first"

SENTENCES: Final = {
    Action.STEP_UP: "this account has to be verified before it can go on",
    Action.RATE_LIMIT: "this account is limited for now; come again later",
    Action.SUSPEND: "this account is suspended",
}

_encoder = msgspec.json.Encoder()
_decision_body = msgspec.json.Decoder(DecisionBody)
_litellm_body = msgspec.json.Decoder(LitellmBody)


class Gateways:
    """The routes that gateways call before they serve a request."""

    def __init__(self, desk: Desk, bounds: Bounds, settings: GatewaySettings) -> None:
        self._desk = desk
        self._bounds = bounds
        self._settings = settings

    async def decision(self, request: Request) -> Response:
        """`POST /v1/decision`: the whole answer."""
        try:
            body = await read_body(request, self._bounds)
            question = _decision_body.decode(body).question()
        except Refused as refused:
            return refusal(refused.status, refused.words)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return refusal(422, "the body is not a decision request; /openapi.json has its form")
        answer = await self._answer(question, len(body), gateway="api")
        return Response(_encoder.encode(answer), media_type=JSON)

    async def litellm(self, request: Request) -> Response:
        """LiteLLM's Generic Guardrail: `NONE` lets the call pass, `BLOCKED` with a reason does not."""
        try:
            body = await read_body(request, self._bounds)
            asked = _litellm_body.decode(body)
        except Refused as refused:
            return refusal(refused.status, refused.words)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return refusal(422, "the body is not a guardrail request")
        if asked.input_type != "request":
            return _passed()
        answer = await self._answer(asked.question(), len(body), gateway="litellm")
        if answer.allowed:
            return _carrying(asked.structured_messages, answer)
        return Response(_encoder.encode({"action": "BLOCKED", "blocked_reason": _sentence(answer)}), media_type=JSON)

    async def ext_authz(self, request: Request) -> Response:
        """Envoy's HTTP authorisation: 200 serves the request, 403 or 429 goes to the client as it is."""
        answer = await self._forwarded(request, gateway="envoy")
        return response_to(answer)

    async def auth_request(self, request: Request) -> Response:
        """Answers nginx' subrequest: 204 or 403, because nginx makes a 500 of everything else."""
        answer = await self._forwarded(request, gateway="nginx")
        return Response(b"", 204 if answer.allowed else 403, _headers(answer))

    async def _forwarded(self, request: Request, *, gateway: str) -> Answer:
        call, n_bytes, bypass = await self._call(request)
        try:
            question = of_call(request.headers, call, self._settings)
        except RecursionError:
            question, bypass = of_call(request.headers, None, self._settings), Bypass.BODY
        return await self._answer(question, n_bytes, gateway=gateway, bypass=bypass)

    async def _call(self, request: Request) -> tuple[Any, int, Bypass | None]:
        """The forwarded body, if it is JSON; what cannot be read is left out and counted, never refused."""
        if request.method in {"GET", "HEAD"}:
            return None, 0, None
        try:
            body = await read_body(request, self._bounds)
            return (msgspec.json.decode(body), len(body), None) if body else (None, 0, None)
        except (Refused, msgspec.DecodeError, UnicodeError, RecursionError):
            return None, 0, Bypass.BODY

    async def _answer(self, question: Question, n_bytes: int, *, gateway: str, bypass: Bypass | None = None) -> Answer:
        if n_bytes <= INLINE_BYTES:
            return self._desk.answer(question, gateway=gateway, bypass=bypass)
        return await to_thread.run_sync(lambda: self._desk.answer(question, gateway=gateway, bypass=bypass))


def listed(snapshot: Snapshot | None, gateway: str, settings: GatewaySettings) -> Response:
    """The suspended accounts, for a gateway to refuse by itself while nobody answers it."""
    if gateway not in set(Gateway):
        return refusal(422, f"gateway must be one of {', '.join(Gateway)}")
    if snapshot is None:
        return refusal(409, UNPUBLISHED)
    body = refusals(snapshot.suspended(), Gateway(gateway), account_header=next(iter(settings.account_headers), ""))
    return Response(body, media_type=JSON if gateway == Gateway.ENVOY else "text/plain; charset=utf-8")


def response_to(answer: Answer) -> Response:
    """200 for a request that may pass; 403, or 429 under a rate limit, with a sentence for the customer."""
    headers = _headers(answer)
    if answer.allowed:
        return Response(b"", 200, headers)
    status = 429 if answer.action is Action.RATE_LIMIT else 403
    return Response(_encoder.encode({"error": _sentence(answer)}), status, headers, JSON)


def _carrying(rows: list[Any] | None, answer: Answer) -> Response:
    """The call may pass, with its canary where it carries one: LiteLLM takes the returned messages for its own."""
    if answer.canary is None or not rows:
        return _passed()
    changed = with_canary_rows(rows, answer.canary)
    return Response(
        _encoder.encode({"action": "GUARDRAIL_INTERVENED", "structured_messages": changed}), media_type=JSON
    )


def _passed() -> Response:
    return Response(b'{"action":"NONE"}', media_type=JSON)


def _sentence(answer: Answer) -> str:
    reference = f" (reference {answer.decision_id})" if answer.decision_id else ""
    return SENTENCES.get(answer.action, "this request cannot be served") + reference


def _headers(answer: Answer) -> dict[str, str]:
    headers = {"x-stillwatch-action": answer.action.value}
    if answer.decision_id:
        headers["x-stillwatch-decision"] = answer.decision_id
    if answer.retry_after is not None and not answer.allowed:
        headers["retry-after"] = str(max(1, round(answer.retry_after + 0.5)))
    return headers
