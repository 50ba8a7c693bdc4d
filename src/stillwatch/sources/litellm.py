"""LiteLLM: StandardLoggingPayload records, and the arguments of its pre-call hook.

The payload already counts input tokens as OpenTelemetry does, cached tokens included. `secret_fields` (raw headers with
the caller's key) and e-mail addresses are never read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from stillwatch.sources.base import Parsed, with_compressed
from stillwatch.sources.chunks import parse_objects
from stillwatch.sources.documents import read_documents
from stillwatch.sources.jsonlines import decode_object
from stillwatch.sources.messages import (
    definitions_json,
    output_text,
    prompt_text,
    reply_messages,
    system_text,
    tool_call_names,
)
from stillwatch.sources.records import (
    Record,
    Row,
    allowed_attributes,
    first_present,
    forwarded_address,
    listed,
    mapping,
    text_or_none,
)
from stillwatch.sources.settings import LitellmSettings
from stillwatch.sources.streams import SteadyStream

REQUIRED = ("source_record_id", "start_time", "request_model")
REDACTED = "redacted-by-litellm"
"""What LiteLLM writes in place of text when its message logging is off."""
OPERATIONS = {"completion": "chat", "anthropic_messages": "chat", "responses": "chat", "embedding": "embeddings",
              "text_completion": "text_completion", "image_generation": "image_generation"}  # fmt: skip
"""`call_type` without its `a` for asynchronous -> OpenTelemetry's operation name."""


@dataclass(frozen=True, slots=True)
class Litellm:
    """Reads JSON lines, a JSON array or single objects of StandardLoggingPayload or pre-call hook arguments."""

    settings: LitellmSettings = field(default_factory=LitellmSettings)
    name: str = "litellm"
    version: str = "1.106"
    suffixes: tuple[str, ...] = with_compressed(".jsonl", ".ndjson", ".json")
    seek_suffixes: tuple[str, ...] = ()
    identity_order: tuple[str, ...] = ("account_id", "org_id", "api_key_id", "end_user_id")

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:  # noqa: ARG002  # part of the seam
        """Yield one row a payload or hook call, in file order."""
        yield from parse_objects(read_documents(SteadyStream(stream)), decode_object, self._row, required=REQUIRED)

    def _row(self, record: Record) -> Row:
        if "user_api_key_dict" in record and "data" in record:
            return self._hook_row(record)
        return self._payload_row(record)

    def _payload_row(self, record: Record) -> Row:
        metadata = mapping(record.get("metadata"))
        headers = mapping(metadata.get("requester_custom_headers"))
        is_failure = record.get("status") == "failure"
        call = record.get("litellm_call_id")
        response_id = None if is_failure or record.get("id") == call else record.get("id")
        names = self._names_of_call(
            {"response_id": response_id, "litellm_call_id": call, "trace_id": record.get("trace_id")}, headers
        )
        error = mapping(record.get("error_information"))
        return {
            "source_record_id": first_present(call, record.get("id")),
            "call_id": next(iter(names), None),
            "call_aliases": [name for name in names[1:] if isinstance(name, str)] or None,
            "account_id": metadata.get("user_api_key_user_id"),
            "org_id": first_present(metadata.get("user_api_key_org_id"), metadata.get("user_api_key_team_id")),
            "api_key_id": metadata.get("user_api_key_hash"),
            "end_user_id": first_present(record.get("end_user"), metadata.get("user_api_key_end_user_id")),
            "conversation_id": record.get("session_id"),
            "start_time": record.get("startTime"),
            "end_time": record.get("endTime"),
            "operation_name": operation_name(record.get("call_type")),
            "provider_name": record.get("custom_llm_provider"),
            "request_model": first_present(record.get("model_group"), record.get("model")),
            "response_model": None if is_failure else record.get("model"),
            "response_id": response_id,
            "status": _status(record),
            "http_status_code": _status_code(error.get("error_code")),
            "error_type": error.get("error_class"),
            "attributes": allowed_attributes({
                "litellm_call_id": call, "trace_id": record.get("trace_id"), "call_type": record.get("call_type"),
                "cache_hit": record.get("cache_hit"), "route": metadata.get("user_api_key_request_route"),
            }),
        } | _tokens(record, metadata) | self._network(record, metadata, headers) | _payload_content(record)  # fmt: skip

    def _hook_row(self, record: Record) -> Row:
        key, data = mapping(record["user_api_key_dict"]), mapping(record["data"])
        metadata = mapping(data.get("litellm_metadata")) or mapping(data.get("metadata"))
        headers = mapping(metadata.get("headers"))
        call = text_or_none(data.get("litellm_call_id"))
        messages = first_present(data.get("messages"), data.get("input"))
        return (
            {
                "source_record_id": f"{call}:pre_call" if call else None,
                "call_id": first_present(*self._names_of_call({"litellm_call_id": call}, headers)),
                "account_id": key.get("user_id"),
                "org_id": first_present(key.get("org_id"), key.get("team_id")),
                "api_key_id": first_present(metadata.get("user_api_key_hash"), key.get("token")),
                "end_user_id": key.get("end_user_id"),
                "start_time": metadata.get("litellm_received_at"),
                "operation_name": operation_name(record.get("call_type")),
                "request_model": data.get("model"),
                "prompt": prompt_text(messages),
                "system_instructions": system_text(messages, data.get("system"), data.get("instructions")),
                "tool_definitions": definitions_json(data.get("tools")),
                "attributes": allowed_attributes({"litellm_call_id": call, "call_type": record.get("call_type")}),
            }
            | _parameters(data)
            | self._network(metadata, metadata, headers)
        )

    def _names_of_call(self, names: Record, headers: Record) -> list[object]:
        """Every name that the record knows its call by, in the wanted order."""
        known = {**names, "x_request_id": headers.get("x-request-id")}
        wanted = (known.get(name) for name in self.settings.call_id_order)
        return [name for name in wanted if name is not None and name != ""]

    def _network(self, record: Record, metadata: Record, headers: Record) -> Row:
        reported = first_present(record.get("requester_ip_address"), metadata.get("requester_ip_address"))
        hops = self.settings.trusted_hops
        return {
            "client_address": forwarded_address(headers.get("x-forwarded-for"), hops) if hops else reported,
            "user_agent_original": first_present(record.get("user_agent"), metadata.get("user_agent")),
            "tls_client_ja3": headers.get(self.settings.ja3_header),
            "tls_client_ja4": headers.get(self.settings.ja4_header),
        }


SOURCE = Litellm()


def operation_name(call_type: object) -> str | None:
    """OpenTelemetry's name of a LiteLLM call type; an unknown one stays as it is."""
    name = text_or_none(call_type)
    if name is None:
        return None
    return OPERATIONS.get(name) or OPERATIONS.get(name.removeprefix("a")) or name


def _status(record: Record) -> object:
    guardrail = mapping(record.get("status_fields")).get("guardrail_status")
    if guardrail in ("guardrail_intervened", "blocked"):
        return "blocked"
    return {"success": "ok", "failure": "error"}.get(str(record.get("status")), record.get("status"))


def _status_code(code: object) -> object:
    """The HTTP status of an error; null for codes in words."""
    return code if isinstance(code, int) or (isinstance(code, str) and code.isdecimal()) else None


def _tokens(record: Record, metadata: Record) -> Row:
    usage = mapping(metadata.get("usage_object")) or mapping(mapping(record.get("response")).get("usage"))
    prompt = mapping(first_present(usage.get("prompt_tokens_details"), usage.get("input_tokens_details")))
    completion = mapping(first_present(usage.get("completion_tokens_details"), usage.get("output_tokens_details")))
    return {
        "input_tokens": record.get("prompt_tokens"),
        "output_tokens": record.get("completion_tokens"),
        "reasoning_output_tokens": completion.get("reasoning_tokens"),
        "cache_read_input_tokens": first_present(usage.get("cache_read_input_tokens"), prompt.get("cached_tokens")),
        "cache_creation_input_tokens": first_present(
            usage.get("cache_creation_input_tokens"), prompt.get("cache_creation_tokens")
        ),
    }


def _parameters(parameters: Record) -> Row:
    limits = (parameters.get(name) for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"))
    return {
        "request_max_tokens": first_present(*limits),
        "request_temperature": parameters.get("temperature"),
        "request_top_p": parameters.get("top_p"),
        "request_stream": parameters.get("stream"),
    }


def _payload_content(record: Record) -> Row:
    parameters, response = mapping(record.get("model_parameters")), record.get("response")
    messages = record.get("messages")
    replies = reply_messages(response)
    prompt, output = prompt_text(messages), output_text(replies)
    is_redacted = REDACTED in (prompt, output, response)
    reasons = [
        text_or_none(mapping(choice).get("finish_reason")) for choice in listed(mapping(response).get("choices"))
    ]
    return _parameters({**parameters, "stream": first_present(record.get("stream"), parameters.get("stream"))}) | {
        "prompt": None if is_redacted else prompt,
        "output": None if is_redacted else output,
        "system_instructions": None
        if is_redacted
        else system_text(messages, parameters.get("system"), parameters.get("instructions")),
        "tool_definitions": definitions_json(parameters.get("tools")),
        "tool_call_names": tool_call_names(replies),
        "finish_reasons": [reason for reason in reasons if reason] or None,
        "content_capture": "redacted" if is_redacted else None,
    }
