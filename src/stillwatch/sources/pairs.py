"""Logged pairs of request and reply of a model API: bodies, headers, times and identities, whoever wrote the log.

A record holds `request` and `response`. Each is a body, or a message `{headers, body, ...}`. A body is an object, JSON
text, the text of a stream of server-sent events, or the list of its events. The API key of a request passes only as
its SHA-256, which is how gateways name keys; a masked key passes not at all.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stillwatch.sources.coercion import Flaw, as_moment, as_number, canonical_json, key_digest
from stillwatch.sources.digests import raw_digest
from stillwatch.sources.paths import lookup, opened
from stillwatch.sources.records import Record, Row, first_present, forwarded_address, listed, mapping, text_or_none
from stillwatch.sources.settings import PairSettings

START = ("start_time", "started_at", "timestamp", "time", "at", "created_at")
END = ("end_time", "ended_at", "completed_at")
MILLISECONDS = ("duration_ms", "latency_ms")
STATUS = ("status_code", "status")
LONGEST_MS = 7 * 86_400_000
"""A duration beyond a week is no request."""
SHORTEST_KEY = 16
"""Real keys are longer; what is shorter is a placeholder that many callers share."""
MASKED = re.compile(r"\*|\.\.\.|\u2026|redact|mask|hidden", re.IGNORECASE)
"""A key that a log has masked is equal for many callers and names none of them."""
OPERATIONS = (
    ("/chat/completions", "chat"), ("/responses", "chat"), ("/messages", "chat"), ("/completions", "text_completion"),
    ("/embeddings", "embeddings"), ("/images/generations", "image_generation"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """One logged call. Header names are in lower case; of a reply that came as a stream `events` has its events."""

    log: Record
    request: Record
    reply: Record
    events: tuple[Record, ...]
    sent: Record
    answered: Record


def read_pair(record: Record) -> Pair:
    """The pair that a log record holds; what it lacks is empty."""
    request, _ = _body(record.get("request"))
    reply, events = _body(record.get("response"))
    return Pair(
        log=record,
        request=request,
        reply=reply,
        events=events,
        sent=headers_of(record, "request"),
        answered=headers_of(record, "response"),
    )


def assembled(pair: Pair, put_together: Callable[[Sequence[Record]], tuple[Record, bool]]) -> tuple[Pair, bool]:
    """The pair with its stream put together, and whether the reply is complete."""
    if not pair.events:
        return pair, True
    reply, is_ended = put_together(pair.events)
    return dataclasses.replace(pair, reply=reply), is_ended


def pair_row(pair: Pair, settings: PairSettings, *, request_id_header: str) -> Row:
    """Columns that every API has in common: identities, times, addresses, status code and operation."""
    reply_id = first_present(pair.reply.get("id"), pair.log.get("response_id"))
    request_id = first_present(pair.answered.get(request_id_header), pair.log.get("request_id"))
    named = {**pair.log, "headers": pair.sent, "response_id": reply_id, "request_id": request_id}
    start = first_present(*(pair.log.get(name) for name in START), pair.reply.get("created"))
    hops = settings.trusted_hops
    return {
        "source_record_id": first_present(
            reply_id, request_id, pair.log.get("id"), raw_digest(canonical_json(pair.log).encode())
        ),
        "call_id": _named(named, settings.call_id_fields),
        "account_id": _named(named, settings.account_fields),
        "org_id": _named(named, settings.org_fields),
        "api_key_id": first_present(pair.log.get("api_key_id"), _key_digest(pair.sent)),
        "start_time": start,
        "end_time": first_present(*(pair.log.get(name) for name in END), _end_time(start, pair.log)),
        "operation_name": operation_of(pair),
        "http_status_code": _status_code(pair.log),
        "client_address": forwarded_address(pair.sent.get("x-forwarded-for"), hops)
        if hops
        else first_present(pair.log.get("client_address"), pair.log.get("client_ip")),
        "user_agent_original": pair.sent.get("user-agent"),
        "tls_client_ja3": pair.sent.get(settings.ja3_header),
        "tls_client_ja4": pair.sent.get(settings.ja4_header),
        "server_address": pair.sent.get("host"),
    }


def operation_of(pair: Pair) -> str | None:
    """OpenTelemetry's name of the call, by its path; null when the log has no path."""
    message = mapping(pair.log.get("request"))
    places = (holder.get(name) for holder in (pair.log, message) for name in ("path", "url"))
    path = str(first_present(*places) or "").partition("?")[0].rstrip("/")
    return next((operation for end, operation in OPERATIONS if path.endswith(end)), None)


def error_type(reply: Record) -> object:
    """The kind of error that a reply tells of; null when it tells of none."""
    error = mapping(reply.get("error"))
    return first_present(error.get("type"), error.get("code"), "error" if error else None)


def events_of(text: str) -> tuple[Record, ...]:
    """The JSON objects that a stream of server-sent events carries, in order.

    A stream that breaks off inside an event has lost that event only.
    """
    found = []
    for block in re.split(r"\r?\n\r?\n|\r\r", text):
        lines = [line[5:].removeprefix(" ") for line in block.splitlines() if line.startswith("data:")]
        data = opened("\n".join(lines))
        if isinstance(data, dict):
            found.append(data)
    return tuple(found)


def _body(logged: object) -> tuple[Record, tuple[Record, ...]]:
    """The body of a logged message, and the events of one that is a stream."""
    held = mapping(logged).get("body", logged) if isinstance(logged, dict) else logged
    held = opened(held)
    if isinstance(held, str):
        return {}, events_of(held)
    if isinstance(held, list):
        return {}, tuple(event for item in held for event in _events_in(item))
    return mapping(held), ()


def _events_in(item: object) -> tuple[Record, ...]:
    """Events of one element of a list: an object, or a piece of the stream's text."""
    if isinstance(item, dict):
        return (item,)
    held = opened(item)
    return (held,) if isinstance(held, dict) else events_of(held) if isinstance(held, str) else ()


def headers_of(record: Record, side: str) -> Record:
    """Headers of one side by lower-case name, logged as an object or as a list of pairs."""
    logged = first_present(mapping(record.get(side)).get("headers"), record.get(f"{side}_headers"))
    if isinstance(logged, dict):
        return {str(name).lower(): value for name, value in logged.items()}
    pairs = [pair for pair in listed(logged) if isinstance(pair, list) and len(pair) == 2]
    return {str(name).lower(): value for name, value in pairs}


def _named(record: Record, paths: tuple[str, ...]) -> object:
    return first_present(*(lookup(record, path) for path in paths))


def _key_digest(sent: Record) -> str | None:
    """The name of the key that the request was sent with; null when the log has none, or a masked one."""
    bearer = text_or_none(sent.get("authorization")) or ""
    key = bearer.partition(" ")[2] if bearer.lower().startswith("bearer ") else ""
    key = key or text_or_none(sent.get("x-api-key")) or text_or_none(sent.get("api-key")) or ""
    return key_digest(key) if len(key) >= SHORTEST_KEY and not MASKED.search(key) else None


def _status_code(log: Record) -> object:
    """The HTTP status that the log gives the reply; null for a status in words."""
    reply = mapping(log.get("response"))
    body = mapping(reply.get("body"))
    holders = (reply, log) if body or "body" in reply else (log,)
    found = (as_number(holder.get(name)) for holder in holders for name in STATUS)
    return next((code for code in found if isinstance(code, int) and 100 <= code < 600), None)


def _end_time(start: object, log: Record) -> object:
    begun = as_moment(start)
    milliseconds = as_number(first_present(*(log.get(name) for name in MILLISECONDS)))
    if not isinstance(begun, int) or milliseconds is None or isinstance(milliseconds, Flaw):
        return None
    return begun + round(milliseconds * 1_000) if 0 <= milliseconds < LONGEST_MS else None
