"""Records captured from real gateways and instrumentations give their golden rows.

The golden file holds derived facts only: ids, counts, names of tools, and the length and digest of each text.
"""

import hashlib
import json
from pathlib import Path

import pytest

from stillwatch.sources import Source, mapped, source
from tests.sources.golden import FOLDER

GOLDEN = FOLDER / "shared_samples.json"
TEXTS = ("prompt", "system_instructions", "tool_definitions", "output")
FACTS = (
    "source_record_id", "call_id", "account_id", "org_id", "end_user_id", "conversation_id", "operation_name",
    "provider_name", "request_model", "response_model", "status", "http_status_code", "error_type", "input_tokens",
    "output_tokens", "reasoning_output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
    "request_max_tokens", "request_temperature", "finish_reasons", "tool_definition_names", "tool_call_names",
    "client_address", "tls_client_ja4", "content_capture",
)  # fmt: skip
READ_BY = (
    ("litellm/*.jsonl", "litellm"),
    ("otel/*.pb", "otlp"),
    ("otel/*.json", "otlp"),
    ("langfuse/*.pb", "otlp"),
    ("envoy/envoy_access_log.jsonl", "envoy"),
    ("envoy/envoy_ext_authz_http_checks.jsonl", "ext_authz.toml"),
    ("litellm_guardrail/*[0-9].json", "guardrail.toml"),
)
"""Which source reads which file. `*.hdr.json` hold the headers of the capture, and are no telemetry."""
NOT_TELEMETRY = ("*.hdr.json", "README.md", "regenerate/*", "regenerate/*/*")


@pytest.fixture(scope="session")
def samples(shared_data: Path) -> Path:
    return shared_data / "telemetry-samples"


def reader(name: str) -> Source:
    return mapped.load(FOLDER / "mapped" / name) if name.endswith(".toml") else source(name)


def facts(row: dict[str, object]) -> dict[str, object]:
    kept = {name: row[name] for name in FACTS if row[name] is not None}
    kept["start_time"] = str(row["start_time"])
    for name in TEXTS:
        text = row[name]
        if isinstance(text, str):
            kept[name] = [len(text), hashlib.blake2b(text.encode(), digest_size=8).hexdigest()]
    return kept


def read_all(samples: Path) -> dict[str, list[dict[str, object]]]:
    found = {}
    for pattern, name in READ_BY:
        for path in sorted(samples.glob(pattern)):
            with path.open("rb") as stream:
                chunks = list(reader(name).parse(stream, uri=path.name))
            assert not [reject for chunk in chunks for reject in chunk.rejects]
            rows = [facts(row) for chunk in chunks for row in chunk.rows.to_pylist()]
            found[path.relative_to(samples).as_posix()] = rows
    return found


def test_every_captured_file_gives_its_golden_rows(samples: Path) -> None:
    read = {name: rows for name, rows in read_all(samples).items() if not name.endswith(".otlp.json")}
    assert read == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_every_captured_file_is_read_by_a_source_or_is_no_telemetry(samples: Path) -> None:
    files = {path for path in samples.rglob("*") if path.is_file()}
    read = {path for pattern, _ in READ_BY for path in samples.glob(pattern)}
    left_out = {path for pattern in NOT_TELEMETRY for path in samples.rglob(pattern)}
    assert files - read - left_out == set()


def test_protobuf_and_json_captures_of_one_run_give_equal_rows(samples: Path) -> None:
    read = read_all(samples)
    pairs = [(name, name.replace(".pb", ".otlp.json")) for name in read if name.startswith("otel/") and ".pb" in name]
    assert len(pairs) == 5
    for as_protobuf, as_json in pairs:
        assert read[as_protobuf] == read[as_json]


def test_the_captured_anthropic_reply_counts_44_input_tokens_everywhere(samples: Path) -> None:
    rows = [row for rows in read_all(samples).values() for row in rows]
    counts = {row["input_tokens"] for row in rows if str(row["call_id"]).startswith("msg_")}
    assert counts == {44}


def test_a_call_that_the_sdk_and_the_instrumentor_both_report_has_one_call_id(samples: Path) -> None:
    rows = read_all(samples)["otel/otel_genai_spans.pb"]
    assert len(rows) == 7
    assert len({row["call_id"] for row in rows}) == 5


def test_a_log_event_joins_the_span_of_its_call(samples: Path) -> None:
    read = read_all(samples)
    spans = {row["call_id"] for row in read["otel/otel_genai_spans.pb"]}
    assert {row["call_id"] for row in read["otel/otel_genai_logs.pb"]} == spans


def test_no_bearer_token_or_mail_address_of_the_captures_survives(samples: Path) -> None:
    for pattern, name in READ_BY:
        for path in sorted(samples.glob(pattern)):
            with path.open("rb") as stream:
                chunks = list(reader(name).parse(stream, uri=path.name))
            kept = repr([(chunk.rows.to_pylist(), chunk.rejects, chunk.field_counts) for chunk in chunks])
            assert not [secret for secret in ("Bearer", "@example.test", "sk-user") if secret in kept], path.name
