"""OTLP over HTTP: an export request is acknowledged when its records are on disk, and not before."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from anyio import to_thread
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.requests import Request
from starlette.responses import Response

from stillwatch.api.bodies import Bounds, Refused, read_body
from stillwatch.api.figures import Figures
from stillwatch.errors import SourceError, SpoolFull
from stillwatch.sources import otlp_requests
from stillwatch.sources.otlp_requests import Signal
from stillwatch.store.spool import Spool

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
SUFFIXES: Final = {PROTOBUF: ".pb", JSON: ".otlp.jsonl"}
"""Form of a body to the ending of its spool file, by which the `otlp` source knows it."""

RETRY_SECONDS: Final = 5
"""What a sender is asked to wait: about two drains."""
INLINE_BYTES: Final = 64 << 10
"""Larger bodies are checked in a thread, so that decisions do not wait for them."""
QUARANTINED: Final = "no usable start time or trace id"


class Receiver:
    """The routes `/v1/traces` and `/v1/logs`."""

    def __init__(self, spool: Spool, bounds: Bounds, figures: Figures) -> None:
        self._spool = spool
        self._bounds = bounds
        self._figures = figures

    async def traces(self, request: Request) -> Response:
        """Take an export request of spans."""
        return await self._receive(request, Signal.TRACES)

    async def logs(self, request: Request) -> Response:
        """Take an export request of log records."""
        return await self._receive(request, Signal.LOGS)

    async def _receive(self, request: Request, signal: Signal) -> Response:
        form = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if form not in SUFFIXES:
            return _status(JSON, Refused(415, f"Content-Type must be {PROTOBUF} or {JSON}"))
        try:
            return await self._take(request, signal, form)
        except Refused as refused:
            return _status(form, refused)
        except SourceError as error:
            return _status(form, Refused(400, str(error)))
        except SpoolFull as full:
            self._figures.turned_away.labels(signal.value).inc()
            return _status(form, Refused(429, str(full), retry_after=RETRY_SECONDS))

    async def _take(self, request: Request, signal: Signal, form: str) -> Response:
        body = await read_body(request, self._bounds)
        check = _check(form)
        if len(body) <= INLINE_BYTES:
            found = check(body, signal)
        else:
            found = await to_thread.run_sync(check, body, signal)
        if found.kept:
            await asyncio.wrap_future(self._spool.append(found.kept, SUFFIXES[form]))
        n_sound = found.n_records - found.n_refused
        self._figures.records.labels(signal.value, "accepted").inc(n_sound)
        self._figures.records.labels(signal.value, "refused").inc(found.n_refused)
        return _acknowledged(form, signal, found.n_refused)


def _check(form: str) -> Callable[[bytes, Signal], otlp_requests.Request]:
    return otlp_requests.check_protobuf if form == PROTOBUF else otlp_requests.check_json


def _acknowledged(form: str, signal: Signal, n_refused: int) -> Response:
    """The answer of the OTLP specification; partial success names how many records do not count."""
    name = "rejectedSpans" if signal is Signal.TRACES else "rejectedLogRecords"
    if form == JSON:
        partial = {"partialSuccess": {name: str(n_refused), "errorMessage": QUARANTINED}} if n_refused else {}
        return Response(msgspec.json.encode(partial), media_type=JSON)
    answer = ExportTraceServiceResponse() if signal is Signal.TRACES else ExportLogsServiceResponse()
    if n_refused:
        answer.partial_success.error_message = QUARANTINED
        if signal is Signal.TRACES:
            answer.partial_success.rejected_spans = n_refused
        else:
            answer.partial_success.rejected_log_records = n_refused
    return Response(answer.SerializeToString(), media_type=PROTOBUF)


def _status(form: str, refused: Refused) -> Response:
    """A refusal as the specification wants it: a google.rpc.Status in the form of the request."""
    headers = {} if refused.retry_after is None else {"retry-after": str(refused.retry_after)}
    if form == JSON:
        return Response(msgspec.json.encode({"message": refused.words}), refused.status, headers, JSON)
    words = refused.words.encode()[:127]
    return Response(b"\x12" + bytes([len(words)]) + words, refused.status, headers, PROTOBUF)
