"""What a gateway asks: one request to the model, in our words, in a gateway's words, or as it was sent to the model."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from stillwatch.config import GatewaySettings
from stillwatch.sources.messages import definitions_json, prompt_text, system_text
from stillwatch.sources.records import text_or_none

LONGEST_ID: Final = 512

Id = Annotated[str, Meta(max_length=LONGEST_ID)]


class Question(msgspec.Struct, frozen=True):
    """One request to the model. Everything is optional: what is not said is not looked up."""

    account_id: Id | None = None
    api_key_id: Id | None = None
    """Id or hash of the customer's key, never the key: stands for the account where there is none."""
    model: Id | None = None
    prompt: str | None = None
    """Text of the last message by the user."""
    system_instructions: str | None = None
    tool_definitions: str | None = None
    """Tool definitions as JSON text with sorted keys and no spaces."""
    client_address: Id | None = None
    tls_client_ja4: Id | None = None
    request_id: Id | None = None
    """The gateway's own id of the call: the draw of canaries is by it."""

    @property
    def has_text(self) -> bool:
        """Whether there is anything to sketch."""
        return bool(self.prompt or self.system_instructions or self.tool_definitions)

    def without_text(self) -> "Question":
        """The question with nothing to sketch."""
        return msgspec.structs.replace(self, prompt=None, system_instructions=None, tool_definitions=None)


class DecisionBody(msgspec.Struct, frozen=True):
    """The body of `POST /v1/decision`: either texts, or the messages and tools as they go to the model."""

    account_id: Id | None = None
    api_key_id: Id | None = None
    model: Id | None = None
    prompt: str | None = None
    system_instructions: str | None = None
    tool_definitions: str | None = None
    messages: list[Any] | None = None
    tools: list[Any] | None = None
    client_address: Id | None = None
    tls_client_ja4: Id | None = None
    request_id: Id | None = None

    def question(self) -> Question:
        """The question that the body asks; texts win over messages."""
        return Question(
            self.account_id, self.api_key_id, self.model,
            self.prompt or prompt_text(self.messages),
            self.system_instructions or system_text(self.messages),
            self.tool_definitions or definitions_json(self.tools),
            self.client_address, self.tls_client_ja4, self.request_id,
        )  # fmt: skip


class LitellmBody(msgspec.Struct, frozen=True):
    """What LiteLLM's Generic Guardrail sends, as far as it is read here. Client headers in it are never read."""

    input_type: str = "request"
    structured_messages: list[Any] | None = None
    texts: list[Any] | None = None
    tools: list[Any] | None = None
    model: str | None = None
    request_data: dict[str, Any] | None = None
    litellm_call_id: str | None = None

    def question(self) -> Question:
        """The question; the account is named by LiteLLM's own identity fields, in the order of the `litellm` source."""
        known = self.request_data or {}
        user, organisation, key = (
            text_or_none(known.get(f"user_api_key_{name}")) for name in ("user_id", "org_id", "hash")
        )
        texts = [text for text in self.texts or [] if isinstance(text, str)]
        return Question(
            user or organisation, key, self.model,
            prompt_text(self.structured_messages) or (texts[-1] if texts else None),
            system_text(self.structured_messages),
            definitions_json(self.tools),
            request_id=self.litellm_call_id,
        )  # fmt: skip


def with_canary(call: dict[str, Any], text: str) -> dict[str, Any]:
    """A call (Chat Completions, Messages or Responses) whose system prompt ends with a text; one is made where none is.

    A system prompt in a form that is not known is left as it is, and the call with it.
    """
    for name in ("system", "instructions"):
        if isinstance(call.get(name), str):
            return call | {name: f"{call[name]}\n\n{text}"}
    rows = call.get("messages")
    if isinstance(rows, list) and not call.get("system"):
        return call | {"messages": with_canary_rows(rows, text)}
    return call | {"instructions": text} if "input" in call and "instructions" not in call else call


def with_canary_rows(rows: list[Any], text: str) -> list[Any]:
    """Messages whose first system message ends with a text; where there is none, one is put first."""
    for place, row in enumerate(rows):
        if isinstance(row, dict) and row.get("role") in {"system", "developer"}:
            said = row.get("content")
            if isinstance(said, str):
                return [*rows[:place], row | {"content": f"{said}\n\n{text}"}, *rows[place + 1 :]]
            parts = said if isinstance(said, list) else []
            added = row | {"content": [*parts, {"type": "text", "text": text}]}
            return [*rows[:place], added, *rows[place + 1 :]]
    return [{"role": "system", "content": text}, *rows]


def of_call(headers: Mapping[str, str], call: object, settings: GatewaySettings) -> Question:
    """The question behind a request as a client sent it, with the headers that the gateway wrote.

    `call` is the decoded JSON body (Chat Completions, Messages or Responses), None without one.
    """
    body = call if isinstance(call, dict) else {}
    messages = body.get("messages") or body.get("input")
    prompt = prompt_text(messages) or prompt_text(body.get("prompt"))
    named = headers.get(settings.model_header) if settings.model_header else None
    model = named or body.get("model")
    return Question(
        account_id=next((headers[name] for name in settings.account_headers if headers.get(name)), None),
        model=model if isinstance(model, str) else None,
        prompt=prompt,
        system_instructions=system_text(messages, body.get("system"), body.get("instructions")),
        tool_definitions=definitions_json(body.get("tools")),
        client_address=headers.get(settings.address_header) if settings.address_header else None,
        tls_client_ja4=headers.get(settings.ja4_header) if settings.ja4_header else None,
    )
