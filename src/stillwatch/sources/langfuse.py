"""Langfuse: what its SDK sends (OTLP), and exports of observations of both table generations.

The newer tables (`observations_v2/` files, `events_full`, `events_core`) name user and session in every row. In the
older ones a trace does: `traces` in the settings names the files of that table, or a join in the database does the
same (docs/sources/langfuse.md). Observations that are no model call are counted as `$not_a_model_call`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from stillwatch.sources.base import Parsed, Reject, uncompressed_name, with_compressed
from stillwatch.sources.chunks import ChunkBuilder
from stillwatch.sources.jsonlines import Line
from stillwatch.sources.langfuse_records import field_of, parquet_records, text_records
from stillwatch.sources.langfuse_traces import Trace, traces_of
from stillwatch.sources.langfuse_usage import usage_columns
from stillwatch.sources.messages import definitions_json, output_text, prompt_text, system_text, tool_call_names
from stillwatch.sources.otlp import NOT_A_CALL, Otlp
from stillwatch.sources.paths import opened
from stillwatch.sources.records import Record, Row, allowed_attributes, first_present, mapping, text_or_none
from stillwatch.sources.settings import LangfuseSettings
from stillwatch.sources.streams import SteadyStream

REQUIRED = ("source_record_id", "start_time")
OPERATIONS = {"GENERATION": "chat", "EMBEDDING": "embeddings"}
"""Types of observation that are a model call -> OpenTelemetry's name of it."""
AROUND = frozenset({"SPAN", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "GUARDRAIL"})
"""Types of observation around model calls."""
OBSERVED = ("type", "start_time", "startTime")
"""A record without any of these is a trace or a score, not an observation."""
ALLOWED = ("environment", "release", "service_name", "scope_version")
SPANS, HEAD_BYTES = b'"resourceSpans"', 256


@dataclass(frozen=True, slots=True)
class Langfuse:
    """Reads OTLP (protobuf, JSON) as the SDK sends it, and exports as JSON lines, JSON, CSV or Parquet."""

    settings: LangfuseSettings = field(default_factory=LangfuseSettings)
    name: str = "langfuse"
    version: str = "5.0"
    suffixes: tuple[str, ...] = (*with_compressed(".jsonl", ".ndjson", ".json", ".csv", ".pb", ".binpb"), ".parquet")
    seek_suffixes: tuple[str, ...] = (".parquet",)
    identity_order: tuple[str, ...] = ("account_id", "end_user_id")
    """NOTE: all rows of an export share one project; as an account it would be everybody."""

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:
        """Yield one row a model call, in file order."""
        plain = uncompressed_name(uri)
        traces = traces_of(self.settings.traces)
        if plain.endswith(".parquet"):
            yield from _parsed(parquet_records(stream, uri), traces)
            return
        steady = SteadyStream(stream)
        if plain.endswith((".pb", ".binpb")) or SPANS in steady.head(HEAD_BYTES):
            yield from Otlp().parse_steady(steady, uri=uri)
        else:
            yield from _parsed(text_records(steady, uri), traces)


SOURCE = Langfuse()


def _parsed(items: Iterator[tuple[Line, Record] | Reject], traces: Mapping[str, Trace]) -> Iterator[Parsed]:
    builder = ChunkBuilder(REQUIRED)
    for item in items:
        if isinstance(item, Reject):
            builder.reject(item)
        elif not _is_call(item[1]):
            builder.fields.add_many(NOT_A_CALL, 1)
        else:
            builder.fields.add(item[1])
            builder.fields.add_tool(item[1].get("scope_name"), item[1].get("scope_version"))
            builder.add(item[0], _row(item[1], traces))
        if builder.is_full:
            yield builder.take()
    last = builder.take()
    if last.n_records or last.field_counts:
        yield last


def _is_call(record: Record) -> bool:
    kind = record.get("type")
    is_around = isinstance(kind, str) and kind.upper() in AROUND
    return not is_around and any(name in record for name in OBSERVED)


def _row(record: Record, traces: Mapping[str, Trace]) -> Row:
    trace_id, span_id = field_of(record, "trace_id"), first_present(record.get("span_id"), record.get("id"))
    place = f"{trace_id}:{span_id}" if isinstance(trace_id, str) and isinstance(span_id, str) else span_id
    trace = traces.get(trace_id) if isinstance(trace_id, str) else None
    parameters = mapping(opened(field_of(record, "model_parameters")))
    return {
        "source_record_id": place,
        "call_id": place,
        "account_id": first_present(field_of(record, "user_id"), trace.user_id if trace else None),
        "org_id": field_of(record, "project_id"),
        "conversation_id": first_present(field_of(record, "session_id"), trace.session_id if trace else None),
        "start_time": field_of(record, "start_time"),
        "end_time": field_of(record, "end_time"),
        "operation_name": OPERATIONS.get(str(record.get("type")).upper()),
        "request_model": first_present(field_of(record, "provided_model_name"), record.get("model")),
        "status": "error" if record.get("level") == "ERROR" else None,
        "request_max_tokens": first_present(parameters.get("max_tokens"), parameters.get("max_completion_tokens")),
        "request_temperature": parameters.get("temperature"),
        "request_top_p": parameters.get("top_p"),
        "attributes": allowed_attributes({name: record.get(name) for name in ALLOWED}),
    } | usage_columns(_map(field_of(record, "usage_details"))) | _content(record)  # fmt: skip


def _content(record: Record) -> Row:
    asked, said = opened(record.get("input")), opened(record.get("output"))
    messages = mapping(asked).get("messages") if isinstance(asked, dict) else asked
    names = opened(field_of(record, "tool_call_names"))
    return {
        "prompt": prompt_text(messages),
        "system_instructions": system_text(messages, mapping(asked).get("system")),
        "output": output_text(said),
        "tool_definitions": _definitions(
            first_present(field_of(record, "tool_definitions"), mapping(asked).get("tools"))
        ),
        "tool_call_names": names or tool_call_names(said),
    }


def _definitions(logged: object) -> str | None:
    """Tool definitions from a list, or from a map of name to definition; null without any."""
    tools = _map(logged)
    if isinstance(tools, dict):
        return definitions_json([{"name": name, **mapping(opened(tool))} for name, tool in tools.items()])
    return definitions_json(opened(text_or_none(tools) or tools))


def _map(value: object) -> object:
    """A map as an object, from JSON text or from the pairs that Parquet writes; anything else as it is."""
    value = opened(value)
    if isinstance(value, list) and value and all(isinstance(item, tuple) and len(item) == 2 for item in value):
        return dict(value)
    return value
