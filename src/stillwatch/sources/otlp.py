"""OpenTelemetry: spans and log events of model calls, as OTLP protobuf or OTLP/JSON.

Spans that are no model call (agents, tools, HTTP requests) are not records: they are counted as the field
`$not_a_model_call` and nothing else.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from stillwatch.errors import SourceError
from stillwatch.sources import attribute_names as names
from stillwatch.sources.base import Parsed, Reject, uncompressed_name, with_compressed
from stillwatch.sources.chunks import ChunkBuilder
from stillwatch.sources.coercion import from_unit
from stillwatch.sources.digests import raw_digest
from stillwatch.sources.documents import MAX_DOCUMENT_BYTES, read_documents
from stillwatch.sources.flat_lists import unflatten
from stillwatch.sources.jsonlines import Line, decode_object
from stillwatch.sources.langfuse_usage import usage_columns
from stillwatch.sources.messages import (
    definitions_json,
    output_text,
    prompt_text,
    system_text,
    tool_call_names,
)
from stillwatch.sources.otlp_wire import Damage, Telemetry, from_json, from_protobuf
from stillwatch.sources.paths import opened
from stillwatch.sources.records import Record, Row, allowed_attributes, first_present, mapping, text_or_none
from stillwatch.sources.settings import OtlpSettings
from stillwatch.sources.streams import SteadyStream

REQUIRED = ("source_record_id", "start_time")
NOT_A_CALL = "$not_a_model_call"
NO_ID = frozenset({"", "0" * 32, "0" * 16})
PER_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Otlp:
    """Reads one export request (protobuf, without length), or JSON export requests, one or one a line."""

    settings: OtlpSettings = field(default_factory=OtlpSettings)
    name: str = "otlp"
    version: str = "1"
    suffixes: tuple[str, ...] = with_compressed(".pb", ".binpb", ".otlp.json", ".otlp.jsonl", ".jsonl", ".json")
    seek_suffixes: tuple[str, ...] = ()
    identity_order: tuple[str, ...] = ("account_id", "end_user_id", "org_id", "api_key_id")

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:
        """Yield one row a model call reported by a span or a log event, in file order."""
        yield from self.parse_steady(SteadyStream(stream), uri=uri)

    def parse_steady(self, steady: SteadyStream, *, uri: str) -> Iterator[Parsed]:
        """As `parse`, of a stream whose head was looked at already."""
        builder = ChunkBuilder(REQUIRED)
        for line, found in _telemetry(steady, uri):
            if isinstance(found, Reject):
                builder.reject(found)
            elif not is_model_call(found.attributes):
                builder.fields.add_many(NOT_A_CALL, 1)
            else:
                builder.fields.add(found.attributes)
                builder.fields.add_tool(*found.scope)
                builder.add(line, self._row(found))
            if builder.is_full:
                yield builder.take()
        last = builder.take()
        if last.n_records or last.field_counts:
            yield last

    def _row(self, call: Telemetry) -> Row:
        known = call.attributes
        row = {column: _first(known, aliases) for column, aliases in names.ALIASES.items()}
        parameters = _structure(known, names.REQUEST_PARAMETERS)
        for column, keys in names.PARAMETER_COLUMNS.items():
            if row.get(column) is None:
                row[column] = _first(mapping(parameters), keys)
        reply = mapping(_structure(known, names.REPLY_BODY))
        row["response_id"] = first_present(row["response_id"], text_or_none(reply.get("id")))
        row["request_model"] = first_present(row["request_model"], row["response_model"])
        ids = [part for part in (call.trace_id, call.span_id) if part not in NO_ID]
        place = ":".join(ids) if len(ids) == 2 else f"record:{raw_digest(call.raw)}"
        usage = usage_columns(_structure(known, names.USAGE_DETAILS))
        row |= {column: count for column, count in usage.items() if row.get(column) is None}
        return row | _content(known) | {
            "source_record_id": f"{place}:{call.start_ns}" if call.is_event else place,
            "call_id": first_present(row["response_id"], place if len(ids) == 2 else None),
            "account_id": _first(known, self.settings.account_attributes),
            "org_id": _first(known, self.settings.org_attributes),
            "start_time": from_unit(call.start_ns, PER_SECOND),
            "end_time": from_unit(call.end_ns, PER_SECOND),
            "status": "error" if call.is_error else None,
            "attributes": allowed_attributes({
                **{name: known.get(name) for name in names.ALLOWED}, "scope": call.scope.name,
                "trace_id": call.trace_id, "span_id": call.span_id,
            }),
        }  # fmt: skip


SOURCE = Otlp()


def _first(values: Record, candidates: Sequence[str]) -> object:
    for name in candidates:
        value = values.get(name)
        if value is not None and value != "":
            return value
    return None


def is_model_call(attributes: Record) -> bool:
    """Whether a span or event says that a model was called, and not that something around it ran."""
    kinds = [str(attributes[name]).lower() for name in names.SPAN_KINDS if name in attributes]
    if kinds and not names.CALL_KINDS & set(kinds):
        return False
    if str(attributes.get("gen_ai.operation.name")) in names.OTHER_OPERATIONS:
        return False
    wanted = (*names.ALIASES["request_model"], *names.ALIASES["response_model"], *names.ALIASES["response_id"])
    return any(attributes.get(name) is not None for name in wanted)


def _telemetry(stream: SteadyStream, uri: str) -> Iterator[tuple[Line, Telemetry | Reject]]:
    """Every span and event of the file; `line_no` counts them from 1, because one line may hold thousands."""
    found = _from_documents(stream) if _is_json(stream.head(64), uri) else _from_protobuf(stream, uri)
    for position, item in enumerate(found, 1):
        if isinstance(item, Reject):
            yield Line(position, b""), dataclasses.replace(item, line_no=position)
        else:
            yield Line(position, item.raw), item


def _from_documents(stream: SteadyStream) -> Iterator[Telemetry | Reject]:
    for item in read_documents(stream):
        if isinstance(item, Reject):
            yield item
            continue
        document = decode_object(item)
        if isinstance(document, Reject):
            yield document
        elif "resourceSpans" not in document and "resourceLogs" not in document:
            yield _refused("not_otlp", "expected resourceSpans or resourceLogs", item.raw)
        else:
            try:
                yield from from_json(document)
            except RecursionError:
                yield _refused("too_deep", "attribute values are nested too deeply", item.raw)


def _from_protobuf(stream: SteadyStream, uri: str) -> Iterator[Telemetry | Reject]:
    held = stream.read_all(MAX_DOCUMENT_BYTES)
    if held is None:
        raise SourceError(f"{uri} is one protobuf message beyond {MAX_DOCUMENT_BYTES} bytes; export smaller batches")
    for found in from_protobuf(held):
        yield _refused("bad_protobuf", "not OTLP", found.raw) if isinstance(found, Damage) else found
    if truncation := stream.truncation(0):
        yield truncation


def _refused(reason: str, detail: str, raw: bytes) -> Reject:
    return Reject(0, reason, detail, len(raw), raw_digest(raw))


def _is_json(head: bytes, uri: str) -> bool:
    """Whether the file is JSON; its name decides first, because protobuf begins with the byte of a line end."""
    plain = uncompressed_name(uri)
    if plain.endswith((".pb", ".binpb")):
        return False
    if plain.endswith((".json", ".jsonl", ".ndjson")):
        return True
    return head.lstrip(b"\xef\xbb\xbf \t\r")[:1] in (b"{", b"[", b"")


def _structure(attributes: Record, candidates: tuple[str, ...]) -> object:
    """The first present attribute as a structure: decoded where it is JSON text, as it is where it is not."""
    return opened(_first(attributes, candidates))


def _content(attributes: Record) -> Row:
    asked = first_present(_structure(attributes, names.INPUT_MESSAGES), unflatten(attributes, names.FLAT_INPUT))
    said = first_present(_structure(attributes, names.OUTPUT_MESSAGES), unflatten(attributes, names.FLAT_OUTPUT))
    tools = first_present(_structure(attributes, names.TOOL_DEFINITIONS), unflatten(attributes, names.FLAT_TOOLS))
    return {
        "prompt": prompt_text(asked),
        "system_instructions": system_text(asked, _structure(attributes, names.SYSTEM_INSTRUCTIONS)),
        "output": output_text(said),
        "tool_definitions": definitions_json(tools),
        "tool_call_names": tool_call_names(said),
    }
