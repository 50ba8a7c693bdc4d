"""Real captured telemetry: everything is accounted for, and no secret or raw identity is left behind."""

import re
from pathlib import Path

import pytest
from tests.ingest.conftest import House

from stillwatch import sources
from stillwatch.ingest import Settings

SAMPLES = {
    "litellm": ["litellm/litellm_standard_logging_payload.jsonl"],
    "envoy": ["envoy/envoy_access_log.jsonl"],
    "otlp": [
        "otel/otel_genai_logs.otlp.json", "otel/otel_genai_logs.pb", "otel/otel_genai_nocontent_spans.otlp.json",
        "otel/otel_genai_nocontent_spans.pb", "otel/otel_genai_spans.otlp.json", "otel/otel_genai_spans.pb",
        "otel/otel_openinference_spans.otlp.json", "otel/otel_openinference_spans.pb",
        "otel/otel_traceloop_spans.otlp.json", "otel/otel_traceloop_spans.pb",
        "langfuse/sink_api_public_otel_v1_traces_1795418103039466221.pb",
    ],
}  # fmt: skip
EVERY = [(source, file) for source, files in SAMPLES.items() for file in files]

PLANTED = re.compile(
    rb"Bearer [A-Za-z0-9._\-]{3,}|\bsk-[A-Za-z0-9_\-]+|[A-Za-z0-9._+\-]+@[A-Za-z0-9.\-]+\.[a-z]+"
    rb"|\b(?:203\.0\.113|198\.51\.100|192\.0\.2)\.\d{1,3}\b"
)
"""Bearer tokens, keys, e-mail addresses and client addresses (documentation ranges) as the samples hold them."""


@pytest.mark.parametrize(("source", "file"), EVERY)
def test_every_sample_is_accounted_for_and_ingested_once(house: House, shared_data: Path, source, file):
    path = shared_data / "telemetry-samples" / file
    (report,) = house.ingest(path, source=sources.source(source))
    assert report.rows_out > 0
    assert report.rejected == 0
    assert report.records_in == report.rows_out + report.duplicates
    (again,) = house.ingest(path, source=sources.source(source))
    assert (again.rows_out, again.records_in) == (0, report.records_in)


@pytest.mark.parametrize("keep_contents", [False, True])
def test_no_secret_or_raw_identity_of_the_samples_is_left(house: House, shared_data: Path, caplog, keep_contents):
    """Every file goes through every source, also those that it is not meant for."""
    caplog.set_level("DEBUG")
    folder = shared_data / "telemetry-samples"
    files = sorted(file for file in folder.rglob("*") if file.is_file() and "regenerate" not in file.parts)
    planted = {found.split(b" ")[-1] for file in files for found in PLANTED.findall(file.read_bytes())}
    assert len(planted) > 8
    for name in ("canonical", "litellm", "envoy", "otlp"):
        for report in house.ingest(*files, source=sources.source(name), settings=Settings(keep_contents=keep_contents)):
            assert report.records_in == report.rows_out + report.duplicates + report.rejected
    workspace = Path(house.lake.root).parent
    held = b"".join(file.read_bytes() for file in workspace.rglob("*") if file.is_file()) + caplog.text.encode()
    held += repr(house.every_row()).encode()
    assert sorted(value for value in planted if value in held) == []
