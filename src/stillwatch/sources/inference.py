"""A proposal for the mapping file of a log that nobody has described, from names and a sample of its records.

A name alone is not believed: values must have the field's type, times must be times, addresses addresses, ids distinct.
The proposal holds names of fields and shares of records; no value of a record leaves.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, cast

from stillwatch.errors import SourceError
from stillwatch.sources.base import RAW_RECORDS, uncompressed_name
from stillwatch.sources.coercion import RULES, Flaw, as_count
from stillwatch.sources.columns import records
from stillwatch.sources.fields import plain_name
from stillwatch.sources.likely_names import LIKELY, STATUS_WORDS, TAKES
from stillwatch.sources.mapped import taken, value_of
from stillwatch.sources.mapping_file import Mapping as MappingFile
from stillwatch.sources.mapping_file import Rule, Scalar, Taken
from stillwatch.sources.paths import opened
from stillwatch.sources.records import Record
from stillwatch.sources.samples import sample_records

MAX_DEPTH: Final = 5
MAX_PATHS: Final = 2_000
"""Paths looked at; a record with more has keys that are values."""
SOUND: Final = 0.95
"""Share of a path's values that must have the field's type; logs hold a few broken records."""
DISTINCT: Final = 0.999
REQUIRED: Final = ("source_record_id", "start_time")
EXTENDED: Final = ("source_record_id", "call_id")
"""Fields that may share a path with another one."""
CACHED: Final = ("cache_read_input_tokens", "cache_creation_input_tokens")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mapping, and what it covers: shares of the `n_records` that were looked at.

    `missing` are the required fields that nothing was found for: with any, the mapping cannot be read yet. `unused`
    has the share of records that had each path which no rule reads.
    """

    mapping: MappingFile
    n_records: int
    n_rejected: int
    coverage: Mapping[str, float]
    unused: Mapping[str, float]
    missing: tuple[str, ...]


def infer_mapping(path: Path, *, name: str) -> Proposal:
    """The proposal for a file of JSON lines, CSV or Parquet, plain or compressed.

    Raises:
        SourceError: the file cannot be read, or has no record.
    """
    kind = _format_of(path)
    rows = sample_records(path, kind)
    if not rows:
        raise SourceError(f"{path} has no record that can be read; name a file of JSON lines, CSV or Parquet")
    held = _values_by_path(rows)
    rules = _rules(held)
    mapping = MappingFile(name=name, format=kind, fields=dict(rules), identity_order=_identities(rules))
    columns = {field: [value_of(rule, row, path.name) for row in rows] for field, rule in rules.items()}
    missing = tuple(field for field in REQUIRED if field not in rules)
    batch, flaws = records(columns, list(range(1, len(rows) + 1)), required=[n for n in REQUIRED if n in rules])
    n = max(1, batch.num_rows)
    coverage = {field: 1 - batch.column(field).null_count / n for field in rules}
    read = {path for rule in rules.values() for path in (*rule.paths, *rule.sum, *rule.join)}
    unused = {place: len(values) / len(rows) for place, values in held.items() if not _is_read(place, read)}
    return Proposal(mapping, len(rows), len(flaws), coverage, unused, missing)


def _format_of(path: Path) -> Literal["jsonl", "csv", "parquet"]:
    plain = uncompressed_name(path.name)
    return "csv" if plain.endswith(".csv") else "parquet" if plain.endswith(".parquet") else "jsonl"


def _is_read(place: str, read: set[str]) -> bool:
    """Whether a rule reads this path, or something inside of it or around it."""
    return any(place == path or place.startswith(f"{path}.") or path.startswith(f"{place}.") for path in read)


def _values_by_path(rows: Sequence[Record]) -> dict[str, list[object]]:
    """Values that are not null by path, of paths whose names are plain words."""
    held: dict[str, list[object]] = {}
    for row in rows:
        for path, value in _paths(row, "", MAX_DEPTH):
            if path in held or len(held) < MAX_PATHS:
                held.setdefault(path, []).append(value)
    return held


def _paths(record: Record, prefix: str, depth: int) -> Iterator[tuple[str, object]]:
    for key, value in record.items():
        if value is None or value == "" or not isinstance(key, str) or plain_name(key) != key:
            continue
        yield prefix + key, value
        inner = opened(value)
        if isinstance(inner, dict) and depth > 1:
            yield from _paths(inner, f"{prefix}{key}.", depth - 1)


def _rules(held: Mapping[str, list[object]]) -> dict[str, Rule]:
    """The rule of each field for which a path was found, in the order of LIKELY."""
    rules: dict[str, Rule] = {}
    used: set[str] = set()
    for field in LIKELY:
        rule = next(_fitting(field, held, used), None)
        if rule is None:
            continue
        rules[field] = rule
        if field not in EXTENDED and rule.take is None:
            used.update(rule.paths)
    if "source_record_id" not in rules and (joined := _joined_id(rules, held)):
        rules = {"source_record_id": joined, **rules}
    return _with_cached(rules, held)


def _fitting(field: str, held: Mapping[str, list[object]], used: set[str]) -> Iterator[Rule]:
    """Rules whose names and values fit, best first."""
    paths = sorted(held, key=lambda path: (path.count("."), path))
    for name in LIKELY[field]:
        for path in paths:
            if path not in used and _best_name(_words(path)) == name and (rule := _rule(field, path, held[path])):
                yield rule


@lru_cache(maxsize=4096)
def _best_name(words: str) -> str | None:
    """The longest of all likely names that a path's words end in: `cache_read_input_tokens` is no `input_tokens`."""
    fitting = [name for names in LIKELY.values() for name in names if f"_{words}".endswith(f"_{name}")]
    return max(fitting, key=len, default=None)


def _words(path: str) -> str:
    """A path as lower-case words: `usage.promptTokens` -> `usage_prompt_tokens`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", path)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")


def _rule(field: str, path: str, values: list[object]) -> Rule | None:
    """The rule that reads a path as this field; None when its values do not fit."""
    if field in TAKES and any(isinstance(opened(value), dict | list) for value in values):
        take = cast(Taken, TAKES[field])
        found = [taken(take, value) for value in values]
        return Rule(path=path, take=take) if any(isinstance(text, str) and text for text in found) else None
    if field == "status":
        return _status_rule(path, values)
    return Rule(path=path) if _fits(field, values) else None


def _fits(field: str, values: list[object]) -> bool:
    check = CHECKS.get(field)
    return check(values) if check else _share(RULES[RAW_RECORDS.field(field).type], values) >= SOUND


def _status_rule(path: str, values: list[object]) -> Rule | None:
    words = {str(value) for value in values}
    known: dict[str, Scalar] = {word: STATUS_WORDS[word.lower()] for word in words if word.lower() in STATUS_WORDS}
    return Rule(path=path, values=dict(sorted(known.items()))) if len(known) == len(words) else None


def _share(rule: Callable[[object], object], values: Sequence[object]) -> float:
    outcomes = [rule(value) for value in values]
    return sum(outcome is not None and not isinstance(outcome, Flaw) for outcome in outcomes) / max(1, len(outcomes))


def _is_distinct(values: list[object]) -> bool:
    texts = [RULES[RAW_RECORDS.field("source_record_id").type](value) for value in values]
    return all(isinstance(text, str) for text in texts) and len(set(texts)) >= DISTINCT * len(texts)


def _are_addresses(values: list[object]) -> bool:
    return _share(_address, values) >= SOUND


def _address(value: object) -> object:
    try:
        return ipaddress.ip_address(str(value).split(",")[0].strip())
    except ValueError:
        return None


def _are_status_codes(values: list[object]) -> bool:
    codes = [as_count(value) for value in values]
    return all(isinstance(code, int) and 100 <= code < 600 for code in codes)


CHECKS: dict[str, Callable[[list[object]], bool]] = {
    "source_record_id": _is_distinct,
    "client_address": _are_addresses,
    "http_status_code": _are_status_codes,
}
"""Fields whose type says too little about their values."""


def _joined_id(rules: Mapping[str, Rule], held: Mapping[str, list[object]]) -> Rule | None:
    """An id made of account and time, where together they are distinct; None where they are not."""
    parts = [rules[field].paths[0] for field in ("account_id", "start_time") if field in rules]
    if len(parts) < 2 or len(held[parts[0]]) != len(held[parts[1]]):
        return None
    pairs = {(str(first), str(second)) for first, second in zip(held[parts[0]], held[parts[1]], strict=True)}
    return Rule(join=tuple(parts)) if len(pairs) == len(held[parts[0]]) else None


def _with_cached(rules: dict[str, Rule], held: Mapping[str, list[object]]) -> dict[str, Rule]:
    """Cached tokens added to the input where they exceed it in some record: then the log counts them apart."""
    parts = [rules[field].paths[0] for field in ("input_tokens", *CACHED) if field in rules]
    if len(parts) < 2 or "input_tokens" not in rules:
        return rules
    fresh = [as_count(value) for value in held[parts[0]]]
    for path in parts[1:]:
        cached = [as_count(value) for value in held[path]]
        if len(cached) == len(fresh) and any(_exceeds(a, b) for a, b in zip(cached, fresh, strict=True)):
            return {**rules, "input_tokens": Rule(sum=tuple(parts))}
    return rules


def _exceeds(cached: object, fresh: object) -> bool:
    return isinstance(cached, int) and isinstance(fresh, int) and cached > fresh


def _identities(rules: Mapping[str, Rule]) -> tuple[str, ...]:
    named = tuple(field for field in ("account_id", "org_id", "api_key_id", "end_user_id") if field in rules)
    return named or ("account_id",)
