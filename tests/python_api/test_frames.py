"""Data frames of any library go in as files do: the same rows, the same refusals, nothing in clear on the disk."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.config import Config
from stillwatch.errors import ConfigError, SourceError, UsageError
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.python_api import Stillwatch
from stillwatch.store.workspace import Workspace

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
SECRET_PROMPT = "Summarise the marmalade contract of the harbour office"
N = 40


def canonical() -> pa.Table:
    """Rows with text, numbers, times and nulls."""
    times = [NOW - timedelta(minutes=number) for number in range(N)]
    return pa.table(
        {
            "source_record_id": [f"r{number}" for number in range(N)],
            "account_id": [None if number == 3 else f"acct-{number % 7}" for number in range(N)],
            "start_time": pa.array(times, pa.timestamp("us", tz="UTC")),
            "request_model": ["m-1"] * N,
            "input_tokens": pa.array([None if number % 5 == 0 else number for number in range(N)], pa.int64()),
            "prompt": [f"{SECRET_PROMPT} {number}" for number in range(N)],
            "house_field": ["x"] * N,
        }
    )


def as_pandas(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas()


def as_polars(table: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(table)


def as_categories(table: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(table).with_columns(pl.col("request_model").cast(pl.Categorical))


def as_relation(table: pa.Table) -> duckdb.DuckDBPyRelation:
    return duckdb.from_arrow(table)


def in_chunks(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table.slice(0, 1), table.slice(1, 9), table.slice(10)])


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Stillwatch]:
    workspace = Workspace.init(tmp_path / "workspace", environ={"STILLWATCH_KEYS": str(tmp_path / "keys.json")})
    with Stillwatch(workspace, Config(), clock=lambda: NOW) as opened:
        yield opened


def stored(watch: Stillwatch) -> pa.Table:
    files = watch.workspace.lake.snapshot().files(EXCHANGE_RECORDS)
    rows = pa.concat_tables(pq.read_table(file, schema=EXCHANGE_RECORDS.schema, partitioning=None) for file in files)
    return rows.drop_columns(["ingest_batch_id", "source"]).sort_by("source_record_id")


@pytest.mark.parametrize("made", [as_pandas, as_polars, as_categories, as_relation, in_chunks])
def test_a_frame_of_any_library_is_stored_as_the_same_rows_of_a_file_are(
    watch: Stillwatch, tmp_path: Path, made: Callable[[pa.Table], Any]
) -> None:
    pq.write_table(canonical(), tmp_path / "rows.parquet")
    other = Workspace.init(tmp_path / "other", environ={"STILLWATCH_KEYS": str(tmp_path / "keys.json")})
    with Stillwatch(other, Config(), clock=lambda: NOW) as by_file:
        (of_file,) = by_file.ingest(tmp_path / "rows.parquet")
        expected = stored(by_file).drop_columns(["record_key"])
    (report,) = watch.ingest(made(canonical()))
    assert stored(watch).drop_columns(["record_key"]).equals(expected)
    assert (report.records_in, report.rows_out, report.rejected) == (N, N, 0)
    assert report.coverage() == of_file.coverage()
    assert report.n_without_account == of_file.n_without_account == 1


def test_a_frame_ingested_twice_counts_once_and_both_are_in_the_ledger(watch: Stillwatch) -> None:
    watch.ingest(canonical())
    (again,) = watch.ingest(pl.DataFrame(canonical()))
    assert (again.rows_out, again.duplicates) == (0, N)
    assert stored(watch).num_rows == N
    assert watch.batches().table["uri"].to_pylist() == ["memory:table"] * 2


def test_a_mapping_says_which_column_is_which_field(watch: Stillwatch) -> None:
    frame = pl.DataFrame({"id": ["a", "b"], "customer": ["x", "y"], "ms": [1_780_000_000_000, 1_780_000_001_000]})
    mapping = {
        "source_record_id": "id",
        "account_id": "customer",
        "start_time": {"path": "ms", "time": "ms"},
        "request_model": {"constant": "m-1"},
    }
    (report,) = watch.ingest(frame, mapping=mapping)
    rows = stored(watch)
    assert report.source == "frame"
    assert rows["account_id"].to_pylist() == ["x", "y"]
    assert rows["start_time"][0].as_py() == datetime.fromtimestamp(1_780_000_000, UTC)


def test_a_row_that_cannot_be_read_is_quarantined_and_the_others_stay(watch: Stillwatch) -> None:
    rows = canonical().to_pylist()
    rows[4]["source_record_id"] = None
    (report,) = watch.ingest(pa.Table.from_pylist(rows, schema=canonical().schema))
    assert (report.rows_out, report.rejected) == (N - 1, 1)
    assert watch.rejects().table["line_no"].to_pylist() == [5]


def test_no_prompt_of_a_frame_reaches_the_disk(watch: Stillwatch, tmp_path: Path) -> None:
    watch.ingest(canonical())
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if b"marmalade" in file.read_bytes()]


def test_a_frame_that_lacks_a_column_is_refused_by_its_name(watch: Stillwatch) -> None:
    with pytest.raises(SourceError, match="request_model"):
        watch.ingest(canonical().drop_columns(["request_model"]))
    assert len(watch.batches()) == 0


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"source_record_id": "id"}, "fields.start_time is required"),
        ({"source_record_id": "id", "start_time": "t", "colour": "c"}, "fields.colour"),
        ({"source_record_id": "id", "start_time": {"path": "t", "constant": 1}}, "exactly one"),
    ],
)
def test_an_unsound_mapping_is_refused_with_its_fault(watch: Stillwatch, mapping: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        watch.ingest(canonical(), mapping=mapping)


def test_a_source_that_reads_files_only_says_so(watch: Stillwatch) -> None:
    with pytest.raises(UsageError, match="reads files"):
        watch.ingest(canonical(), source="litellm")


def test_an_empty_frame_is_a_batch_of_nothing(watch: Stillwatch) -> None:
    (report,) = watch.ingest(canonical().slice(0, 0))
    assert (report.records_in, report.rows_out) == (0, 0)


def test_two_columns_of_one_name_are_refused(watch: Stillwatch) -> None:
    table = canonical()
    twice = table.append_column("prompt", table["prompt"])
    with pytest.raises(SourceError, match="same name"):
        watch.ingest(twice)
