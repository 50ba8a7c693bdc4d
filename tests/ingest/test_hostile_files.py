"""Files made to exhaust the machine end in quarantine, in bounded memory."""

import bz2
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.ingest.conftest import House, record, write_jsonl

from stillwatch.ingest import Settings, streams
from stillwatch.model.tables import INGEST_REJECTS

MEBIBYTE = 1 << 20


def reasons(house: House) -> list[str]:
    return [row["reason"] for row in house.rows(INGEST_REJECTS).to_pylist()]


def holds(report) -> bool:
    return report.records_in == report.rows_out + report.duplicates + report.rejected


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", None)])
def test_a_compressed_bomb_ends_at_the_limit_and_what_came_before_counts(house, tmp_path, monkeypatch, suffix, pack):
    monkeypatch.setattr(streams, "LEAST_LIMIT", MEBIBYTE // 4)
    good = b"".join(json.dumps(record(n)).encode() + b"\n" for n in range(5))
    body = good + b" " * (4 * MEBIBYTE)
    packed = pack(body) if pack else pa.Codec("zstd").compress(body, asbytes=True)
    path = tmp_path / f"bomb.jsonl{suffix}"
    path.write_bytes(packed)
    (report,) = house.ingest(path, settings=Settings(max_unpack_ratio=10))
    assert (report.rows_out, report.rejected, holds(report)) == (5, 1, True)
    assert reasons(house) == ["unpacks_too_far"]


def test_an_ordinary_log_that_packs_well_is_read_whole(house, tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "LEAST_LIMIT", 0)
    lines = [record(n, prompt="Which valve first? " * 20) for n in range(2_000)]
    plain = write_jsonl(tmp_path / "a.jsonl", lines).read_bytes()
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(plain))
    (report,) = house.ingest(tmp_path / "b.jsonl.gz")
    assert (report.rows_out, report.rejected) == (2_000, 0)


def test_deep_json_a_huge_line_and_a_huge_number_cost_only_themselves(house, tmp_path, monkeypatch):
    monkeypatch.setattr("stillwatch.sources.jsonlines.MAX_LINE_BYTES", 2 * MEBIBYTE)
    damage = [b'{"a":' * 200_000, b"[" * 200_000, json.dumps(record(7, prompt="x" * 3 * MEBIBYTE)).encode()]
    damage.append(json.dumps(record(8)).encode().replace(b'"r8"', b"9" * 5_000))
    path = write_jsonl(tmp_path / "a.jsonl", [record(1), *damage, record(2)])
    (report,) = house.ingest(path)
    assert (report.records_in, holds(report)) == (6, True)
    assert report.rows_out >= 2
    assert {"too_deep", "bad_json"} & set(reasons(house))


def test_a_text_that_every_row_of_a_parquet_file_repeats_is_read_piece_by_piece(house, tmp_path, monkeypatch):
    monkeypatch.setattr("stillwatch.sources.frames.FRAME_BYTES", MEBIBYTE // 4)
    rows = [record(n, prompt="valve " * 5_000) for n in range(64)]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd", dictionary_pagesize_limit=8 * MEBIBYTE)
    assert path.stat().st_size < MEBIBYTE // 8
    (report,) = house.ingest(path)
    assert (report.rows_out, report.rejected) == (64, 0)


def test_a_parquet_row_beyond_the_limit_is_rejected_alone(house, tmp_path, monkeypatch):
    monkeypatch.setattr("stillwatch.sources.frames.FRAME_BYTES", MEBIBYTE)
    monkeypatch.setattr("stillwatch.sources.frames.MAX_ROW_BYTES", MEBIBYTE)
    rows = [record(n, prompt="x" * (2 * MEBIBYTE if n == 3 else 10)) for n in range(6)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    (report,) = house.ingest(tmp_path / "a.parquet")
    assert (report.rows_out, report.rejected, holds(report)) == (5, 1, True)
    assert reasons(house) == ["row_too_long"]


BOMBS = """
import gzip, json, resource, sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
sys.path.insert(0, sys.argv[2])
from tests.ingest.conftest import make_house, record

folder = Path(sys.argv[1])
house = make_house(folder)
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
small = folder / "small.jsonl"
small.write_text(json.dumps(record(1, prompt="warm up")))
house.ingest(small)
ids = pa.array([f"r{n}" for n in range(200)])
times = pa.array(["2026-06-01T10:00:00Z"] * 200)
text = pa.DictionaryArray.from_arrays(pa.array([0] * 200, pa.int32()), pa.array(["x y " * (4 << 20)]))
same = pa.array(["a"] * 200)
columns = {"source_record_id": ids, "account_id": same, "start_time": times, "request_model": same, "prompt": text}
table = pa.table(columns)
pq.write_table(table, folder / "bomb.parquet", compression="zstd", dictionary_pagesize_limit=1 << 30)
with gzip.open(folder / "bomb.jsonl.gz", "wb", compresslevel=9) as out:
    for _ in range(1_500): out.write(b" " * (1 << 20))
(folder / "deep.json").write_bytes(b'{"a":' * (8 << 20))
before = peak()
reports = [house.ingest(folder / name)[0] for name in sys.argv[3:]]
print(json.dumps([before, peak(), [[r.records_in, r.rows_out, r.duplicates, r.rejected] for r in reports]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bomb.parquet", "bomb.jsonl.gz", "deep.json"])
def test_a_bomb_of_gigabytes_stays_in_bounded_memory(tmp_path, name):
    """3 GB of text in a Parquet file of kilobytes, 1.5 GB of spaces in gzip, 40 MB of opening braces."""
    here = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", BOMBS, str(tmp_path), here, name], capture_output=True, text=True, check=True
    )
    before, after, reports = json.loads(done.stdout.splitlines()[-1])
    assert after - before < 1_500, f"peak grew from {before} to {after} MiB"
    assert all(n == rows + duplicates + rejected for n, rows, duplicates, rejected in reports)
