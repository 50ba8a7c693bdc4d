"""Lists that telemetry writes as numbered attributes -> messages and tool definitions.

`llm.input_messages.0.message.role` (OpenInference) and `gen_ai.prompt.0.role` (OpenLLMetry before 2026) both mean the
role of the first message.
"""

import re

import msgspec

from stillwatch.sources.records import Record

WRAPPERS = ("message.", "message_content.", "tool_call.", "tool.", "function.")
NUMBERED = re.compile(r"(\d{1,4})\.(.+)")


def unflatten(attributes: Record, prefixes: tuple[str, ...]) -> list[object] | None:
    """The list under the first prefix that has numbered attributes; null when none has."""
    for prefix in prefixes:
        items = _items(attributes, prefix + ".")
        if items:
            return [_item(items[position]) for position in sorted(items)]
    return None


def _items(attributes: Record, prefix: str) -> dict[int, dict[str, object]]:
    items: dict[int, dict[str, object]] = {}
    for name, value in attributes.items():
        match = NUMBERED.fullmatch(name[len(prefix) :]) if name.startswith(prefix) else None
        if match and value is not None:
            items.setdefault(int(match[1]), {})[match[2]] = value
    return items


def _item(flat: dict[str, object]) -> object:
    """One message or definition; what vendors wrap it in (`message.`, `tool.`, ...) is left out."""
    plain = {_unwrapped(name): value for name, value in flat.items()}
    if isinstance(plain.get("json_schema"), str):
        return _decoded(str(plain["json_schema"]))
    item = {name: value for name, value in plain.items() if "." not in name}
    for name in ("contents", "tool_calls"):
        parts = _items(plain, name + ".")
        if parts:
            item["content" if name == "contents" else name] = [_item(parts[position]) for position in sorted(parts)]
    return item


def _unwrapped(name: str) -> str:
    for wrapper in WRAPPERS:
        name = name.removeprefix(wrapper)
    return name


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text
