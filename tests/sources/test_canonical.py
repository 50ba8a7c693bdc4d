"""The canonical format beyond its samples."""

import io
import json

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.errors import SourceError
from stillwatch.sources import source
from tests.sources.parsing import parse_bytes, reasons, rows

CANONICAL = source("canonical")
BASE = {"source_record_id": "r", "account_id": "a", "start_time": "2026-04-22T08:00:00Z", "request_model": "m"}


def parquet(table: pa.Table, row_group_size: int | None = None) -> bytes:
    held = io.BytesIO()
    pq.write_table(table, held, row_group_size=row_group_size)
    return held.getvalue()


def records_table(n: int, **columns: object) -> pa.Table:
    plain: dict[str, object] = {
        "source_record_id": [f"r-{i}" for i in range(n)],
        "account_id": ["a"] * n,
        "start_time": pa.array([1_776_844_800_000_000 + i for i in range(n)], pa.timestamp("us", tz="UTC")),
        "request_model": ["m"] * n,
    }
    return pa.table(plain | columns)


def test_parquet_jsonl_and_csv_of_the_same_records_give_the_same_rows() -> None:
    table = records_table(3, input_tokens=[1, None, 3], prompt=["a", 'b,\n"c"', "d"])
    as_json = "\n".join(json.dumps(row, default=str) for row in table.to_pylist()).encode()
    held = io.BytesIO()
    pc.write_csv(table, held)
    from_parquet = rows(parse_bytes(CANONICAL, parquet(table), "x.parquet"))
    assert rows(parse_bytes(CANONICAL, as_json, "x.jsonl")) == from_parquet
    assert rows(parse_bytes(CANONICAL, held.getvalue(), "x.csv")) == from_parquet


def test_missing_columns_are_named() -> None:
    table = pa.table({"source_record_id": ["r"], "start_time": ["2026-04-22"]})
    with pytest.raises(SourceError, match="account_id, request_model"):
        parse_bytes(CANONICAL, parquet(table), "x.parquet")
    with pytest.raises(SourceError, match="account_id, request_model"):
        parse_bytes(CANONICAL, b"source_record_id,start_time\nr,2026-04-22\n", "x.csv")


def test_parquet_without_seek_is_refused_with_what_to_do() -> None:
    class Forward(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(SourceError, match="unpack"):
        list(CANONICAL.parse(Forward(parquet(records_table(1))), uri="x.parquet"))


def test_bad_rows_of_a_parquet_file_cost_only_themselves() -> None:
    times = [1_776_844_800_000_000, 0, 1_776_844_800_000_000, None]
    table = records_table(4, start_time=pa.array(times, pa.timestamp("us")), input_tokens=[1, 2, -3, 4])
    chunks = parse_bytes(CANONICAL, parquet(table), "x.parquet")
    assert [row["source_record_id"] for row in rows(chunks)] == ["r-0"]
    assert sorted(reasons(chunks)) == ["bad_time", "missing_field", "out_of_range"]


def test_text_that_is_no_utf8_in_a_parquet_file_rejects_its_row() -> None:
    bad = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xffb")]
    )
    chunks = parse_bytes(CANONICAL, parquet(records_table(2, prompt=bad)), "x.parquet")
    assert [row["prompt"] for row in rows(chunks)] == ["a"]
    assert reasons(chunks) == ["bad_utf8"]


def test_a_damaged_row_group_costs_only_itself() -> None:
    data = bytearray(parquet(records_table(40), row_group_size=10))
    start = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1).column(0).data_page_offset
    data[start : start + 12] = b"\xff" * 12
    chunks = parse_bytes(CANONICAL, bytes(data), "x.parquet")
    assert len(rows(chunks)) == 30
    assert reasons(chunks) == ["truncated_stream"]


def test_dictionary_encoded_and_nested_and_unknown_columns_are_read_or_counted() -> None:
    models = pa.array(["m", "n", "m"]).dictionary_encode()
    table = records_table(3, request_model=models, finish_reasons=[["stop"], None, []], mystery=[1, None, 2])
    chunks = parse_bytes(CANONICAL, parquet(table), "x.parquet")
    assert [row["request_model"] for row in rows(chunks)] == ["m", "n", "m"]
    assert chunks[0].field_counts["mystery"] == 2


def test_rows_without_account_are_kept() -> None:
    line = json.dumps(BASE | {"account_id": None}).encode()
    assert len(rows(parse_bytes(CANONICAL, line, "x.jsonl"))) == 1


def test_a_prompt_of_a_megabyte_and_one_with_nul_are_kept() -> None:
    lines = [json.dumps(BASE | {"prompt": prompt}) for prompt in ("x" * 1_000_000, "a\0b")]
    found = rows(parse_bytes(CANONICAL, "\n".join(lines).encode(), "x.jsonl"))
    assert [len(str(row["prompt"])) for row in found] == [1_000_000, 3]


def test_half_a_surrogate_pair_does_not_lose_the_row() -> None:
    line = json.dumps(BASE).replace('"m"', '"m", "prompt": "cut \\ud83d"')
    assert rows(parse_bytes(CANONICAL, line.encode(), "x.jsonl"))[0]["prompt"] == "cut ?"


def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    line = json.dumps(BASE)[:-1] + ', "account_id": "b"}'
    assert rows(parse_bytes(CANONICAL, line.encode(), "x.jsonl"))[0]["account_id"] == "b"


def test_equal_tool_definitions_give_equal_text_whatever_their_order() -> None:
    spellings = ['[{"name":"x","a":1}]', '[ {"a": 1, "name": "x"} ]']
    lines = "\n".join(json.dumps(BASE | {"tool_definitions": text}) for text in spellings)
    found = rows(parse_bytes(CANONICAL, lines.encode(), "x.jsonl"))
    assert found[0]["tool_definitions"] == found[1]["tool_definitions"]
    assert found[0]["tool_definition_names"] == ["x"]


def test_a_large_csv_of_many_blocks_is_read_whole() -> None:
    header = b"source_record_id,account_id,start_time,request_model,prompt\n"
    line = b'r-%d,a,2026-04-22T08:00:00Z,m,"two\nlines, ""quoted"" ' + b"x" * 2000 + b'"\n'
    data = header + b"".join(line % i for i in range(5000))
    chunks = parse_bytes(CANONICAL, data, "x.csv")
    assert [row["source_record_id"] for row in rows(chunks)] == [f"r-{i}" for i in range(5000)]
    assert len(chunks) > 1


def test_a_quote_that_never_closes_in_a_large_csv_loses_one_row() -> None:
    header = b"source_record_id,account_id,start_time,request_model,prompt\n"
    line = b"r-%d,a,2026-04-22T08:00:00Z,m,plain\n"
    lines = [line % i for i in range(20_000)]
    lines[7] = lines[7].replace(b"plain", b'"plain')
    chunks = parse_bytes(CANONICAL, header + b"".join(lines), "x.csv")
    assert len(rows(chunks)) == 19_999
    assert reasons(chunks) == ["bad_csv"]
