"""Mapping files: what they may say, and what is said about their faults."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.errors import ConfigError, SourceError
from stillwatch.sources import mapped
from stillwatch.sources.paths import lookup
from tests.sources.parsing import parse_bytes, reasons, rows

HEAD = 'name = "house"\nformat = "{format}"\n[fields]\n'
TINY = 'source_record_id = "id"\nstart_time = { path = "at", time = "s" }\n'


def written(folder: Path, fields: str, form: str = "jsonl") -> Path:
    path = folder / "mapping.toml"
    path.write_text(HEAD.format(format=form) + fields)
    return path


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ('source_record_id = "id"', "fields.start_time is required"),
        (TINY + 'colour = "c"', "fields.colour is no canonical field"),
        (TINY + 'attributes = "c"', "list attributes under"),
        (TINY + 'status = { path = "s", constant = "ok" }', "needs exactly one of"),
        (TINY + "status = {}", "needs exactly one of"),
        (TINY + 'status = { path = "s", time = "ms" }', "time belongs to"),
        (TINY + 'end_time = { path = "s", time = "fortnights" }', "time must be"),
        (TINY + 'input_tokens = { path = "s", scale = 0 }', "scale must be above 0"),
        (TINY + 'status = { uri = "(" }', "uri is no valid pattern"),
        (TINY + 'status = { uri = "x" }', "exactly one group"),
        (TINY + 'status = { pfad = "x" }', "unknown field `pfad`"),
        (TINY + 'prompt = { path = "x", take = "all" }', "Invalid enum value 'all'"),
        ("= 3", "not valid TOML"),
    ],
)
def test_a_fault_in_a_mapping_is_named(tmp_path: Path, fields: str, said: str) -> None:
    with pytest.raises(ConfigError, match="mapping file") as raised:
        mapped.load(written(tmp_path, fields))
    assert said in str(raised.value)


def test_a_missing_mapping_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        mapped.load(tmp_path / "none.toml")


def test_csv_and_parquet_and_json_lines_give_the_same_rows(tmp_path: Path) -> None:
    fields = TINY + 'account_id = "who"\ninput_tokens = { sum = ["fresh", "cached"] }\nprompt = "text"\n'
    table = pa.table({
        "id": ["1", "2"], "at": [1_776_844_800, 1_776_844_801], "who": ["a", None], "fresh": [31, 3], "cached": [13, 4],
        "text": ["one\ntwo", "three"],
    })  # fmt: skip
    held, text = io.BytesIO(), io.BytesIO()
    pq.write_table(table, held)
    pc.write_csv(table, text)
    json_lines = b"\n".join(json.dumps(row).encode() for row in table.to_pylist())
    found = [
        rows(parse_bytes(mapped.load(written(tmp_path, fields, form)), data, f"x.{form}"))
        for form, data in (("parquet", held.getvalue()), ("csv", text.getvalue()), ("jsonl", json_lines))
    ]
    assert found[0] == found[1] == found[2]
    assert [row["input_tokens"] for row in found[0]] == [44, 7]


def test_a_file_without_the_mapped_columns_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column for source_record_id: mapping house expects id"):
        parse_bytes(mapped.load(written(tmp_path, TINY, "csv")), b"a,b\n1,2\n", "x.csv")


def test_a_time_in_another_form_than_stated_rejects_its_record(tmp_path: Path) -> None:
    fields = 'source_record_id = "id"\nstart_time = { path = "at", time = "%d.%m.%Y" }\n'
    lines = b'{"id":"1","at":"22.04.2026"}\n{"id":"2","at":"2026-04-22"}\n'
    chunks = parse_bytes(mapped.load(written(tmp_path, fields)), lines, "x.jsonl")
    assert [row["source_record_id"] for row in rows(chunks)] == ["1"]
    assert reasons(chunks) == ["bad_time"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b", 1),
        ("a.b.c", None),
        ("x.y", 2),
        ("list.1", "q"),
        ("list.7", None),
        ("text.k.0", 3),
        ("deep.k.l", 4),
        ("both.k.l", 6),
    ],
)
def test_paths_go_through_dotted_keys_lists_and_json_text(path: str, found: object) -> None:
    record = {"a": {"b": 1}, "x.y": 2, "list": ["p", "q"], "text": '{"k":[3]}', "deep.k": {"l": 4}, "deep": {"k": 5}}
    record |= {"both.k": {"l": 6}, "both": {"k": {"l": 7}}}
    assert lookup(record, path) == found
