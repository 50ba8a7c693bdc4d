"""Columns of reported values -> one RAW_RECORDS batch and the flaws of the rows left out."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.tables import TEXT, TEXTS, TIME
from stillwatch.sources.base import RAW_RECORDS
from stillwatch.sources.casts import cast_column, in_range, is_text
from stillwatch.sources.coercion import CREDENTIAL, RULES, Flaw, canonical_json, key_digest

Values: TypeAlias = pa.Array | Sequence[object]
"""The values of one column: an Arrow array, or Python values as a JSON parser gives them.

A `Flaw` in place of a value rejects its row."""

STATUSES = frozenset({"ok", "error", "blocked", "cancelled"})
CAPTURES = frozenset({"full", "truncated", "redacted", "hash_only", "none"})
CHANNELS = frozenset({"first_party", "marketplace", "reseller"})
CHOICES = {"status": STATUSES, "content_capture": CAPTURES, "access_channel": CHANNELS}
IDENTITIES = ("account_id", "org_id", "api_key_id", "end_user_id")
UNIFORM: dict[frozenset[type], pa.DataType] = {
    frozenset({str}): TEXT,
    frozenset({int}): pa.int64(),
    frozenset({float}): pa.float64(),
    frozenset({bool}): pa.bool_(),
}
"""Columns whose values are all of one of these Python types are read at once."""


def records(
    columns: Mapping[str, Values], line_nos: Values, *, required: Sequence[str]
) -> tuple[pa.RecordBatch, dict[int, Flaw]]:
    """The sound rows as a RAW_RECORDS batch, and the flaw of every other row by its position.

    Columns that are not given are null. A row without one of the `required` columns is flawed. `status` and
    `content_capture` are never null in the result: see `_default_status` and `_default_capture`.
    """
    n = len(line_nos)
    flaws: dict[int, Flaw] = {}
    arrays = {"line_no": pa.array(line_nos, pa.int64())}
    for field in RAW_RECORDS:
        if field.name != "line_no":
            arrays[field.name] = _column(field, columns.get(field.name), n, flaws)
    for name in required:
        _flag(flaws, pc.is_null(arrays[name]), Flaw("missing_field", f"field {name} is missing"))
    for name, choices in CHOICES.items():
        unknown = pc.and_(pc.is_valid(arrays[name]), pc.invert(pc.is_in(arrays[name], pa.array(sorted(choices)))))
        _flag(flaws, unknown, Flaw("bad_value", f"field {name}: not one of {', '.join(sorted(choices))}"))
    _complete(arrays)
    batch = pa.RecordBatch.from_arrays([arrays[field.name] for field in RAW_RECORDS], schema=RAW_RECORDS)
    if flaws:
        keep = [position not in flaws for position in range(n)]
        batch = batch.filter(pa.array(keep, pa.bool_()))
    return batch, flaws


def empty_batch() -> pa.RecordBatch:
    """A batch of no rows."""
    return pa.RecordBatch.from_pylist([], schema=RAW_RECORDS)


def _flag(flaws: dict[int, Flaw], mask: pa.Array, flaw: Flaw) -> None:
    for position in pc.indices_nonzero(mask).to_pylist():
        flaws.setdefault(position, flaw)


def _column(field: pa.Field, values: Values | None, n: int, flaws: dict[int, Flaw]) -> pa.Array:
    """One column in its own type; values that do not fit are null here and flaw their row."""
    if values is None:
        return pa.nulls(n, field.type)
    whole = values if isinstance(values, pa.Array) else _at_once(values)
    if whole is not None:
        read = cast_column(whole, field.type)
        if read is not None:
            return _inside_range(field, read, flaws) if field.type == TIME else read
    return _one_by_one(field, _python_values(values) if isinstance(values, pa.Array) else values, flaws)


def _at_once(values: Sequence[object]) -> pa.Array | None:
    """Python values of one plain type as an Arrow array; None when they are mixed or too large."""
    kind = UNIFORM.get(frozenset(map(type, values)) - {type(None)})
    try:
        return None if kind is None else pa.array(values, kind)
    except (OverflowError, pa.ArrowInvalid, UnicodeError):
        return None


def _inside_range(field: pa.Field, moments: pa.Array, flaws: dict[int, Flaw]) -> pa.Array:
    outside = pc.invert(in_range(moments))
    if pc.any(outside).as_py():
        _flag(flaws, outside, Flaw("bad_time", f"field {field.name}: time is not between 2000 and 2100"))
        return pc.if_else(outside, pa.scalar(None, TIME), moments)
    return moments


def _python_values(values: pa.Array) -> list[object]:
    """The values as Python objects; text as bytes, because it may not be UTF-8."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if is_text(values.type):
        values = values.cast(pa.large_binary())
    listed: list[object] = values.to_pylist()
    return listed


def _one_by_one(field: pa.Field, values: Sequence[object], flaws: dict[int, Flaw]) -> pa.Array:
    rule = RULES[field.type]
    read: list[object] = []
    for position, value in enumerate(values):
        outcome = value if value is None or isinstance(value, Flaw) else rule(value)
        if isinstance(outcome, Flaw):
            flaws.setdefault(position, Flaw(outcome.reason, f"field {field.name}: {outcome.detail}"))
            outcome = None
        read.append(outcome)
    return pa.array(read, pa.int64()).cast(TIME) if field.type == TIME else pa.array(read, field.type)


def _complete(arrays: dict[str, pa.Array]) -> None:
    """Fill what follows from other columns, and take credentials out of identities."""
    for name in IDENTITIES:
        arrays[name] = without_credentials(arrays[name])
    definitions = each_distinct(arrays["tool_definitions"], canonical_definitions, TEXT)
    names = each_distinct(definitions, definition_names, TEXTS)
    arrays["tool_definitions"] = definitions
    arrays["tool_definition_names"] = pc.coalesce(arrays["tool_definition_names"], names)
    arrays["status"] = _default_status(arrays)
    arrays["content_capture"] = _default_capture(arrays)


def _default_status(arrays: Mapping[str, pa.Array]) -> pa.Array:
    """The reported status, else `error` where an error type or an HTTP status of 400 or more says so, else `ok`."""
    failed = pc.or_(
        pc.is_valid(arrays["error_type"]),
        pc.fill_null(pc.greater_equal(arrays["http_status_code"], 400), False),
    )
    return pc.coalesce(arrays["status"], pc.if_else(failed, "error", "ok"))


def _default_capture(arrays: Mapping[str, pa.Array]) -> pa.Array:
    """The reported capture, else `full` where there is a prompt or an output, else `none`."""
    has_text = pc.or_(pc.is_valid(arrays["prompt"]), pc.is_valid(arrays["output"]))
    return pc.coalesce(arrays["content_capture"], pc.if_else(has_text, "full", "none"))


def without_credentials(identities: pa.Array) -> pa.Array:
    """Identities as they are; one that looks like a key or a bearer token becomes its SHA-256."""
    if identities.null_count == len(identities):
        return identities
    suspects = pc.match_substring_regex(identities, CREDENTIAL.pattern)
    if not pc.any(suspects).as_py():
        return identities
    return each_distinct(identities, lambda text: key_digest(text) if CREDENTIAL.search(text) else text, TEXT)


def each_distinct(values: pa.Array, rule: Callable[[str], object], kind: pa.DataType) -> pa.Array:
    """`rule` applied once to each distinct text, spread back over the rows; null stays null."""
    if values.null_count == len(values):
        return pa.nulls(len(values), kind)
    encoded = values.dictionary_encode()
    changed = pa.array([rule(text) for text in encoded.dictionary.to_pylist()], kind)
    return changed.take(encoded.indices)


def canonical_definitions(text: str) -> str:
    """Tool definitions as JSON with sorted keys and no spaces; text that is no JSON stays as it is."""
    try:
        return canonical_json(msgspec.json.decode(text))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def definition_names(text: str) -> list[str] | None:
    """Names of the tools in a JSON list of definitions, in order; null when the text is something else.

    A definition is `{name}` or, as Chat Completions has it, `{function: {name}}`.
    """
    try:
        definitions = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not isinstance(definitions, list):
        return None
    names = []
    for definition in definitions:
        if isinstance(definition, dict):
            inner = definition.get("function")
            name = definition.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
            names += [name] if isinstance(name, str) else []
    return names
