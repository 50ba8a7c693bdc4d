"""Logged pairs of request and reply: identities, streams, and what must not pass."""

import json

import pytest

from stillwatch.sources import source
from stillwatch.sources.anthropic_messages import whole_message
from stillwatch.sources.openai_streams import whole_reply
from stillwatch.sources.pairs import events_of
from stillwatch.sources.settings import PairSettings, Settings
from tests.sources.golden import FOLDER, rows_of
from tests.sources.parsing import parse_bytes, reasons, rows

AT = "2026-04-22T08:00:00Z"
CHUNK = {"id": "c-1", "object": "chat.completion.chunk", "created": 1_776_844_800, "model": "m"}


def line(request: object, response: object, **log: object) -> bytes:
    return json.dumps({"timestamp": AT, "request": request, "response": response, **log}).encode()


def row_of(name: str, raw: bytes, settings: Settings | None = None) -> dict[str, object]:
    chunks = parse_bytes(source(name, settings), raw, "x.jsonl")
    assert not reasons(chunks)
    return rows(chunks)[0]


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_streamed_call_says_what_the_same_call_in_one_piece_says(name: str) -> None:
    found = rows_of(name, FOLDER / name / "sample.jsonl")
    streamed = next(row for row in found if row.get("request_stream") and row["status"] == "ok")
    same = ("output", "input_tokens", "output_tokens", "reasoning_output_tokens", "cache_read_input_tokens")
    assert [streamed[column] for column in same] == [found[0][column] for column in same]


def test_cached_input_of_the_anthropic_api_is_added_and_that_of_openai_is_not() -> None:
    anthropic = {"input_tokens": 31, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 8}
    openai = {"prompt_tokens": 44, "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 5}}
    assert row_of("anthropic", line({}, {"id": "msg_1", "usage": anthropic}))["input_tokens"] == 44
    assert row_of("openai", line({}, {"id": "c-1", "usage": openai}))["input_tokens"] == 44


def test_a_key_passes_as_its_digest_only_and_a_masked_key_not_at_all() -> None:
    whole = {"headers": {"Authorization": "Bearer sk-not-a-real-key-0001"}, "body": {"model": "m"}}
    named = row_of("openai", line(whole, {"id": "c-1"}))["api_key_id"]
    assert isinstance(named, str)
    assert (len(named), "sk-" in named) == (64, False)
    for masked in ("Bearer sk-not-a-r***", "Bearer [REDACTED]", "<redacted>", "Bearer sk-...0001", "Bearer x"):
        request = {"headers": {"authorization": masked}, "body": {}}
        assert row_of("openai", line(request, {"id": "c-1"}))["api_key_id"] is None


def test_callers_with_one_masked_key_are_not_one_account() -> None:
    request = {"headers": {"x-api-key": "sk-ant-*****"}, "body": {}}
    assert row_of("anthropic", line(request, {"id": "msg_1"}, account_id="acct-7"))["account_id"] == "acct-7"
    assert row_of("anthropic", line(request, {"id": "msg_1"}))["api_key_id"] is None


def test_a_stream_that_the_client_left_is_cancelled_and_keeps_its_text() -> None:
    events = [{**CHUNK, "choices": [{"index": 0, "delta": {"content": text}}]} for text in ("The ", "left")]
    row = row_of("openai", line({"stream": True}, events))
    assert (row["status"], row["output"], row["output_tokens"]) == ("cancelled", "The left", None)


def test_text_after_the_last_whole_event_of_a_stream_is_lost_and_nothing_else() -> None:
    text = 'data: {"type":"a"}\n\nevent: b\r\ndata: {"type":"b"}\r\n\r\n: comment\n\ndata: {"type":"c'
    assert [event["type"] for event in events_of(text)] == ["a", "b"]


def test_an_event_that_spans_several_data_lines_is_one_event() -> None:
    assert events_of('data: {"type":\ndata: "a"}\n\n') == ({"type": "a"},)


def test_choices_of_a_stream_are_kept_apart() -> None:
    pieces = [(0, "left"), (1, "right"), (0, " one"), (1, " one")]
    events = [{**CHUNK, "choices": [{"index": at, "delta": {"content": text}}]} for at, text in pieces]
    reply, is_ended = whole_reply(events)
    choices = reply["choices"]
    assert isinstance(choices, list)
    assert [choice["message"]["content"] for choice in choices] == ["left one", "right one"]
    assert not is_ended


def test_reasoning_of_a_stream_is_not_output() -> None:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hidden"}}
    message, _ = whole_message([delta, {"type": "message_stop"}])
    assert "hidden" not in repr(message)


def test_the_account_header_and_the_trusted_proxy_are_settings() -> None:
    settings = Settings(
        openai=PairSettings(account_fields=("headers.x-tenant",), trusted_hops=1, provider_name="house")
    )
    headers = {"X-Tenant": "t-1", "X-Forwarded-For": "203.0.113.66, 198.51.100.4"}
    row = row_of("openai", line({"headers": headers, "body": {}}, {"id": "c-1"}, account_id="x"), settings)
    assert (row["account_id"], row["client_address"], row["provider_name"]) == ("t-1", "198.51.100.4", "house")


def test_an_account_field_of_the_body_is_not_taken_for_the_account() -> None:
    row = row_of("openai", line({"model": "m", "user": "u-1", "account_id": "forged"}, {"id": "c-1"}))
    assert (row["account_id"], row["end_user_id"]) == (None, "u-1")


def test_a_record_without_any_id_is_named_by_its_content() -> None:
    first, again, other = (row_of("anthropic", line({"model": model}, {})) for model in ("m", "m", "n"))
    assert first["source_record_id"] == again["source_record_id"] != other["source_record_id"]
