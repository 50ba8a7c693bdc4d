"""Bodies of the Messages API -> columns, and its streams put together again."""

from collections.abc import Sequence

from stillwatch.sources.coercion import Flaw, as_number
from stillwatch.sources.messages import definitions_json, output_text, prompt_text, system_text, tool_call_names
from stillwatch.sources.records import Record, Row, first_present, mapping, text_or_none

INPUT_PARTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""Disjoint parts of the input; OpenTelemetry's `input_tokens` is their sum."""


def message_columns(request: Record, reply: Record) -> Row:
    """Columns of a Messages request and its reply."""
    messages, usage = request.get("messages"), mapping(reply.get("usage"))
    reason = text_or_none(reply.get("stop_reason"))
    return {
        "end_user_id": mapping(request.get("metadata")).get("user_id"),
        "request_model": first_present(request.get("model"), reply.get("model")),
        "response_model": reply.get("model"),
        "response_id": reply.get("id"),
        "request_max_tokens": request.get("max_tokens"),
        "request_temperature": request.get("temperature"),
        "request_top_p": request.get("top_p"),
        "request_stream": request.get("stream"),
        "input_tokens": added_up(usage, INPUT_PARTS),
        "output_tokens": usage.get("output_tokens"),
        "reasoning_output_tokens": mapping(usage.get("output_tokens_details")).get("thinking_tokens"),
        "cache_creation_input_tokens": usage.get("cache_creation_input_tokens"),
        "cache_read_input_tokens": usage.get("cache_read_input_tokens"),
        "finish_reasons": [reason] if reason else None,
        "prompt": prompt_text(messages),
        "system_instructions": system_text(messages, request.get("system")),
        "tool_definitions": definitions_json(request.get("tools")),
        "output": output_text([reply]) if "content" in reply else None,
        "tool_call_names": tool_call_names([reply]),
    }


def added_up(counts: Record, names: Sequence[str]) -> object:
    """The sum of the counts of these names; absent ones count nothing, null when all are absent."""
    numbers = [as_number(counts[name]) for name in names if counts.get(name) is not None]
    flaw = next((number for number in numbers if isinstance(number, Flaw)), None)
    return flaw or (sum(n for n in numbers if isinstance(n, int | float)) if numbers else None)


def whole_message(events: Sequence[Record]) -> tuple[Record, bool]:
    """The message that the events of a stream make, and whether the stream came to its end."""
    message: dict[str, object] = {}
    usage: dict[str, object] = {}
    blocks: dict[object, Record] = {}
    texts: dict[object, list[str]] = {}
    for event in events:
        kind, at = event.get("type"), event.get("index")
        at = at if isinstance(at, int) else None
        if kind == "message_start":
            message |= mapping(event.get("message"))
            usage |= mapping(message.get("usage"))
        elif kind == "content_block_start":
            blocks[at] = mapping(event.get("content_block"))
            texts[at] = [text_or_none(blocks[at].get("text")) or ""]
        elif kind == "content_block_delta":
            texts.setdefault(at, []).append(text_or_none(mapping(event.get("delta")).get("text")) or "")
        elif kind == "message_delta":
            message |= _said(mapping(event.get("delta")))
            usage |= _said(mapping(event.get("usage")))
        elif kind == "error":
            message["error"] = mapping(event.get("error")) or {"type": "error"}
    is_ended = any(event.get("type") == "message_stop" for event in events)
    content = [{"type": "text", **blocks.get(at, {}), "text": "".join(said)} for at, said in texts.items()]
    return {**message, "usage": usage, "content": content}, is_ended


def _said(update: Record) -> Record:
    """What an update states; its nulls change nothing."""
    return {name: value for name, value in update.items() if value is not None}
