"""One call of which a guardrail, a proxy's log and a client's tracing each tell by another name."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from stillwatch.model.tables import ACCOUNT_DAYS, EXCHANGE_RECORDS, PROMPT_SKETCHES, TOKEN_USES
from stillwatch.pipeline.lifecycle import Custodian
from stillwatch.python_api import Stillwatch
from tests.lifecycle.world import CLOCK, made, opened, refresh, rows_of, where

GUARDRAIL_MAPPING = Path(__file__).parents[1] / "sources" / "mapped" / "guardrail.toml"
AT = 1_776_844_800  # 2026-04-22T08:00:00Z
ACCOUNT = "user-41"


def guardrail(folder: Path) -> Path:
    path = folder / f"hook_{AT}000000000.json"
    body = {
        "litellm_call_id": "call-1", "input_type": "request", "model": "m-large", "texts": ["What sinks a buoy?"],
        "structured_messages": [{"role": "user", "content": "What sinks a buoy?"}],
        "request_data": {"user_api_key_user_id": ACCOUNT, "user_api_key_hash": "aa11"},
    }  # fmt: skip
    path.write_text(json.dumps(body))
    return path


def payload(folder: Path) -> Path:
    path = folder / "payload.jsonl"
    record = {
        "id": "resp-1", "litellm_call_id": "call-1", "trace_id": "trace-9", "call_type": "acompletion",
        "status": "success", "startTime": AT + 0.2, "endTime": AT + 1.2, "model": "m-large", "prompt_tokens": 44,
        "completion_tokens": 12, "requester_ip_address": "203.0.113.8",
        "metadata": {"user_api_key_user_id": ACCOUNT, "user_api_key_hash": "aa11"},
    }  # fmt: skip
    path.write_text(json.dumps(record))
    return path


def span(folder: Path) -> Path:
    path = folder / "spans.json"
    words = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-large", "gen_ai.response.id": "resp-1"}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in words.items()]
    told = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "chat",
            "startTimeUnixNano": f"{AT}100000000", "attributes": attributes}  # fmt: skip
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [told]}]}]}))
    return path


REPORTERS: dict[str, Any] = {
    "mapped": (guardrail, GUARDRAIL_MAPPING), "litellm": (payload, None), "otlp": (span, None),
}  # fmt: skip


def told_by(watch: Stillwatch, folder: Path, *names: str) -> None:
    for name in names:
        write, mapping = REPORTERS[name]
        (report,) = watch.ingest([write(folder)], source=name, mapping=mapping)
        assert (report.rows_out, report.rejected) == (1, 0), name
        refresh(watch)


@pytest.mark.parametrize("order", list(itertools.permutations(REPORTERS))[::2], ids=" ".join)
def test_three_reports_of_a_call_count_once_whichever_comes_first(tmp_path: Path, order: tuple[str, ...]) -> None:
    folder = made(tmp_path / "kept", ())
    with opened(folder) as watch:
        told_by(watch, folder, *order)
        (day,) = rows_of(watch, ACCOUNT_DAYS)
        assert (day["account_id"], day["n"], day["input_tokens"]) == (ACCOUNT, 1, 44)
        kinds = {row["token_kind"]: row["n"] for row in rows_of(watch, TOKEN_USES)}
        assert kinds.items() >= {"skeleton": 1, "address": 1}.items()


def test_the_guardrail_and_the_tracing_alone_are_two_until_the_proxy_tells(tmp_path: Path) -> None:
    """Neither knows the other's name of the call; only the guardrail knows the account."""
    folder = made(tmp_path / "kept", ())
    with opened(folder) as watch:
        told_by(watch, folder, "mapped", "otlp")
        assert len({row["exchange_key"] for row in rows_of(watch, EXCHANGE_RECORDS)}) == 2
        told_by(watch, folder, "litellm")
        (day,) = rows_of(watch, ACCOUNT_DAYS)
        assert day["n"] == 1


def test_erasing_the_account_takes_every_report_of_its_calls(tmp_path: Path) -> None:
    """The tracing names no account: it is found through the proxy's log."""
    folder = made(tmp_path / "kept", ())
    with opened(folder) as watch:
        told_by(watch, folder, *REPORTERS)
        Custodian(watch.workspace, watch.config, clock=lambda: CLOCK).erase(ACCOUNT, actor="ana", reason="request 9")
        assert rows_of(watch, EXCHANGE_RECORDS) == rows_of(watch, PROMPT_SKETCHES) == []
    assert where(folder / "workspace", b"resp-1") == []


def test_after_a_rotation_the_reports_are_still_one_call(tmp_path: Path) -> None:
    folder = made(tmp_path / "kept", ())
    with opened(folder) as watch:
        told_by(watch, folder, "mapped", "litellm")
        Custodian(watch.workspace, watch.config, clock=lambda: CLOCK).rotate(actor="ana", reason="yearly")
    with opened(folder) as watch:
        told_by(watch, folder, "otlp")
        (day,) = rows_of(watch, ACCOUNT_DAYS)
        assert day["n"] == 1
