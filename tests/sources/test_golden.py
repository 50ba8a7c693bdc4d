"""Every format: hand-written sample in, expected rows and rejects out."""

import json
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stillwatch.sources import source
from tests.sources.golden import FIXTURES, FOLDER, plain, rejects_of, rows_of
from tests.sources.parsing import parse_bytes, rows
from tests.sources.protobuf import message_of

IDS = [f"{folder}{sample.suffix}" for folder, sample in FIXTURES]


def golden(folder: str, kind: str, sample: Path) -> object:
    return json.loads((FOLDER / folder / f"{kind}{sample.suffix}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("folder", "sample"), FIXTURES, ids=IDS)
def test_a_sample_gives_its_expected_rows(folder: str, sample: Path) -> None:
    assert rows_of(folder, sample) == golden(folder, "expected", sample)


@pytest.mark.parametrize(("folder", "sample"), FIXTURES, ids=IDS)
def test_a_sample_gives_its_expected_rejects(folder: str, sample: Path) -> None:
    assert rejects_of(folder, sample) == golden(folder, "rejected", sample)


@pytest.mark.parametrize(
    ("key", "request_type"), [("resourceSpans", ExportTraceServiceRequest), ("resourceLogs", ExportLogsServiceRequest)]
)
def test_protobuf_and_json_of_the_same_telemetry_give_the_same_rows(key: str, request_type: type) -> None:
    document = {key: json.loads((FOLDER / "otlp" / "sample.json").read_text())[key]}
    as_protobuf = message_of(document, request_type)
    from_protobuf = rows(parse_bytes(source("otlp"), as_protobuf, "sample.pb"))
    from_json = rows(parse_bytes(source("otlp"), json.dumps(document).encode(), "sample.json"))
    assert [plain(row) for row in from_protobuf] == [plain(row) for row in from_json]
    assert from_json


def test_one_export_request_a_line_gives_the_rows_of_all_of_them() -> None:
    document = json.loads((FOLDER / "otlp" / "sample.json").read_text())
    lines = b"\n".join(json.dumps({key: value}).encode() for key, value in document.items())
    assert len(rows(parse_bytes(source("otlp"), lines, "x.jsonl"))) == 5


def test_a_json_array_of_payloads_gives_the_same_rows_as_lines() -> None:
    sample = FOLDER / "litellm" / "sample.jsonl"
    lines = sample.read_text().splitlines()
    array = ("[\n" + ",\n".join(lines) + "\n]").encode()
    assert rows(parse_bytes(source("litellm"), array, "x.json")) == rows(
        parse_bytes(source("litellm"), sample.read_bytes(), "x.jsonl")
    )


def test_a_file_that_is_one_object_over_many_lines_gives_one_row() -> None:
    payload = json.loads((FOLDER / "litellm" / "sample.jsonl").read_text().splitlines()[0])
    assert len(rows(parse_bytes(source("litellm"), json.dumps(payload, indent=2).encode(), "x.json"))) == 1


def test_a_call_reported_by_sdk_and_instrumentor_and_event_has_one_call_id() -> None:
    call_ids = [row["call_id"] for row in rows_of("otlp", FOLDER / "otlp" / "sample.json")]
    assert call_ids.count("msg_1") == 3


def test_input_tokens_of_the_same_reply_are_equal_in_every_source() -> None:
    counts = {folder: rows_of(folder, sample)[0]["input_tokens"] for folder, sample in FIXTURES}
    assert set(counts.values()) == {44}
