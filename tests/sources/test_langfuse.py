"""Langfuse: exports of both table generations in every format, and what the SDK sends."""

import csv
import io
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.errors import SourceError
from stillwatch.sources import source
from stillwatch.sources.langfuse_usage import usage_columns
from stillwatch.sources.settings import LangfuseSettings, Settings
from tests.sources.golden import FOLDER, rows_of
from tests.sources.parsing import parse_bytes, reasons, rows

SAMPLE = FOLDER / "langfuse" / "sample.jsonl"
OLD = {
    "id": "obs-1", "trace_id": "trace-1", "project_id": "p-1", "type": "GENERATION", "input": "Which valve?",
    "start_time": "2026-04-22 08:00:00.000000", "provided_model_name": "m",
}  # fmt: skip


def test_parquet_csv_and_lines_of_one_export_give_the_same_rows() -> None:
    records = [json.loads(text) for text in SAMPLE.read_text().splitlines()[:2]]
    held = io.BytesIO()
    usage = [list(record["usage_details"].items()) for record in records]
    plain = [
        {**record, "tool_definitions": json.dumps(record["tool_definitions"]), "cost_details": None, "metadata": None}
        for record in records
    ]
    table = pa.Table.from_pylist([{**row, "usage_details": None} for row in plain]).drop(["usage_details"])
    table = table.append_column("usage_details", pa.array(usage, pa.map_(pa.string(), pa.int64())))
    times = pa.array([record["start_time"] for record in records]).cast(pa.timestamp("us"))
    table = table.set_column(table.schema.get_field_index("start_time"), "start_time", times)
    pq.write_table(table, held)
    from_parquet = rows(parse_bytes(source("langfuse"), held.getvalue(), "x.parquet"))
    from_lines = rows(parse_bytes(source("langfuse"), SAMPLE.read_bytes(), "x.jsonl"))[:2]
    from_csv = rows(parse_bytes(source("langfuse"), SAMPLE.with_suffix(".csv").read_bytes(), "x.csv"))
    assert from_parquet == from_lines == from_csv


def test_an_observation_of_the_older_table_gets_its_user_from_the_traces_file(tmp_path: Path) -> None:
    traces = tmp_path / "traces.csv"
    with traces.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerows([("id", "user_id", "session_id"), ("trace-1", "user-4", "sess-4"), ("trace-2", "user-5", "")])
    settings = Settings(langfuse=LangfuseSettings(traces=(str(traces),)))
    raw = "\n".join(json.dumps(item) for item in (OLD, {**OLD, "id": "o-3", "trace_id": "trace-3"})).encode()
    first, stranger = rows(parse_bytes(source("langfuse", settings), raw, "x.jsonl"))
    assert (first["account_id"], first["conversation_id"]) == ("user-4", "sess-4")
    assert stranger["account_id"] is None


def test_a_traces_file_that_changed_is_read_again(tmp_path: Path) -> None:
    traces = tmp_path / "traces.jsonl"
    format_source = source("langfuse", Settings(langfuse=LangfuseSettings(traces=(str(traces),))))
    found = []
    for user in ("user-4", "user-four"):
        traces.write_text(json.dumps({"id": "trace-1", "user_id": user}))
        found += [row["account_id"] for row in rows(parse_bytes(format_source, json.dumps(OLD).encode(), "x.jsonl"))]
    assert found == ["user-4", "user-four"]


def test_a_traces_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = Settings(langfuse=LangfuseSettings(traces=(str(tmp_path / "none.jsonl"),)))
    with pytest.raises(SourceError, match=r"none\.jsonl"):
        parse_bytes(source("langfuse", settings), b"{}", "x.jsonl")


def test_the_project_is_never_the_account() -> None:
    assert "org_id" not in source("langfuse").identity_order


def test_spans_traces_and_scores_are_counted_and_are_no_rows() -> None:
    chunks = parse_bytes(source("langfuse"), SAMPLE.read_bytes(), "x.jsonl")
    assert sum(chunk.field_counts["$not_a_model_call"] for chunk in chunks) == 3
    assert reasons(chunks) == ["missing_field", "wrong_type", "bad_json"]


def test_an_observation_from_the_sdk_and_from_an_export_is_one_record() -> None:
    sent = rows_of("langfuse", FOLDER / "langfuse" / "sample.json")[0]
    trace_id, _, span_id = str(sent["source_record_id"]).partition(":")
    exported = json.dumps({**OLD, "trace_id": trace_id, "id": span_id}).encode()
    assert rows(parse_bytes(source("langfuse"), exported, "x.jsonl"))[0]["call_id"] == sent["call_id"]


@pytest.mark.parametrize(
    ("details", "n_input", "n_output"),
    [
        ({"input": 31, "input_cached_tokens": 8, "cache_creation_input_tokens": 5, "output": 12}, 44, 12),
        ({"input": 44, "input_cached_tokens": 8, "output": 12, "output_reasoning_tokens": 4, "total": 56}, 44, 12),
        ({"input": 36, "input_cached_tokens": 8, "output": 8, "output_reasoning_tokens": 4, "total": 56}, 44, 12),
        ({"prompt_tokens": 44, "completion_tokens": 12, "total_tokens": 56}, 44, 12),
    ],
)
def test_kinds_of_tokens_add_up_to_all_input_and_all_output(details: object, n_input: int, n_output: int) -> None:
    columns = usage_columns(details)
    assert (columns["input_tokens"], columns["output_tokens"]) == (n_input, n_output)


def test_the_published_queries_give_rows_that_the_source_reads() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sources" / "langfuse.md").read_text(encoding="utf-8")
    older, newer = (block.partition("```")[0] for block in page.split("```sql")[1:])
    calls = [json.loads(text) for text in SAMPLE.read_text().splitlines()[:5]]
    kept = ("start_time", "end_time", "type", "level", "environment", "provided_model_name", "model_parameters")
    texts = (*kept, "trace_id", "project_id", "user_id", "session_id", "input", "output")
    lists = {"usage_details": "json", "tool_definitions": "json", "tool_call_names": "varchar[]"}
    with duckdb.connect() as connection:
        columns = ", ".join([*(f"{name} varchar" for name in texts), *(f"{n} {kind}" for n, kind in lists.items())])
        connection.execute(f"create table events_full (span_id varchar, {columns})")
        connection.execute(
            f"create table observations (id varchar, {columns.replace('user_id varchar, session_id varchar, ', '')})"
        )
        connection.execute("create table traces (id varchar, project_id varchar, user_id varchar, session_id varchar)")
        for call in calls:
            named = {**call, "span_id": call.get("span_id") or call["id"]}
            _insert(connection, "events_full", named)
            _insert(connection, "observations", {**named, "id": named["span_id"]})
        connection.execute(
            "insert into traces select distinct trace_id, project_id, user_id, session_id from events_full"
        )
        found = [_rows(connection, query) for query in (older, newer)]
    names = ("source_record_id", "account_id", "conversation_id", "input_tokens", "prompt", "tool_call_names")
    by_id = [{row["source_record_id"]: tuple(row[name] for name in names) for row in read} for read in found]
    assert by_id[0] == by_id[1]
    assert sorted(row["account_id"] or "" for row in found[0]) == ["", "user-1", "user-1", "user-2"]


def _insert(connection: duckdb.DuckDBPyConnection, table: str, record: dict[str, object]) -> None:
    columns = [row[0] for row in connection.execute(f"describe {table}").fetchall()]
    values = [record.get(name) for name in columns]
    packed = [json.dumps(value) if isinstance(value, dict) else value for value in values]
    connection.execute(f"insert into {table} values ({', '.join('?' * len(columns))})", packed)


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, object]]:
    held = io.BytesIO()
    pq.write_table(connection.sql(query).to_arrow_table(), held)
    return rows(parse_bytes(source("langfuse"), held.getvalue(), "x.parquet"))
