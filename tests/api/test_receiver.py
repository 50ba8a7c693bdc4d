"""OTLP in: what is acknowledged, what is refused, and that what was acknowledged is there once."""

import contextlib
import gzip
import json
import socket
import time
from collections.abc import Iterator

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from stillwatch.api.bodies import Refused, unpack
from stillwatch.errors import SourceError
from stillwatch.model.role import Role
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.sources.otlp_requests import Signal, check_json, check_protobuf
from stillwatch.store.spool import Settings as SpoolSettings
from stillwatch.store.workspace import Workspace
from tests.api.served import Served, as_protobuf, serving, settings, spans, wait_until

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}
PACKED = gzip.compress(b"{}", mtime=0)


def stored(workspace: Workspace) -> list[str]:
    """Accounts of all stored records, in order of their ids."""
    files = workspace.lake.snapshot().files(EXCHANGE_RECORDS)
    rows = [row for file in files for row in pq.read_table(file, columns=["account_id"], partitioning=None).to_pylist()]
    return sorted(str(row["account_id"]) for row in rows)


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("form", [JSON, PROTOBUF])
def test_spans_are_stored_once_in_every_form(served: Served, form: dict[str, str], is_packed: bool) -> None:
    document = spans(1, 2, 3)
    body = as_protobuf(document) if form == PROTOBUF else json.dumps(document, indent=1).encode()
    headers = form | ({"content-encoding": "gzip"} if is_packed else {})
    sent = gzip.compress(body) if is_packed else body
    for _ in range(2):
        answer = served[Role.INGEST].post("/v1/traces", content=sent, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == form["content-type"]
        assert answer.content in {b"", b"{}"}
    wait_until(lambda: served.figure('stillwatch_drained_records_total{outcome="duplicates"}') == 3)
    assert stored(served.workspace) == ["acct-1", "acct-2", "acct-3"]


def test_bodies_of_many_senders_share_a_file_without_touching_each_other(served: Served) -> None:
    for number in range(20):
        form, body = (
            (PROTOBUF, as_protobuf(spans(number))) if number % 2 else (JSON, json.dumps(spans(number)).encode())
        )
        assert served[Role.INGEST].post("/v1/traces", content=body, headers=form).status_code == 200
    wait_until(lambda: len(stored(served.workspace)) == 20)
    assert stored(served.workspace) == sorted(f"acct-{number}" for number in range(20))


def test_records_without_a_time_are_named_in_a_partial_success(served: Served) -> None:
    document = spans(1, 2)
    broken = document["resourceSpans"][0]["scopeSpans"][0]["spans"][1]  # type: ignore[index]
    broken["startTimeUnixNano"] = "0"
    as_json = served[Role.INGEST].post("/v1/traces", json=document)
    assert as_json.json()["partialSuccess"]["rejectedSpans"] == "1"
    as_bytes = served[Role.INGEST].post("/v1/traces", content=as_protobuf(document), headers=PROTOBUF)
    answer = ExportTraceServiceResponse.FromString(as_bytes.content)
    assert answer.partial_success.rejected_spans == 1
    assert answer.partial_success.error_message
    wait_until(lambda: stored(served.workspace) == ["acct-1"])


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "text/plain"}, b"{}", 415),
        ({}, b"{}", 415),
        (JSON | {"content-encoding": "br"}, b"{}", 415),
        (JSON | {"content-encoding": "gzip"}, b"not gzip", 400),
        (JSON | {"content-encoding": "gzip"}, PACKED[:-4], 400),
        (JSON | {"content-encoding": "gzip"}, PACKED + b"more", 400),
        (JSON, b"", 400),
        (JSON, b"[]", 400),
        (JSON, b'{"resourceSpans": 3}', 400),
        (JSON, b'{"a":' * 5000, 400),
        (JSON, b"\xff\xfe", 400),
        (PROTOBUF, b"\xff\xff\xff", 400),
        (PROTOBUF, b"\x13\x14", 400),
        (PROTOBUF, b"\x12\x00", 400),
    ],
)
def test_what_is_no_export_request_is_refused_and_not_kept(
    shared: Served, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = shared[Role.INGEST].post("/v1/traces", content=body, headers=headers)
    assert answer.status_code == status
    assert shared.figure("stillwatch_spool_bytes") == 0


def test_a_gzip_bomb_is_refused_before_it_unfolds(shared: Served) -> None:
    bomb = gzip.compress(bytes(40 << 20), compresslevel=9)
    answer = shared[Role.INGEST].post("/v1/traces", content=bomb, headers=JSON | {"content-encoding": "gzip"})
    assert answer.status_code == 413


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(empty: Workspace) -> None:
    with serving(empty, settings(state_url=empty.state_url, max_body_bytes=1024)) as running:
        told = running[Role.INGEST].post("/v1/traces", content=bytes(2000), headers=PROTOBUF)
        streamed = running[Role.INGEST].post("/v1/traces", content=(bytes(100) for _ in range(20)), headers=PROTOBUF)
    assert (told.status_code, streamed.status_code) == (413, 413)


def raw(url: str, *parts: bytes, pause: float = 0.0) -> bytes:
    """What the server answers to bytes as they are, sent in parts; empty when it hung up."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            return connection.recv(1000)
        except (BrokenPipeError, ConnectionResetError):
            return b""


def test_a_client_that_is_slow_with_headers_or_body_is_cut_off(empty: Workspace) -> None:
    with serving(empty, settings(state_url=empty.state_url, request_seconds=0.5)) as running:
        key = running.keys[Role.INGEST].encode()
        began = time.monotonic()
        assert raw(running.url, b"POST /v1/traces HT", *[b"x"] * 8, pause=0.2) == b""
        assert raw(running.url, b"") == b""
        assert time.monotonic() - began < 10
        head = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nx-stillwatch-key: " + key
        head += b"\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"
        assert raw(running.url, head, b"{", pause=0.1).startswith(b"HTTP/1.1 408")
        assert running[None].get("/healthz").status_code == 200


def test_a_full_spool_sends_senders_away_and_takes_them_again_when_it_is_drained(empty: Workspace) -> None:
    tight = SpoolSettings(max_bytes=2000, free_bytes=0, seal_seconds=0.2)
    with serving(empty, settings(state_url=empty.state_url, spool=tight, drain_seconds=0.5)) as running:
        statuses = []
        accepted = set()
        for number in range(40):
            body = as_protobuf(spans(number))
            answer = running[Role.INGEST].post("/v1/traces", content=body, headers=PROTOBUF)
            statuses.append(answer.status_code)
            if answer.status_code == 200:
                accepted.add(f"acct-{number}")
            else:
                assert int(answer.headers["retry-after"]) >= 1
        assert set(statuses) == {200, 429}
        wait_until(lambda: set(stored(empty)) == accepted)

        def is_taken() -> bool:
            body = as_protobuf(spans(99))
            return running[Role.INGEST].post("/v1/traces", content=body, headers=PROTOBUF).status_code == 200

        wait_until(is_taken)


@pytest.fixture
def exporters(served: Served) -> Iterator[tuple[TracerProvider, LoggerProvider]]:
    """The OpenTelemetry SDK with its own OTLP exporters, gzip on, pointed at the server."""
    from opentelemetry.exporter.otlp.proto.http import Compression

    headers = {"authorization": f"Bearer {served.keys[Role.INGEST]}"}
    traces, logs = TracerProvider(), LoggerProvider()
    traces.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{served.url}/v1/traces", headers=headers, compression=Compression.Gzip))
    )
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{served.url}/v1/logs", headers=headers)))
    yield traces, logs
    traces.shutdown()
    logs.shutdown()  # type: ignore[no-untyped-call]


def test_the_genuine_exporter_of_the_opentelemetry_sdk_is_understood(
    served: Served, exporters: tuple[TracerProvider, LoggerProvider]
) -> None:
    traces, logs = exporters
    tracer = traces.get_tracer("tests")
    for number in range(50):
        called = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "user.id": f"acct-{number:02}"}
        with tracer.start_as_current_span("chat m-1", attributes=called):
            pass
    logged = {"gen_ai.request.model": "m-1", "user.id": "acct-log", "gen_ai.operation.name": "chat"}
    logs.get_logger("tests").emit(
        timestamp=time.time_ns(), event_name="gen_ai.client.inference.operation.details", attributes=logged
    )
    assert traces.force_flush()
    assert logs.force_flush()
    wait_until(lambda: len(stored(served.workspace)) == 51)
    assert stored(served.workspace) == sorted([*(f"acct-{number:02}" for number in range(50)), "acct-log"])
    assert served.figure('stillwatch_otlp_records_total{outcome="accepted",signal="traces"}') == 50
    assert served.figure('stillwatch_otlp_records_total{outcome="accepted",signal="logs"}') == 1


def test_two_servers_do_not_share_a_spool(served: Served) -> None:
    from stillwatch.api.app import create_app
    from stillwatch.errors import EnvironmentFault

    with pytest.raises(EnvironmentFault, match="another server"):
        create_app(served.workspace, settings(state_url=served.workspace.state_url))


def test_ingest_by_hand_makes_the_drain_wait_and_loses_nothing(served: Served) -> None:
    with served.workspace.lake.write():
        assert served[Role.INGEST].post("/v1/traces", json=spans(5)).status_code == 200
        wait_until(lambda: served.figure("stillwatch_drain_faults_total") > 0)
    wait_until(lambda: stored(served.workspace) == ["acct-5"])


@given(st.binary(max_size=400))
def test_any_bytes_are_a_request_or_a_source_error(body: bytes) -> None:
    for check in (check_protobuf, check_json):
        for signal in Signal:
            with contextlib.suppress(SourceError):
                found = check(body, signal)
                assert 0 <= found.n_refused <= found.n_records


@given(st.binary(max_size=3000), st.integers(0, 4000))
def test_unpacking_gives_the_bytes_back_or_refuses_them_for_their_size(body: bytes, most: int) -> None:
    packed = gzip.compress(body)
    if len(body) <= most:
        assert unpack(packed, most) == body
    else:
        with pytest.raises(Refused) as refused:
            unpack(packed, most)
        assert refused.value.status == 413


def test_the_body_of_a_refused_request_is_in_no_answer(shared: Served) -> None:
    secret = b'{"resourceSpans": "my prompt"}'
    answer = shared[Role.INGEST].post("/v1/traces", content=secret, headers=JSON)
    assert answer.status_code == 400
    assert b"my prompt" not in answer.content


def test_a_span_of_another_sender_cannot_be_hidden_behind_a_damaged_one(served: Served) -> None:
    poisoned = as_protobuf(spans(1)) + b"\x13"
    assert served[Role.INGEST].post("/v1/traces", content=poisoned, headers=PROTOBUF).status_code == 400
    assert served[Role.INGEST].post("/v1/traces", content=as_protobuf(spans(2)), headers=PROTOBUF).status_code == 200
    wait_until(lambda: stored(served.workspace) == ["acct-2"])


def test_settings_survive_the_way_to_the_drain_process() -> None:
    from stillwatch.config import Config

    config = settings()
    assert msgspec.json.decode(msgspec.json.encode(config), type=Config) == config
