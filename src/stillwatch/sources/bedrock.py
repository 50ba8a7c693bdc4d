"""Amazon Bedrock: model invocation logs, as S3 or CloudWatch Logs hold them.

Written against the documented shape (`schemaVersion` 1.0), not against a capture. Bodies that Bedrock put aside as S3
objects (`inputBodyS3Path`) are not fetched: their text is null, and the row says `truncated`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from stillwatch.sources.anthropic_messages import added_up, message_columns, whole_message
from stillwatch.sources.base import Parsed, with_compressed
from stillwatch.sources.chunks import parse_objects
from stillwatch.sources.documents import read_documents
from stillwatch.sources.jsonlines import decode_object
from stillwatch.sources.messages import definitions_json, output_text, prompt_text, system_text
from stillwatch.sources.paths import lookup, opened
from stillwatch.sources.records import (
    Record,
    Row,
    allowed_attributes,
    first_present,
    joined,
    listed,
    mapping,
    text_or_none,
)
from stillwatch.sources.settings import BedrockSettings
from stillwatch.sources.streams import SteadyStream

REQUIRED = ("source_record_id", "start_time")
INPUT_COUNTS = ("inputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount")
"""Disjoint parts of the input."""
ASKED = ("prompt", "inputText", "message")
SAID = ("generation", "outputText", "completion", "text")
"""Where models of other makers have their text in InvokeModel bodies."""
MESSAGES = ("message", "message_start")
"""Types of a Messages reply, whole and streamed."""
NESTED = ("results", "outputs", "generations")
BLOCKED = "guardrail_intervened"


@dataclass(frozen=True, slots=True)
class Bedrock:
    """Reads one ModelInvocationLog object a line, also inside the `message` of a CloudWatch Logs export."""

    settings: BedrockSettings = field(default_factory=BedrockSettings)
    name: str = "bedrock"
    version: str = "1.0"
    suffixes: tuple[str, ...] = with_compressed(".jsonl", ".ndjson", ".json")
    seek_suffixes: tuple[str, ...] = ()
    identity_order: tuple[str, ...] = ("account_id", "end_user_id", "org_id")

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:  # noqa: ARG002  # part of the seam
        """Yield one row an invocation, in file order."""
        documents = read_documents(SteadyStream(stream))
        yield from parse_objects(documents, decode_object, self._row, required=REQUIRED, tool=_schema)

    def _row(self, record: Record) -> Row:
        log = _unwrapped(record)
        asked, said = mapping(log.get("input")), mapping(log.get("output"))
        body = _content(log, opened(asked.get("inputBodyJson")), opened(said.get("outputBodyJson")))
        operation, error = str(log.get("operation") or ""), first_present(log.get("errorCode"))
        is_aside = "inputBodyS3Path" in asked or "outputBodyS3Path" in said
        reasons = body.get("finish_reasons")
        named = {"response_id": body.get("response_id"), "request_id": log.get("requestId")}
        return body | {
            "source_record_id": log.get("requestId"),
            "call_id": first_present(*(named.get(name) for name in self.settings.call_id_order)),
            "account_id": first_present(*(lookup(log, path) for path in self.settings.account_fields)),
            "org_id": log.get("accountId"),
            "end_user_id": first_present(
                *(lookup(log, path) for path in self.settings.end_user_fields), body.get("end_user_id")
            ),
            "start_time": log.get("timestamp"),
            "operation_name": "embeddings" if "embed" in str(log.get("modelId")).lower() else "chat",
            "provider_name": "aws.bedrock",
            "request_model": log.get("modelId"),
            "request_stream": "Stream" in operation if operation else None,
            "status": "error" if error else "blocked" if reasons == [BLOCKED] else None,
            "error_type": error,
            "input_tokens": first_present(added_up(asked, INPUT_COUNTS), body.get("input_tokens")),
            "output_tokens": first_present(said.get("outputTokenCount"), body.get("output_tokens")),
            "cache_read_input_tokens": asked.get("cacheReadInputTokenCount"),
            "cache_creation_input_tokens": asked.get("cacheWriteInputTokenCount"),
            "cloud_region": log.get("region"),
            "content_capture": "truncated" if is_aside else None,
            "attributes": allowed_attributes({
                "operation": operation, "inference_region": log.get("inferenceRegion"),
                "schema_version": log.get("schemaVersion"),
            }),
        }  # fmt: skip


SOURCE = Bedrock()


def _content(log: Record, asked: object, said: object) -> Row:
    """Columns of the two bodies: those of Converse, of Messages inside InvokeModel, or of another maker's model."""
    request, reply = mapping(asked), mapping(said)
    if str(log.get("operation")).startswith("Converse"):
        return _converse_columns(request, reply)
    pieces = [mapping(piece) for piece in said] if isinstance(said, list) else [reply]
    if "anthropic_version" in request or any(piece.get("type") in MESSAGES for piece in pieces):
        return message_columns(request, whole_message(pieces)[0] if isinstance(said, list) else reply)
    return {"prompt": _first_text(request, ASKED), "output": joined((_said(piece) for piece in pieces), "")}


def _schema(record: Record) -> tuple[object, object]:
    log = _unwrapped(record)
    return log.get("schemaType"), log.get("schemaVersion")


def _unwrapped(record: Record) -> Record:
    """The log entry itself, where an export of CloudWatch Logs has it as text under `message`."""
    if "schemaType" in record:
        return record
    inner = opened(first_present(record.get("message"), record.get("@message")))
    return mapping(inner) or record


def _converse_columns(request: Record, reply: Record) -> Row:
    config = mapping(request.get("inferenceConfig"))
    message = mapping(mapping(reply.get("output")).get("message"))
    tools = [mapping(tool).get("toolSpec") for tool in listed(mapping(request.get("toolConfig")).get("tools"))]
    calls = [mapping(mapping(part).get("toolUse")).get("name") for part in listed(message.get("content"))]
    usage, reason = mapping(reply.get("usage")), text_or_none(reply.get("stopReason"))
    messages = request.get("messages")
    return {
        "request_max_tokens": config.get("maxTokens"),
        "request_temperature": config.get("temperature"),
        "request_top_p": config.get("topP"),
        "input_tokens": added_up(usage, ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")),
        "output_tokens": usage.get("outputTokens"),
        "finish_reasons": [reason] if reason else None,
        "prompt": prompt_text(messages),
        "system_instructions": system_text(messages, request.get("system")),
        "tool_definitions": definitions_json([tool for tool in tools if tool]),
        "tool_call_names": [name for name in calls if isinstance(name, str)] or None,
        "output": output_text([message]) if message else None,
    }


def _first_text(holder: Record, names: tuple[str, ...]) -> str | None:
    return next((text for name in names if (text := text_or_none(holder.get(name)))), None)


def _said(piece: Record) -> str:
    """Text of a reply, or of one piece of a streamed one."""
    nested = (mapping(item) for name in NESTED for item in listed(piece.get(name)))
    texts = [_first_text(holder, SAID) or "" for holder in (piece, *nested)]
    return "".join(texts)
