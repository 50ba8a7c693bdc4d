"""A million mutilated records over every parser: no crash, every record counted once, memory bounded."""

import json
import random
import re
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.ingest.conftest import House, make_house
from tests.sources.golden import FIXTURES, source_of
from tests.sources.protobuf import message_of

from stillwatch.ingest import BatchReport
from stillwatch.model.tables import EXCHANGE_RECORDS, INGEST_REJECTS

SEED = 20_261_123
RECORDS_PER_FILE = 5_000
FILES_AT_ONCE = 10
TELL_EVERY = 50_000
FEW = 2_000
MANY = 1_000_000
MOST_MIB = 700
"""What the process may grow by over the run: the lake's buffers and keys, and some chunks."""
VALUES = (None, True, -1, 1e300, "", [], {}, "\ud800", int("9" * 40), "2026-04-22", {"a": [{}]}, 1_776_000_000_000)
ID = re.compile(rb"(?<=[a-z][-_])\d+\b|(?<=[0-9a-f]{10})[0-9a-f]{6}(?=\")")
LINES = tuple(item for item in FIXTURES if item[1].suffix in (".jsonl", ".csv"))
WHOLE = tuple(item for item in FIXTURES if item[1].suffix == ".json")


def mutilated(line: bytes, draw: random.Random, n: int) -> bytes:
    """One record with some of its bytes cut, flipped, doubled or replaced by a value of another type."""
    line = ID.sub(b"%06d" % n, line, count=4)  # another id, so that it is no duplicate
    kind = draw.randrange(16)
    if kind > 4 or not line:
        return with_another_value(line, draw) if kind > 5 else line
    at = draw.randrange(len(line))
    if kind < 2:
        return line[:at]
    if kind == 2:
        return line[:at] + bytes([draw.randrange(256)]) + line[at + 1 :]
    if kind == 3:
        return line[:at] + line[draw.randrange(len(line)) :]
    return line[:at] + draw.randbytes(draw.randrange(12)).replace(b"\n", b"") + line[at:]


def with_another_value(line: bytes, draw: random.Random) -> bytes:
    """A JSON object in which one value, however deep, is left out or of another type; any other line as it is."""
    try:
        at = found = json.loads(line)
    except ValueError:
        return line
    while isinstance(found, dict) and found:
        key = draw.choice(sorted(at)) if isinstance(at, dict) else draw.randrange(len(at))
        if not isinstance(at[key], dict | list) or not at[key] or draw.random() < 0.1:
            break
        at = at[key]
    else:
        return line
    if draw.random() < 0.2:
        del at[key]
    else:
        at[key] = draw.choice(VALUES)
    return json.dumps(found).encode()


def registers(folder: Path) -> list[tuple[str, Path]]:
    """A good register of each kind to mutilate, as JSON lines."""
    accounts = [
        {"account_id": f"a-1{n}", "created_at": "2026-04-01T00:00:00Z", "email": f"p{n}@mail.example", "plan": "pro",
         "signup_client_address": f"203.0.113.{n}", "contract_tags": ["synthetic-data"]}
        for n in range(4)
    ]  # fmt: skip
    events = [
        {"event_id": f"e-1{n}", "account_id": f"a-1{n}", "event_time": "2026-04-02T00:00:00Z", "event_name": "signup"}
        for n in range(4)
    ]
    made = []
    for place, rows in (("accounts", accounts), ("events", events)):
        path = folder / f"good-{place}.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows))
        made.append((place, path))
    return made


def files(folder: Path, n_records: int, draw: random.Random) -> Iterator[tuple[str, list[Path]]]:
    """Files of mutilated records of every format that has lines, in turn, until there are enough."""
    samples = [*LINES, *registers(folder)]
    n = 0
    while n < n_records:
        for place, sample in samples:
            head, *lines = sample.read_bytes().splitlines()
            known = [line for line in [head, *lines] if line] if sample.suffix == ".jsonl" else lines
            made = [
                mutilated(draw.choice(known), draw, n + i)
                for i in range(min(RECORDS_PER_FILE, n_records // len(samples) + 1))
            ]
            n += len(made)
            path = folder / f"{place}{n}{sample.suffix}"
            path.write_bytes(b"\n".join(([head] if sample.suffix == ".csv" else []) + made))
            yield place, [path]


def documents(folder: Path, n_files: int, draw: random.Random) -> Iterator[tuple[str, list[Path]]]:
    """Mutilated documents that are read whole, as JSON and as protobuf, some at once."""
    for start in range(0, n_files, FILES_AT_ONCE):
        for place, sample in WHOLE:
            spans = {"resourceSpans": json.loads(sample.read_text(encoding="utf-8"))["resourceSpans"]}
            whole = {".json": sample.read_bytes(), ".pb": message_of(spans, ExportTraceServiceRequest)}
            made = []
            for number, suffix in product(range(start, min(start + FILES_AT_ONCE, n_files)), whole):
                body = bytearray(whole[suffix])
                for _ in range(draw.randrange(6)):
                    at = draw.randrange(len(body))
                    body[at : at + draw.choice((0, 1, 9, 400))] = draw.randbytes(draw.randrange(4))
                made.append(folder / f"{place}-{number}{suffix}")
                made[-1].write_bytes(bytes(body))
            yield place, made


def resident_mib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 >> 20


def ingested(house: House, place: str, paths: list[Path]) -> list[BatchReport]:
    if place in ("accounts", "events"):
        return getattr(house, place)(*paths)
    return house.ingest(*paths, source=source_of(place))


def run(house: House, found: Iterator[tuple[str, list[Path]]]) -> tuple[int, int]:
    """Ingest files; records and the most memory that was held on the way, in MiB."""
    n_records = most = n_told = 0
    for place, paths in found:
        for report, path in zip(ingested(house, place, paths), paths, strict=True):
            assert report.records_in == report.rows_out + report.duplicates + report.rejected, path.name
            n_records += report.records_in
            path.unlink()
        most = max(most, resident_mib())
        if n_records >= n_told + TELL_EVERY:
            n_told = n_records
            print(f"{n_records:,} records", flush=True)
    return n_records, most


def check(n_records: int, n_documents: int) -> tuple[int, int]:
    draw = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "w").mkdir()
        house = make_house(Path(folder) / "w")
        run(house, documents(Path(folder), 2, draw))
        before = resident_mib()
        n_first, most_first = run(house, documents(Path(folder), n_documents, draw))
        n_second, most_second = run(house, files(Path(folder), n_records, draw))
        stored = house.rows(EXCHANGE_RECORDS)
        assert stored.num_rows == len(
            set(zip(stored["source"].to_pylist(), stored["record_key"].to_pylist(), strict=True))
        )
        assert house.rows(INGEST_REJECTS).num_rows
    return n_first + n_second, max(most_first, most_second) - before


def test_some_thousand_mutilated_records_are_each_counted_once() -> None:
    n_records, _ = check(FEW, 1)
    assert n_records > 0.8 * FEW


@pytest.mark.slow
def test_a_million_mutilated_records_are_each_counted_once_in_bounded_memory() -> None:
    n_records, grown_mib = check(MANY, 400)
    print(f"{n_records:,} records, resident memory grew by {grown_mib} MiB")
    assert n_records > 0.9 * MANY
    assert grown_mib < MOST_MIB, f"memory grew by {grown_mib} MiB"
