"""Simulated exchanges as they come in live: as spans of an export request, or as calls to a model."""

import json
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

SPANS_A_REQUEST: Final = 500
NAMES: Final = {
    "account_id": "user.id", "conversation_id": "gen_ai.conversation.id", "operation_name": "gen_ai.operation.name",
    "provider_name": "gen_ai.provider.name", "request_model": "gen_ai.request.model", "error_type": "error.type",
    "client_address": "client.address", "user_agent_original": "user_agent.original",
    "tls_client_ja4": "tls.client.ja4", "tool_definitions": "gen_ai.tool.definitions",
}  # fmt: skip
COUNTS: Final = {"input_tokens": "gen_ai.usage.input_tokens", "output_tokens": "gen_ai.usage.output_tokens"}

Exchange = dict[str, Any]


def between(exchanges: pa.Table, since: datetime, until: datetime) -> pa.Table:
    """What started from `since` on and before `until`, in that order."""
    when = exchanges["start_time"]
    span = pc.and_(pc.greater_equal(when, pa.scalar(since, when.type)), pc.less(when, pa.scalar(until, when.type)))
    return exchanges.filter(span).sort_by("start_time")


def of_accounts(exchanges: pa.Table, accounts: Collection[str], *, wanted: bool = True) -> pa.Table:
    """What the accounts sent, or with `wanted` false what all others did."""
    sent = pc.is_in(exchanges["account_id"], value_set=pa.array(sorted(accounts), pa.string()))
    return exchanges.filter(sent if wanted else pc.invert(sent))


def first_of_each(exchanges: pa.Table, n: int = 1) -> list[Exchange]:
    """The first `n` exchanges of every account, in order of time; nulls are left out."""
    seen: dict[str, int] = {}
    first = []
    for row in exchanges.sort_by("start_time").to_pylist():
        seen[row["account_id"]] = seen.get(row["account_id"], 0) + 1
        if seen[row["account_id"]] <= n:
            first.append({name: value for name, value in row.items() if value is not None})
    return first


def export_requests(exchanges: pa.Table) -> Iterator[dict[str, Any]]:
    """The exchanges as export requests in OTLP/JSON."""
    for start in range(0, exchanges.num_rows, SPANS_A_REQUEST):
        spans = [_span(row) for row in exchanges.slice(start, SPANS_A_REQUEST).to_pylist()]
        yield {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "replay"}, "spans": spans}]}]}


def chat_call(row: Exchange, model: str) -> dict[str, Any]:
    """An exchange as a call of the Chat Completions API."""
    messages = [{"role": "user", "content": row.get("prompt") or "go on"}]
    if row.get("system_instructions"):
        messages.insert(0, {"role": "system", "content": row["system_instructions"]})
    tools = {"tools": json.loads(row["tool_definitions"])} if row.get("tool_definitions") else {}
    return {"model": model, "messages": messages, **tools}


def _span(row: Exchange) -> dict[str, Any]:
    said: dict[str, str] = {NAMES[name]: row[name] for name in NAMES if row[name] is not None}
    if row["prompt"] is not None:
        part = [{"role": "user", "parts": [{"type": "text", "content": row["prompt"]}]}]
        said["gen_ai.input.messages"] = json.dumps(part)
    if row["system_instructions"] is not None:
        said["gen_ai.system_instructions"] = json.dumps([{"type": "text", "content": row["system_instructions"]}])
    attributes: list[dict[str, Any]] = [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]
    attributes += [{"key": key, "value": {"intValue": str(row[name])}} for name, key in COUNTS.items()]
    record = str(row["source_record_id"]).removeprefix("r_")
    return {
        "traceId": record.rjust(32, "1"), "spanId": record[-16:], "name": "chat", "attributes": attributes,
        "startTimeUnixNano": _nanoseconds(row["start_time"]), "endTimeUnixNano": _nanoseconds(row["end_time"]),
    }  # fmt: skip


def _nanoseconds(at: datetime) -> str:
    return str(round(at.timestamp() * 1e6) * 1000)
