"""Envoy: JSON access logs, with the token counts that Envoy AI Gateway adds."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from stillwatch.sources.base import Parsed, with_compressed
from stillwatch.sources.chunks import parse_objects
from stillwatch.sources.coercion import Flaw, as_moment, as_number, canonical_json
from stillwatch.sources.digests import raw_digest
from stillwatch.sources.documents import read_documents
from stillwatch.sources.jsonlines import decode_object
from stillwatch.sources.records import Record, Row, allowed_attributes, first_present, forwarded_address, text_or_none
from stillwatch.sources.settings import EnvoySettings
from stillwatch.sources.streams import SteadyStream

REQUIRED = ("source_record_id", "start_time")
OPERATIONS = (
    ("/chat/completions", "chat"),
    ("/messages", "chat"),
    ("/responses", "chat"),
    (":generateContent", "generate_content"),
    ("/converse", "chat"),
    ("/embeddings", "embeddings"),
    ("/completions", "text_completion"),
)
"""End of the path -> OpenTelemetry's operation name; the first that fits."""
BLOCK_FLAGS = frozenset({"UAEX"})
"""Response flag of a request that external authorisation refused."""
LONGEST_MS = 7 * 86_400_000
"""A duration beyond a week is no request."""
CANCEL_FLAGS = frozenset({"DC", "DR"})
"""Response flags of a client that went away before the answer was complete."""
ALLOWED = ("response_flags", "response_code_details", "method", "tls.protocol.version", "stillwatch.decision",
           "stillwatch.bypass", "stillwatch.risk", "upstream_cluster", "route_name")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Envoy:
    """Reads one JSON object a request. The client is the peer address unless `trusted_hops` says otherwise."""

    settings: EnvoySettings = field(default_factory=EnvoySettings)
    name: str = "envoy"
    version: str = "1.40"
    suffixes: tuple[str, ...] = with_compressed(".jsonl", ".ndjson", ".log", ".json")
    seek_suffixes: tuple[str, ...] = ()
    identity_order: tuple[str, ...] = ("account_id", "org_id", "api_key_id", "end_user_id")

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:  # noqa: ARG002  # part of the seam
        """Yield one row a logged request, in file order."""
        yield from parse_objects(read_documents(SteadyStream(stream)), decode_object, self._row, required=REQUIRED)

    def _row(self, logged: Record) -> Row:
        entry = {name: value for name, value in logged.items() if value != "-"}  # Envoy's sign for nothing
        hops = self.settings.trusted_hops
        peer = address_without_port(entry.get("downstream_remote_address"))
        return {
            "source_record_id": entry.get("x-request-id") or raw_digest(canonical_json(entry).encode()),
            "call_id": first_present(*(entry.get(name) for name in self.settings.call_id_fields)),
            "account_id": first_present(*(entry.get(name) for name in self.settings.account_fields)),
            "conversation_id": entry.get("session.id"),
            "start_time": entry.get("start_time"),
            "end_time": _end_time(entry),
            "operation_name": first_present(entry.get("gen_ai.operation.name"), _operation(entry)),
            "provider_name": entry.get("gen_ai.provider.name"),
            "request_model": entry.get("gen_ai.request.model"),
            "response_model": entry.get("gen_ai.response.model"),
            "response_id": entry.get("gen_ai.response.id"),
            "status": _status(entry),
            "http_status_code": _status_code(entry),
            "error_type": _error_type(entry),
            "input_tokens": entry.get("gen_ai.usage.input_tokens"),
            "output_tokens": entry.get("gen_ai.usage.output_tokens"),
            "reasoning_output_tokens": entry.get("gen_ai.usage.reasoning_tokens"),
            "client_address": forwarded_address(entry.get("x-forwarded-for"), hops) if hops else peer,
            "user_agent_original": entry.get("user-agent"),
            "tls_client_ja3": entry.get("tls.client.ja3"),
            "tls_client_ja4": entry.get("tls.client.ja4"),
            "server_address": first_present(entry.get("server.address"), entry.get(":authority")),
            "attributes": allowed_attributes({name: entry.get(name) for name in ALLOWED}),
        }


SOURCE = Envoy()


def address_without_port(address: object) -> object:
    """`192.0.2.1:443` -> `192.0.2.1`, `[2001:db8::1]:443` -> `2001:db8::1`; an address without port as it is."""
    text = text_or_none(address)
    if text is None:
        return address
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _operation(entry: Record) -> str | None:
    path = str(first_present(entry.get("request.path"), entry.get("path"), "")).partition("?")[0]
    return next((operation for end, operation in OPERATIONS if path.endswith(end)), None)


def _status_code(entry: Record) -> object:
    """The response code; 0, which Envoy writes when there was no response, is null."""
    return entry.get("response_code") or None


def _flags(entry: Record) -> set[str]:
    return set(str(entry.get("response_flags", "")).split(","))


def _status(entry: Record) -> str | None:
    """`blocked` by external authorisation or RBAC, `cancelled` by the client; null leaves it to the status code."""
    details = str(entry.get("response_code_details", ""))
    if _flags(entry) & BLOCK_FLAGS or details.startswith(("ext_authz_denied", "rbac_access_denied")):
        return "blocked"
    if _flags(entry) & CANCEL_FLAGS:
        return "cancelled"
    code = as_number(entry.get("response_code"))
    return "error" if isinstance(code, int) and (code == 0 or code >= 400) else "ok"


def _error_type(entry: Record) -> object:
    return None if _status(entry) == "ok" else entry.get("response_code_details")


def _end_time(entry: Record) -> object:
    start, milliseconds = as_moment(entry.get("start_time")), as_number(entry.get("duration"))
    if not isinstance(start, int) or milliseconds is None or isinstance(milliseconds, Flaw):
        return None
    return start + round(milliseconds * 1_000) if 0 <= milliseconds < LONGEST_MS else None
