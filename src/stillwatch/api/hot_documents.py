"""The OpenAPI document of the routes that FastAPI does not see."""

from typing import Any, Final

import msgspec

from stillwatch.api.desk import Answer
from stillwatch.api.documents import ERRORS
from stillwatch.api.questions import DecisionBody, LitellmBody
from stillwatch.response import Gateway

_BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_OBJECT: Final[dict[str, Any]] = {"schema": {"type": "object"}}
_PLACE: Final = "#/components/schemas/{name}"


def hot_paths() -> tuple[dict[str, Any], dict[str, Any]]:
    """Paths and component schemas of the hot routes."""
    (asked, guarded, answered), components = msgspec.json.schema_components(
        (DecisionBody, LitellmBody, Answer), ref_template=_PLACE
    )
    export = {
        "requestBody": {"required": True, "content": {"application/x-protobuf": _BINARY, "application/json": _OBJECT}},
        "responses": _answers({"application/x-protobuf": _BINARY, "application/json": _OBJECT}, 408, 413, 415),
    }
    plain = {"text/plain": {"schema": {"type": "string"}}}
    state = {"application/json": _OBJECT}
    paths = {
        "/v1/traces": {"post": {"summary": "OTLP: take spans", "operationId": "traces", **export}},
        "/v1/logs": {"post": {"summary": "OTLP: take log records", "operationId": "logs", **export}},
        "/v1/decision": {"post": _json_call("What to do with a request to the model", "decision", asked, answered)},
        "/beta/litellm_basic_guardrail_api": {
            "post": _json_call("LiteLLM's Generic Guardrail", "litellm", guarded, {"type": "object"})
        },
        "/v1/auth_request": {
            "get": {
                "summary": "nginx auth_request",
                "operationId": "auth_request",
                "responses": {204: {"description": "Serve it"}, 403: {"description": "Do not"}, 401: ERRORS[401]},
            }
        },
        "/v1/snapshot": {
            "get": {
                "summary": "The signed decision snapshot, for a gateway that keeps its own copy",
                "operationId": "snapshot",
                "responses": _answers({"application/octet-stream": _BINARY}),
            }
        },
        "/v1/suspended": {
            "get": {
                "summary": "Suspended accounts, for a gateway to refuse by itself while nobody answers it",
                "operationId": "suspended",
                "parameters": [{"name": "gateway", "in": "query", "schema": {"enum": list(Gateway)}}],
                "responses": _answers({**plain, **state}),
            }
        },
        "/metrics": {"get": {"summary": "Figures", "operationId": "metrics", "responses": _answers(plain)}},
        "/healthz": {"get": _open("The process runs", "healthz", state)},
        "/readyz": {"get": _open("The server takes calls", "readyz", state)},
    }
    return paths, components


def _json_call(summary: str, name: str, asked: dict[str, Any], answered: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "operationId": name,
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
        "responses": _answers({"application/json": {"schema": answered}}, 408, 413, 415),
    }


def _open(summary: str, name: str, content: dict[str, Any]) -> dict[str, Any]:
    answers = {200: {"description": "Yes", "content": content}, 503: {"description": "Not yet", "content": content}}
    return {"summary": summary, "operationId": name, "security": [], "responses": answers}


def _answers(content: dict[str, Any], *further: int) -> dict[int | str, Any]:
    refused: dict[int | str, Any] = {status: {"description": "The body cannot be taken"} for status in further}
    return {200: {"description": "Done", "content": content}, **ERRORS, **refused}
