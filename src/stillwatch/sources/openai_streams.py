"""Streams of the OpenAI API put together again: the reply that the same call would have given in one piece."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from stillwatch.sources.records import Record, first_present, listed, mapping, text_or_none

ENDS = ("response.completed", "response.incomplete", "response.failed")
"""Events that carry the whole reply of the Responses API and end its stream."""
FIRST_NAMED = ("id", "object", "created", "model")


@dataclass(slots=True)
class _Choice:
    texts: list[str] = field(default_factory=list)
    legacy_texts: list[str] = field(default_factory=list)
    tools: dict[object, str] = field(default_factory=dict)
    finish_reason: str | None = None


def whole_reply(events: Sequence[Record]) -> tuple[Record, bool]:
    """The reply that the events of a stream make, and whether the stream came to its end."""
    if any(str(event.get("type", "")).startswith("response.") for event in events):
        return _responses_reply(events)
    return _chat_reply(events)


def _responses_reply(events: Sequence[Record]) -> tuple[Record, bool]:
    last = next((event for event in reversed(events) if event.get("type") in ENDS), None)
    if last is not None:
        return mapping(last.get("response")), True
    begun = next((mapping(event.get("response")) for event in events if event.get("response")), {})
    items: dict[object, object] = {}
    texts: dict[object, list[str]] = {}
    for event in events:
        at = _key(event.get("output_index"))
        if event.get("type") == "response.output_item.done":
            items[at] = event.get("item")
        elif event.get("type") == "response.output_text.delta" and isinstance(event.get("delta"), str):
            texts.setdefault(at, []).append(str(event["delta"]))
    for at, said in texts.items():
        items.setdefault(at, {"type": "message", "role": "assistant", "content": "".join(said)})
    return {**begun, "output": list(items.values()), **_error(events)}, False


def _chat_reply(events: Sequence[Record]) -> tuple[Record, bool]:
    reply: dict[str, object] = {}
    choices: dict[object, _Choice] = {}
    for event in events:
        for name in FIRST_NAMED:
            reply.setdefault(name, event.get(name)) if event.get(name) else None
        if event.get("usage"):
            reply["usage"] = event["usage"]
        for choice in listed(event.get("choices")):
            _add(choices, mapping(choice))
    reply["choices"] = [_choice(choice) for choice in choices.values()]
    is_ended = bool(choices) and all(choice.finish_reason for choice in choices.values())
    return {**reply, **_error(events)}, is_ended


def _add(choices: dict[object, _Choice], piece: Record) -> None:
    choice = choices.setdefault(_key(piece.get("index")), _Choice())
    delta = mapping(piece.get("delta"))
    choice.texts.append(text_or_none(delta.get("content")) or "")
    choice.legacy_texts.append(text_or_none(piece.get("text")) or "")
    choice.finish_reason = text_or_none(piece.get("finish_reason")) or choice.finish_reason
    for call in listed(delta.get("tool_calls")):
        name = text_or_none(mapping(mapping(call).get("function")).get("name"))
        at = _key(mapping(call).get("index"))
        if name:
            choice.tools[at] = choice.tools.get(at, "") + name


def _choice(choice: _Choice) -> Record:
    calls = [{"type": "function", "function": {"name": name}} for name in choice.tools.values()]
    message = {"role": "assistant", "content": "".join(choice.texts), "tool_calls": calls}
    return {"message": message, "text": "".join(choice.legacy_texts), "finish_reason": choice.finish_reason}


def _key(index: object) -> object:
    """A position in a list, as a key; positions of a wrong type are one."""
    return index if isinstance(index, int) else None


def _error(events: Sequence[Record]) -> Record:
    """The error that a stream broke off with; empty when there was none."""
    for event in events:
        told = first_present(event.get("error"), event if event.get("type") == "error" else None)
        if told:
            code = mapping(told).get("code")
            return {"error": told if isinstance(told, dict) and told is not event else {"type": code or "error"}}
    return {}
