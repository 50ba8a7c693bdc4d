"""OTLP messages -> spans and log records as plain Python values, each with the bytes that it came from.

A protobuf export request is walked field by field, so that a file that breaks off costs only what is behind the break.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from stillwatch.sources.coercion import canonical_json
from stillwatch.sources.records import Record, listed, mapping, text_or_none

INTEGER = re.compile(r"-?\d{1,19}")
LENGTH, VARINT, FIXED64, FIXED32 = 2, 0, 1, 5
OUTER_RECORDS, INNER_RECORDS, CONTEXT = 1, 2, 1
"""Field numbers: of the records in an export request; of the records, and of their context, inside."""


class Scope(NamedTuple):
    """The library that reported; empty where it does not say."""

    name: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One span or log record. `attributes` are its own over those of its resource; ids are lower-case hexadecimal."""

    raw: bytes
    trace_id: str
    span_id: str
    start_ns: object
    end_ns: object
    is_event: bool
    is_error: bool
    scope: Scope
    attributes: Record


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no OTLP."""

    raw: bytes


def from_protobuf(message: bytes) -> Iterator[Telemetry | Damage]:
    """Every span and log record of one export request for traces or logs."""
    for block in _nested(memoryview(message), OUTER_RECORDS):
        if isinstance(block, Damage):
            yield block
            continue
        try:
            resource = _attributes(Resource.FromString(bytes(_first(block, CONTEXT))).attributes)
        except DecodeError:
            yield Damage(bytes(block))
            continue
        for scope_block in _nested(block, INNER_RECORDS):
            yield from [scope_block] if isinstance(scope_block, Damage) else _scope(scope_block, resource)


def is_repeated(message: bytes) -> bool:
    """Whether an export request holds its records and nothing else, so that another may follow it in one file."""
    view, at = memoryview(message), 0
    while at < len(view):
        field = _field(view, at)
        if field is None or field[0] != OUTER_RECORDS or field[1] is None:
            return False
        at = field[2]
    return True


def _scope(block: memoryview, resource: Record) -> Iterator[Telemetry | Damage]:
    try:
        context = InstrumentationScope.FromString(bytes(_first(block, CONTEXT)))
        scope = Scope(context.name, context.version)
    except DecodeError:
        yield Damage(bytes(block))
        return
    for item in _nested(block, INNER_RECORDS):
        raw = item.raw if isinstance(item, Damage) else bytes(item)
        try:
            yield item if isinstance(item, Damage) else _record(raw, resource, scope)
        except (DecodeError, RecursionError):
            yield Damage(raw)


def _record(raw: bytes, resource: Record, scope: Scope) -> Telemetry | Damage:
    """A span begins with a trace id of 16 bytes; a log record has a fixed64 time in the same place."""
    if len(_first(memoryview(raw), 1)) == 16:
        span = Span.FromString(raw)
        return Telemetry(
            raw, span.trace_id.hex(), span.span_id.hex(), span.start_time_unix_nano, span.end_time_unix_nano or None,
            is_event=False, is_error=span.status.code == 2, scope=scope,
            attributes={**resource, **_attributes(span.attributes)},
        )  # fmt: skip
    log = LogRecord.FromString(raw)
    moment = log.time_unix_nano or log.observed_time_unix_nano
    if not moment:
        return Damage(raw)
    return Telemetry(
        raw, log.trace_id.hex(), log.span_id.hex(), moment, None,
        is_event=True, is_error=log.severity_number >= 17, scope=scope,
        attributes={**resource, **_attributes(log.attributes)},
    )  # fmt: skip


def _nested(message: memoryview, number: int) -> Iterator[memoryview | Damage]:
    """Payloads of the length-delimited fields with that number, and what could not be read at the end."""
    at = 0
    while at < len(message):
        field = _field(message, at)
        if field is None:
            yield Damage(bytes(message[at:]))
            return
        found, payload, at = field
        if found == number and payload is not None:
            yield payload


def _first(message: memoryview, number: int) -> memoryview:
    return next((item for item in _nested(message, number) if not isinstance(item, Damage)), memoryview(b""))


def _field(message: memoryview, at: int) -> tuple[int, memoryview | None, int] | None:
    """Number, payload (null unless length-delimited) and end of the field at `at`; None when it is damaged."""
    key, at = _varint(message, at)
    number, wire = key >> 3, key & 7
    if at < 0 or number == 0:
        return None
    if wire == VARINT:
        _, end = _varint(message, at)
        return (number, None, end) if end >= 0 else None
    if wire == LENGTH:
        size, at = _varint(message, at)
        return (number, message[at : at + size], at + size) if at >= 0 and at + size <= len(message) else None
    end = at + {FIXED64: 8, FIXED32: 4}.get(wire, len(message) + 1)
    return (number, None, end) if end <= len(message) else None


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A variable-length integer and where it ends; the end is -1 when it does not end."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            return 0, -1
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    return 0, -1


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in value.kvlist_value.values}
    return None if kind in (None, "bytes_value") else getattr(value, kind)


def from_json(document: Record) -> Iterator[Telemetry]:
    """Every span and log record of one export request in OTLP/JSON."""
    for outer, middle, inner in (("resourceSpans", "scopeSpans", "spans"), ("resourceLogs", "scopeLogs", "logRecords")):
        for block in map(mapping, listed(document.get(outer))):
            resource = _json_attributes(mapping(block.get("resource")).get("attributes"))
            for scope_block in map(mapping, listed(block.get(middle))):
                context = mapping(scope_block.get("scope"))
                scope = Scope(*(text_or_none(context.get(name)) or "" for name in ("name", "version")))
                for item in map(mapping, listed(scope_block.get(inner))):
                    yield _json_record(item, resource, scope, is_event=inner == "logRecords")


def _json_record(item: Record, resource: Record, scope: Scope, *, is_event: bool) -> Telemetry:
    start = item.get("startTimeUnixNano") or item.get("timeUnixNano") or item.get("observedTimeUnixNano")
    severity = item.get("severityNumber")
    code = mapping(item.get("status")).get("code")
    trace_id, span_id = ((text_or_none(item.get(name)) or "").lower() for name in ("traceId", "spanId"))
    return Telemetry(
        canonical_json(item).encode(), trace_id, span_id, start,
        item.get("endTimeUnixNano") or None, is_event=is_event,
        is_error=code in (2, "STATUS_CODE_ERROR") or (isinstance(severity, int) and severity >= 17),
        scope=scope, attributes={**resource, **_json_attributes(item.get("attributes"))},
    )  # fmt: skip


def _json_attributes(pairs: object) -> dict[str, object]:
    found = {}
    for pair in map(mapping, listed(pairs)):
        key = pair.get("key")
        if isinstance(key, str):
            found[key] = _json_value(mapping(pair.get("value")))
    return found


def _json_value(value: Mapping[str, object]) -> object:
    """The value of an AnyValue; 64-bit integers come as text. Bytes and unknown kinds are null."""
    kind, held = next(iter(value.items()), (None, None))
    if kind == "intValue" and isinstance(held, str):
        return int(held) if INTEGER.fullmatch(held) else held
    if kind in ("stringValue", "boolValue", "doubleValue", "intValue"):
        return held
    if kind == "arrayValue":
        return [_json_value(mapping(item)) for item in listed(mapping(held).get("values"))]
    return _json_attributes(mapping(held).get("values")) if kind == "kvlistValue" else None
