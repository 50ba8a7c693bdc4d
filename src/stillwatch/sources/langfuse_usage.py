"""Token counts as Langfuse keeps them: one map from kind of token to count."""

from collections.abc import Mapping

from stillwatch.sources.coercion import Flaw, as_number
from stillwatch.sources.records import Record, Row, mapping

CACHE_READ = ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read")
CACHE_WRITTEN = ("cache_creation_input_tokens", "input_cache_creation", "cache_write_input_tokens")
REASONING = ("output_reasoning_tokens", "reasoning_tokens", "output_reasoning")
OPENAI_NAMES = {"prompt_tokens": "input", "completion_tokens": "output", "total_tokens": "total"}
"""The API's own names, which some integrations pass on."""


def usage_columns(details: object) -> Row:
    """Token columns of a `usage_details` map; nothing is set by a map that is empty or none.

    Langfuse's own cost columns add up every kind whose name has `input` in it, and likewise `output`: kinds are
    disjoint. Where `total` says that `input` and `output` are everything, what else is named is part of them.
    """
    usage = {OPENAI_NAMES.get(name, name): value for name, value in mapping(details).items()}
    if not usage:
        return {}
    return {
        "input_tokens": _all(usage, "input"),
        "output_tokens": _all(usage, "output"),
        "reasoning_output_tokens": _one(usage, REASONING),
        "cache_read_input_tokens": _one(usage, CACHE_READ),
        "cache_creation_input_tokens": _one(usage, CACHE_WRITTEN),
    }


def _all(usage: Record, side: str) -> object:
    numbers = {name: as_number(value) for name, value in usage.items() if side in name and value is not None}
    flaw = next((number for number in numbers.values() if isinstance(number, Flaw)), None)
    if flaw is not None or not numbers:
        return flaw
    whole = numbers.get(side)
    return whole if whole is not None and _is_inclusive(usage) else _sum(numbers)


def _is_inclusive(usage: Record) -> bool:
    total, asked, said = (as_number(usage.get(name)) for name in ("total", "input", "output"))
    return all(isinstance(number, int | float) for number in (total, asked, said)) and total == asked + said  # type: ignore[operator]


def _sum(numbers: Mapping[str, object]) -> float | int:
    return sum(number for number in numbers.values() if isinstance(number, int | float))


def _one(usage: Record, names: tuple[str, ...]) -> object:
    return next((usage[name] for name in names if usage.get(name) is not None), None)
