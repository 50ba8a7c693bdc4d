"""What a receiver checks of one OTLP export request before it acknowledges it: form, and what ingest will refuse."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stillwatch.errors import SourceError
from stillwatch.sources.coercion import EARLIEST_US, LATEST_US, from_unit
from stillwatch.sources.otlp_wire import is_repeated
from stillwatch.sources.records import Record, listed, mapping

TRACE_ID_BYTES: Final = 16
PER_SECOND: Final = 10**9
TIMES_NS: Final = range(EARLIEST_US * 1000, LATEST_US * 1000)
"""Times that ingest takes, in nanoseconds since 1970."""


class Signal(StrEnum):
    """What an export request carries."""

    TRACES = "traces"
    LOGS = "logs"


_PLACES: Final = {
    Signal.TRACES: ("resourceSpans", "scopeSpans", "spans", ("startTimeUnixNano",)),
    Signal.LOGS: ("resourceLogs", "scopeLogs", "logRecords", ("timeUnixNano", "observedTimeUnixNano")),
}


@dataclass(frozen=True, slots=True)
class Request:
    """A sound export request: its records, those that ingest will put in quarantine, and the bytes to keep.

    Bytes of several requests of one form may stand behind each other: together they are one larger document.
    """

    kept: bytes
    n_records: int
    n_refused: int


def check_protobuf(body: bytes, signal: Signal) -> Request:
    """A protobuf request.

    Raises:
        SourceError: it is no request of this signal.
    """
    message = ExportTraceServiceRequest() if signal is Signal.TRACES else ExportLogsServiceRequest()
    try:
        message.ParseFromString(body)
    except (DecodeError, RecursionError) as error:
        raise SourceError(f"the body is no OTLP request for {signal} in protobuf") from error
    if not is_repeated(body):
        raise SourceError(f"the body holds fields that no OTLP request for {signal} has")
    is_sound = list(_sound_spans(message) if signal is Signal.TRACES else _sound_logs(message))
    return Request(body, len(is_sound), is_sound.count(False))


def check_json(body: bytes, signal: Signal) -> Request:
    """A request in OTLP/JSON, kept as one line.

    Raises:
        SourceError: it is no request of this signal.
    """
    outer, middle, inner, times = _PLACES[signal]
    try:
        document = msgspec.json.decode(body)
        kept = msgspec.json.format(body, indent=-1)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise SourceError("the body is not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get(outer, []), list):
        raise SourceError(f"the body is no OTLP request for {signal}: expected an object with a list {outer}")
    blocks = (block for resource in _objects(document.get(outer)) for block in _objects(resource.get(middle)))
    is_sound = [_has_time(item, times) for block in blocks for item in _objects(block.get(inner))]
    if not is_sound:
        return Request(b"", 0, 0)
    return Request(kept + b"\n", len(is_sound), is_sound.count(False))


def _sound_spans(message: Message) -> Iterator[bool]:
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield len(span.trace_id) == TRACE_ID_BYTES and span.start_time_unix_nano in TIMES_NS


def _sound_logs(message: Message) -> Iterator[bool]:
    for resource in message.resource_logs:
        for scope in resource.scope_logs:
            for log in scope.log_records:
                yield (log.time_unix_nano or log.observed_time_unix_nano) in TIMES_NS


def _objects(value: object) -> Iterable[Record]:
    return map(mapping, listed(value))


def _has_time(item: Record, names: tuple[str, ...]) -> bool:
    stamp = next((item[name] for name in names if item.get(name)), None)
    return stamp is not None and isinstance(from_unit(stamp, PER_SECOND), int)
