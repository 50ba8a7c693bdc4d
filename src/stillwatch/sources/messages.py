"""Chat messages in the shapes that vendors write -> prompt, system text, output and tool names.

Known shapes: Chat Completions and Messages (`{role, content}` with text or parts), Responses (`input`, `output` items)
and OpenTelemetry (`{role, parts}`). Reasoning, images and tool results are not text of a message.
"""

from stillwatch.sources.coercion import canonical_json
from stillwatch.sources.records import Record, joined, listed, mapping, text_or_none

SYSTEM_ROLES = frozenset({"system", "developer"})
TEXT_PARTS = frozenset({None, "text", "input_text", "output_text"})
CALL_PARTS = frozenset({"tool_call", "tool_use", "function_call", "server_tool_use"})


def part_text(content: object) -> str | None:
    """Text of a message's content: text, one part, or a list of parts, one part a line."""
    if isinstance(content, dict):
        if _kind(content) not in TEXT_PARTS:
            return None
        return text_or_none(content.get("text")) or text_or_none(content.get("content"))
    if isinstance(content, list):
        return joined((part_text(part) or "" for part in content if not isinstance(part, list)), "\n")
    return text_or_none(content)


def message_text(message: object) -> str | None:
    """Text of one message; null when it has none."""
    if not isinstance(message, dict):
        return text_or_none(message)
    return part_text(message.get("content")) or part_text(message.get("parts"))


def prompt_text(messages: object) -> str | None:
    """Text of the last message by the user that has text; messages that only hand back tool results have none."""
    if isinstance(messages, str):
        return messages or None
    said = (message_text(message) for message in reversed(listed(messages)) if _role(message) == "user")
    return next((text for text in said if text), None)


def system_text(messages: object, *instructions: object) -> str | None:
    """System instructions, those given apart first, then system and developer messages, an empty line between."""
    apart = [part_text(instruction) or "" for instruction in instructions]
    inside = [message_text(message) or "" for message in listed(messages) if _role(message) in SYSTEM_ROLES]
    return joined(apart + inside)


def output_text(messages: object) -> str | None:
    """Text of all messages of the model."""
    if isinstance(messages, str):
        return messages or None
    replies = listed(messages) if isinstance(messages, list) else [messages]
    return joined(message_text(message) or "" for message in replies if _role(message) in ("assistant", None))


def tool_call_names(messages: object) -> list[str] | None:
    """Names of the tools that messages call, in order; null when they call none."""
    names: list[str] = []
    for message in listed(messages) if isinstance(messages, list) else [messages]:
        holder = mapping(message)
        calls = listed(holder.get("tool_calls"))
        parts = [*listed(holder.get("parts")), *listed(holder.get("content")), holder]
        calls = calls + [part for part in parts if _kind(mapping(part)) in CALL_PARTS]
        names += [name for call in calls if (name := _call_name(call))]
    return names or None


def definitions_json(tools: object) -> str | None:
    """Tool definitions as JSON text with sorted keys; null without any."""
    return canonical_json(tools) if isinstance(tools, list) and tools else text_or_none(tools)


def reply_messages(response: object) -> list[object]:
    """Messages of a provider's reply: Chat Completions choices, Responses output items, or a Messages reply."""
    reply = mapping(response)
    choices = [mapping(choice).get("message") for choice in listed(reply.get("choices"))]
    if choices or "output" in reply:
        return choices or listed(reply.get("output"))
    return [reply] if "content" in reply else []


def _kind(part: Record) -> object:
    """The type of a part; a structure in its place is of no known type."""
    kind = part.get("type")
    return kind if kind is None or isinstance(kind, str) else ""


def _role(message: object) -> str | None:
    return text_or_none(mapping(message).get("role"))


def _call_name(call: object) -> str | None:
    inner = mapping(mapping(call).get("function"))
    return text_or_none(mapping(call).get("name")) or text_or_none(inner.get("name"))
