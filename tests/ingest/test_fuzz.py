"""Hostile telemetry end to end: no crash, no good row lost, every record counted once."""

import csv
import gzip
import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ingest.conftest import START, make_house, record

from stillwatch.model.tables import EXCHANGE_RECORDS, INGEST_REJECTS

GOOD = st.builds(
    lambda number, extra: record(number) | extra,
    st.integers(0, 12),
    st.fixed_dictionaries({}, optional={
        "prompt": st.text(max_size=60),
        "call_id": st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        "client_address": st.sampled_from(["203.0.113.9", "::1", "nonsense", "", "\0"]),
        "conversation_id": st.text(max_size=5),
        "attributes": st.sampled_from(["{}", '{"authorization":"Bearer x"}', "[1]", "not json sk-1"]),
        "tool_call_names": st.lists(st.sampled_from(["f", "sk-1", "a@b.c"]), max_size=3),
    }),
)  # fmt: skip
BAD = st.one_of(
    st.binary(max_size=40).map(lambda raw: b"\x00" + raw.replace(b"\n", b"").replace(b"\r", b"")),
    st.builds(lambda good, cut: json.dumps(good).encode()[: 5 + cut % 30], GOOD, st.integers(0, 29)),
    st.sampled_from([
        b'{"source_record_id": "x"}', b'{"source_record_id": 1.5, "start_time": {}}', b"[]", b"null", b"{" * 3000,
        json.dumps(record(1, start_time="1970-01-01T00:00:00Z")).encode(), b'{"a": \xff}',
        json.dumps(record(2, start_time="2100-06-01T00:00:00Z")).encode(),
        json.dumps(record(3, input_tokens="many")).encode(), json.dumps(record(4, tool_call_names={"a": 1})).encode(),
    ]),
)  # fmt: skip


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(st.one_of(GOOD.map(lambda good: json.dumps(good).encode()), BAD), max_size=30), st.booleans())
def test_every_record_of_hostile_lines_is_counted_once(lines, is_packed):
    with tempfile.TemporaryDirectory() as folder:
        house = make_house(Path(folder))
        path = Path(folder) / ("a.jsonl.gz" if is_packed else "a.jsonl")
        body = b"".join(line + b"\n" for line in [json.dumps(record(99)).encode(), *lines])
        path.write_bytes(gzip.compress(body) if is_packed else body)
        (report,) = house.ingest(path)
        assert report.records_in == report.rows_out + report.duplicates + report.rejected
        assert report.records_in == 1 + sum(1 for line in lines if line.strip())
        assert report.rows_out == house.rows(EXCHANGE_RECORDS).num_rows
        assert report.rejected == house.rows(INGEST_REJECTS).num_rows
        (again,) = house.ingest(path)
        assert (again.records_in, again.rows_out, again.rejected) == (report.records_in, 0, report.rejected)


def test_good_rows_among_many_kinds_of_damage_all_survive(tmp_path):
    draw = random.Random(5)
    good = [record(n, prompt="p" * 1_000_000 if n == 7 else "short", source_record_id=f"good-{n}") for n in range(300)]
    damage = [b"{", b"\x00\x00", b'{"a": \xff\xfe}', b"[]", b'{"source_record_id": null}', b"{" * 5000, b'"' * 99]
    lines = []
    for row in good:
        lines += [json.dumps(row).encode(), *draw.sample(damage, draw.randint(0, 2))]
    (tmp_path / "w").mkdir()
    house = make_house(tmp_path / "w")
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    (report,) = house.ingest(path)
    kept = set(house.rows(EXCHANGE_RECORDS)["source_record_id"].to_pylist())
    assert kept == {row["source_record_id"] for row in good}
    assert (report.records_in, report.rejected) == (len(lines), len(lines) - 300)


@pytest.mark.parametrize("seed", range(6))
def test_a_file_with_flipped_bytes_never_crashes(tmp_path, seed):
    draw = random.Random(seed)
    body = bytearray(
        b"".join(
            json.dumps(record(n, prompt=f"text {n}", start_time=START.isoformat())).encode() + b"\n" for n in range(500)
        )
    )
    for _ in range(40):
        body[draw.randrange(len(body))] = draw.randrange(256)
    packed = bytearray(gzip.compress(bytes(body)))
    packed[len(packed) // 2 + draw.randrange(100)] ^= 0xFF
    (tmp_path / "w").mkdir()
    house = make_house(tmp_path / "w")
    for name, content in (("a.jsonl", body), ("b.jsonl.gz", packed), ("c.csv", body), ("d.parquet", body)):
        (tmp_path / name).write_bytes(bytes(content))
        (report,) = house.ingest(tmp_path / name)
        assert report.records_in == report.rows_out + report.duplicates + report.rejected


ACCOUNT = {"account_id": "a-1", "created_at": "2026-04-01T00:00:00Z", "email": "a@b.test", "contract_tags": ["x"],
           "signup_client_address": "203.0.113.9", "phone": "+44 20 7946 0000", "plan": "pro"}  # fmt: skip
EVENT = {"event_id": "e-1", "account_id": "a-1", "event_time": "2026-04-02T00:00:00Z", "event_name": "signup"}
ODD = st.none() | st.integers() | st.floats() | st.text(max_size=6) | st.lists(st.text(max_size=3), max_size=2)


@st.composite
def register_lines(draw, plain):
    """Rows of a register, some with a value of another type or cut short, as JSON lines."""
    lines = []
    for number in range(draw(st.integers(1, 6))):
        row = plain | {next(iter(plain)): f"x-{number}"}
        for name in draw(st.lists(st.sampled_from(sorted(plain)), max_size=2)):
            row[name] = draw(ODD)
        line = json.dumps(row).encode()
        lines.append(draw(st.sampled_from([line, line, line[: len(line) // 2], b"[]", b"\xff{"])))
    return lines


@pytest.mark.parametrize(("plain", "verb"), [(ACCOUNT, "accounts"), (EVENT, "events")], ids=["accounts", "events"])
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(data=st.data())
def test_every_row_of_a_hostile_register_is_counted_once(plain, verb, data):
    lines = data.draw(register_lines(plain))
    with tempfile.TemporaryDirectory() as folder:
        house = make_house(Path(folder))
        path = Path(folder) / "register.jsonl"
        path.write_bytes(b"\n".join(lines))
        (report,) = getattr(house, verb)(path)
        assert report.records_in == report.rows_out + report.duplicates + report.rejected == len(lines)
        cells = [[json.dumps(value) if isinstance(value, list) else value for value in plain.values()]]
        body = [list(plain), *cells, *([line.decode("utf-8", "replace")] for line in lines)]
        path = Path(folder) / "register.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(body)
        (report,) = getattr(house, verb)(path)
        assert report.records_in == report.rows_out + report.duplicates + report.rejected == 1 + len(lines)
