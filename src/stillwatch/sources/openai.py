"""OpenAI: logged pairs of request and reply of Chat Completions, Responses, Completions and Embeddings.

Whole replies, streams and the output file of a batch. Other servers that speak this API are read the same way.
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
from stillwatch.sources.openai_streams import whole_reply
from stillwatch.sources.pairs import assembled, error_type, pair_row, read_pair
from stillwatch.sources.records import Record, Row, allowed_attributes, first_present, joined, listed, mapping
from stillwatch.sources.settings import PairSettings
from stillwatch.sources.streams import SteadyStream

REQUIRED = ("source_record_id", "start_time")
REQUEST_ID = "x-request-id"
RUNNING = ("in_progress", "queued")
"""States of a reply that has not ended."""
LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class OpenAi:
    """Reads one JSON object a call with `request` and `response`; lines, an array, or single objects."""

    settings: PairSettings = field(default_factory=PairSettings)
    name: str = "openai"
    version: str = "3.54"
    suffixes: tuple[str, ...] = with_compressed(".jsonl", ".ndjson", ".json")
    seek_suffixes: tuple[str, ...] = ()
    identity_order: tuple[str, ...] = ("account_id", "org_id", "api_key_id", "end_user_id")

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:  # noqa: ARG002  # part of the seam
        """Yield one row a call, in file order."""
        yield from parse_objects(read_documents(SteadyStream(stream)), decode_object, self._row, required=REQUIRED)

    def _row(self, record: Record) -> Row:
        pair, is_ended = assembled(read_pair(record), whole_reply)
        request, reply = pair.request, pair.reply
        row = pair_row(pair, self.settings, request_id_header=REQUEST_ID)
        error = first_present(error_type(reply), error_type(record))
        return row | _request_columns(request) | _reply_columns(reply) | {
            "org_id": first_present(row["org_id"], pair.answered.get("openai-organization")),
            "start_time": first_present(row["start_time"], reply.get("created_at")),
            "conversation_id": _conversation(request, reply),
            "operation_name": first_present(row["operation_name"], _operation(request, reply)),
            "provider_name": self.settings.provider_name or "openai",
            "request_model": first_present(request.get("model"), reply.get("model")),
            "error_type": error,
            "status": "error" if error else None if is_ended else "cancelled",
            "attributes": allowed_attributes({
                "service_tier": reply.get("service_tier"), "request_id": pair.answered.get(REQUEST_ID),
            }),
        }  # fmt: skip


SOURCE = OpenAi()


def _request_columns(request: Record) -> Row:
    asked = first_present(request.get("messages"), request.get("input"), request.get("prompt"))
    return {
        "end_user_id": first_present(request.get("safety_identifier"), request.get("user")),
        "request_max_tokens": first_present(*(request.get(name) for name in LIMITS)),
        "request_temperature": request.get("temperature"),
        "request_top_p": request.get("top_p"),
        "request_stream": request.get("stream"),
        "prompt": first_present(prompt_text(asked), _texts(asked)),
        "system_instructions": system_text(asked, request.get("instructions")),
        "tool_definitions": definitions_json(request.get("tools")),
    }


def _reply_columns(reply: Record) -> Row:
    replies = reply_messages(reply)
    choices = [mapping(choice) for choice in listed(reply.get("choices"))]
    usage = mapping(reply.get("usage"))
    asked = mapping(first_present(usage.get("prompt_tokens_details"), usage.get("input_tokens_details")))
    said = mapping(first_present(usage.get("completion_tokens_details"), usage.get("output_tokens_details")))
    return {
        "response_model": reply.get("model"),
        "response_id": reply.get("id"),
        "input_tokens": first_present(usage.get("prompt_tokens"), usage.get("input_tokens")),
        "output_tokens": first_present(usage.get("completion_tokens"), usage.get("output_tokens")),
        "reasoning_output_tokens": said.get("reasoning_tokens"),
        "cache_read_input_tokens": asked.get("cached_tokens"),
        "cache_creation_input_tokens": asked.get("cache_write_tokens"),
        "finish_reasons": _finish_reasons(reply, choices),
        "output": first_present(output_text(replies), _texts([choice.get("text") for choice in choices])),
        "tool_call_names": tool_call_names(replies),
    }


def _finish_reasons(reply: Record, choices: list[Record]) -> list[str] | None:
    """Why each choice ended; of the Responses API, why the reply is incomplete or that it is complete."""
    reasons = [reason for choice in choices if isinstance(reason := choice.get("finish_reason"), str)]
    why = mapping(reply.get("incomplete_details")).get("reason")
    ended = first_present(why, None if reply.get("status") in RUNNING else reply.get("status"))
    return reasons or ([ended] if isinstance(ended, str) else None)


def _conversation(request: Record, reply: Record) -> object:
    held = first_present(request.get("conversation"), reply.get("conversation"))
    return first_present(
        mapping(held).get("id") if isinstance(held, dict) else held, request.get("previous_response_id")
    )


def _operation(request: Record, reply: Record) -> str | None:
    """The call's kind by what it carries, where the log has no path."""
    if "messages" in request or reply.get("object") in ("chat.completion", "chat.completion.chunk", "response"):
        return "chat"
    if "prompt" in request or reply.get("object") == "text_completion":
        return "text_completion"
    return "embeddings" if reply.get("object") == "list" else None


def _texts(value: object) -> str | None:
    """Texts of a list that are no messages, one a line."""
    return joined((text for text in listed(value) if isinstance(text, str)), "\n")
