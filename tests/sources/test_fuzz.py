"""Hostile files: no source raises anything but SourceError, and every record is accounted for."""

import contextlib
import io
import json
import re
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stillwatch.errors import ConfigError, SourceError, UsageError
from stillwatch.sources import Parsed, Source, mapped, source
from stillwatch.sources.inference import infer_mapping
from tests.sources.golden import FIXTURES, FOLDER, source_of
from tests.sources.parsing import parse_bytes
from tests.sources.protobuf import message_of

QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
IDS = [f"{folder}{sample.suffix}" for folder, sample in FIXTURES]
LINES = [item for item in FIXTURES if item[1].suffix == ".jsonl"]
JUNK = st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b""))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def check(format_source: Source, data: bytes, uri: str) -> list[Parsed]:
    """Chunks of hostile bytes, each sound; none where the file as a whole is refused."""
    try:
        chunks = parse_bytes(format_source, data, uri)
    except SourceError:
        return []
    for chunk in chunks:
        chunk.rows.validate(full=True)
        assert chunk.n_records == chunk.rows.num_rows + len(chunk.rejects)
        assert all(reject.reason and reject.detail for reject in chunk.rejects)
    return chunks


@pytest.mark.parametrize(("folder", "sample"), FIXTURES, ids=IDS)
@QUICK
@given(data=st.data())
def test_a_mutilated_sample_never_crashes(folder: str, sample: Path, data: st.DataObject) -> None:
    raw = bytearray(sample.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.sampled_from([0, 1, 7, 300]))
        raw[at : at + cut] = data.draw(st.binary(max_size=6))
    check(source_of(folder), bytes(raw), sample.name)


@pytest.mark.parametrize(("folder", "sample"), FIXTURES, ids=IDS)
@QUICK
@given(raw=st.binary(max_size=300))
def test_noise_never_crashes(folder: str, sample: Path, raw: bytes) -> None:
    check(source_of(folder), raw, sample.name)


@pytest.mark.parametrize(("folder", "sample"), LINES, ids=[folder for folder, _ in LINES])
@QUICK
@given(junk=st.lists(JUNK, max_size=4), data=st.data())
def test_damaged_lines_cost_only_themselves(folder: str, sample: Path, junk: list[bytes], data: st.DataObject) -> None:
    good = sample.read_bytes().splitlines()[0]
    lines = data.draw(st.permutations([good, good.replace(b"1", b"2"), good[: len(good) // 2], *junk]))
    chunks = check(source_of(folder), b"\n".join(lines), sample.name)
    bom = b"\xef\xbb\xbf"
    n_lines = sum(1 for i, line in enumerate(lines) if (line.removeprefix(bom) if i == 0 else line).strip())
    assert sum(chunk.n_records for chunk in chunks) == n_lines
    assert sum(chunk.rows.num_rows for chunk in chunks) >= 2


@pytest.mark.parametrize(("folder", "sample"), LINES, ids=[folder for folder, _ in LINES])
@QUICK
@given(data=st.data(), value=VALUES)
def test_a_value_of_any_type_is_read_or_rejects_its_own_record(
    folder: str, sample: Path, data: st.DataObject, value: object
) -> None:
    line = sample.read_text(encoding="utf-8").splitlines()[0]
    record = json.loads(line)
    holder = record
    while True:
        key = data.draw(st.sampled_from(sorted(holder)))
        if not isinstance(holder[key], dict) or not holder[key] or data.draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = value
    text = json.dumps(record)
    chunks = check(source_of(folder), f"{line}\n{text}\n".encode("utf-8", "surrogatepass"), sample.name)
    assert sum(chunk.n_records for chunk in chunks) == 2


@pytest.mark.parametrize(
    ("key", "request_type"), [("resourceSpans", ExportTraceServiceRequest), ("resourceLogs", ExportLogsServiceRequest)]
)
@QUICK
@given(data=st.data())
def test_mutilated_protobuf_never_crashes(key: str, request_type: type, data: st.DataObject) -> None:
    document = {key: json.loads((FOLDER / "otlp" / "sample.json").read_text())[key]}
    raw = bytearray(message_of(document, request_type))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.sampled_from([0, 1, 50, 1000]))] = data.draw(st.binary(max_size=3))
    check(source("otlp"), bytes(raw), "x.pb")


@QUICK
@given(data=st.data())
def test_mutilated_parquet_never_crashes(data: st.DataObject) -> None:
    held = io.BytesIO()
    pq.write_table(parquet_rows(50), held, row_group_size=10)
    raw = bytearray(held.getvalue())
    at = data.draw(st.integers(4, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    check(source("canonical"), bytes(raw), "x.parquet")


def parquet_rows(n: int) -> pa.Table:
    return pa.table(
        {
            "source_record_id": [f"r-{i}" for i in range(n)],
            "account_id": [f"a-{i % 3}" for i in range(n)],
            "start_time": pa.array([1_776_844_800_000_000 + i for i in range(n)], pa.timestamp("us")),
            "request_model": ["m"] * n,
            "prompt": [f"prompt {i}" for i in range(n)],
        }
    )


@pytest.mark.parametrize(
    "raw", [b"[" * 100_000, b'{"a":' * 100_000, b"\x00" * 1000, b"\n" * 1000, b"PAR1", b"PAR1" * 9]
)
@pytest.mark.parametrize(("folder", "sample"), FIXTURES, ids=IDS)
def test_deep_empty_and_torn_files_never_crash(folder: str, sample: Path, raw: bytes) -> None:
    check(source_of(folder), raw, sample.name)


SCALAR = re.compile(r'"([^"\\]+)":("(?:[^"\\]|\\.)*"|[0-9.]+|null|true|false)')


@pytest.mark.parametrize(("folder", "sample"), LINES, ids=[folder for folder, _ in LINES])
def test_a_structure_in_place_of_any_scalar_never_crashes(folder: str, sample: Path) -> None:
    tried: set[str] = set()
    for line in sample.read_text(encoding="utf-8").splitlines():
        for found in SCALAR.finditer(line if line.endswith("}") else ""):
            if found[1] not in tried:
                hostile = f'{line[: found.start(2)]}{{"a":[]}}{line[found.end(2) :]}'
                check(source_of(folder), hostile.encode(), sample.name)
                tried.add(found[1])
    assert len(tried) > 5


MAPPINGS = [path.read_text() for path in sorted((FOLDER / "mapped").glob("*.toml"))]
WORDS = ("[fields]", "=", '"', "{", "}", "path", "sum", "join", "uri", "time", "take", "[", "]", "\n", "(", "0")


@QUICK
@given(data=st.data())
def test_a_mutilated_mapping_is_read_or_refused_by_name_and_what_it_reads_never_crashes(data: st.DataObject) -> None:
    """The operator's own file, but a regular expression or a path in it must not break a run either."""
    text = data.draw(st.sampled_from(MAPPINGS))
    for _ in range(data.draw(st.integers(0, 3))):
        at, cut = data.draw(st.integers(0, len(text))), data.draw(st.sampled_from([0, 1, 6, 40]))
        text = text[:at] + data.draw(st.sampled_from(WORDS)) + text[at + cut :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mapping.toml"
        path.write_text(text)
        try:
            found = mapped.load(path)
        except ConfigError:
            return
        sample = FOLDER / "mapped" / "sample.jsonl"
        check(found, sample.read_bytes(), sample.name)


@pytest.mark.parametrize(("folder", "sample"), FIXTURES, ids=IDS)
@settings(QUICK, max_examples=10)
@given(data=st.data())
def test_a_proposal_from_a_hostile_file_is_made_or_refused(folder: str, sample: Path, data: st.DataObject) -> None:
    raw = bytearray(sample.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.sampled_from([0, 1, 7, 300]))] = data.draw(st.binary(max_size=6))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / sample.name
        path.write_bytes(bytes(raw))
        with contextlib.suppress(SourceError, UsageError):
            infer_mapping(path, name="probe")
