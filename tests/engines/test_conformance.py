"""What every engine must do alike. DuckDB always; Spark under the mark `spark`."""

import math
from datetime import UTC, date, datetime
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.engines import Engine
from stillwatch.errors import LakeCorrupt, SchemaMismatch
from stillwatch.model import tables
from stillwatch.model.table import Table, column
from tests.engines.rows import awkward_rows

TABLES = [value for value in vars(tables).values() if isinstance(value, Table)]
POINTS = Table(
    name="points",
    made_by="test",
    key=("k",),
    schema=pa.schema(
        [
            column("k", pa.int64(), required=True),
            column("group", pa.string()),
            column("x", pa.float64()),
            column("h", pa.int16()),
            column("bins", pa.list_(pa.int16())),
            column("at", pa.timestamp("us", tz="UTC")),
        ]
    ),
)


def plain(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def comparable(rows: pa.Table) -> list[str]:
    """Rows in any order, with NaN equal to NaN."""
    return sorted(repr(row) for row in rows.to_pylist())


def points(**columns: list[object]) -> pa.Table:
    n = len(next(iter(columns.values())))
    return pa.table({name: columns.get(name, [None] * n) for name in POINTS.schema.names}, schema=POINTS.schema)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_comes_back_as_it_went_in(engine: Engine, table: Table, tmp_path: Path) -> None:
    rows = awkward_rows(table)
    pq.write_table(rows, tmp_path / "rows.parquet")
    read = engine.read(table, [str(tmp_path / "rows.parquet")])
    held = engine.materialize(engine.from_arrow(table, rows))
    for expression in (read, held):
        result = engine.to_arrow(expression)
        assert result.schema == plain(table.schema)
        assert comparable(result) == comparable(rows)


@pytest.mark.parametrize("table", [tables.TOKEN_USES, tables.EXCHANGE_RECORDS], ids=lambda table: table.name)
def test_no_files_and_no_rows_are_an_empty_table(engine: Engine, table: Table) -> None:
    for expression in (engine.read(table, []), engine.materialize(engine.from_arrow(table, table.empty()))):
        result = engine.to_arrow(expression)
        assert result.num_rows == 0
        assert result.schema == plain(table.schema)
        assert list(engine.to_batches(expression)) == []


def test_many_files_in_a_folder_with_pattern_characters_are_one_table(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "a [b]*{c} 'd'"
    folder.mkdir()
    files = []
    for number in range(5):
        files.append(str(folder / f"{number}.parquet"))
        pq.write_table(points(k=[number]), files[-1])
    assert sorted(engine.to_arrow(engine.read(POINTS, files))["k"].to_pylist()) == [0, 1, 2, 3, 4]


def test_a_nullable_column_that_an_old_file_lacks_is_null(engine: Engine, tmp_path: Path) -> None:
    files = [str(tmp_path / "old.parquet"), str(tmp_path / "new.parquet")]
    pq.write_table(points(k=[1], x=[0.5]).drop(["group", "bins"]), files[0])
    pq.write_table(points(k=[2], x=[0.7], group=["g"], bins=[[1]]), files[1])
    rows = engine.to_arrow(engine.read(POINTS, files).order_by("k")).select(["k", "x", "group", "bins"]).to_pylist()
    assert rows == [{"k": 1, "x": 0.5, "group": None, "bins": None}, {"k": 2, "x": 0.7, "group": "g", "bins": [1]}]


def test_a_file_with_another_type_is_refused(engine: Engine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"k": ["1"]}), tmp_path / "text.parquet")
    with pytest.raises(SchemaMismatch, match="column k"):
        engine.read(POINTS, [str(tmp_path / "text.parquet")])


def test_a_file_without_a_required_column_is_refused(engine: Engine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "keyless.parquet")
    with pytest.raises(SchemaMismatch, match="required column k"):
        engine.read(POINTS, [str(tmp_path / "keyless.parquet")])


def test_a_missing_file_is_a_corrupt_lake(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(LakeCorrupt, match=r"gone\.parquet"):
        engine.read(POINTS, [str(tmp_path / "gone.parquet")])


def test_arrow_rows_of_another_kind_are_refused(engine: Engine) -> None:
    with pytest.raises(SchemaMismatch, match="column x"):
        engine.from_arrow(POINTS, pa.table({"k": [1], "x": ["0.5"]}))


def test_arrow_rows_with_null_in_a_required_column_are_refused(engine: Engine) -> None:
    with pytest.raises(SchemaMismatch, match="1 nulls"):
        engine.from_arrow(POINTS, pa.table({"k": pa.array([None], pa.int64())}))


def test_arrow_rows_in_another_encoding_are_taken(engine: Engine) -> None:
    rows = pa.table({"k": pa.array([1], pa.int32()), "group": pa.array(["g"]).dictionary_encode(), "unknown": [1]})
    result = engine.to_arrow(engine.from_arrow(POINTS, rows))
    assert result.schema == plain(POINTS.schema)
    assert result.select(["k", "group"]).to_pylist() == [{"k": 1, "group": "g"}]


def test_null_and_nan_stay_apart(engine: Engine) -> None:
    t = engine.from_arrow(POINTS, points(k=[1, 2, 3], x=[None, math.nan, 2.0]))
    counts = engine.to_arrow(
        t.aggregate(n_null=t.x.isnull().sum(), n_nan=t.x.isnan().fill_null(False).sum(), n_both=t.x.count())
    )
    assert counts.to_pylist() == [{"n_null": 1, "n_nan": 1, "n_both": 2}]


def test_a_sum_has_the_type_that_ibis_promises(engine: Engine) -> None:
    t = engine.from_arrow(POINTS, points(k=[2**40, 2**40]))
    total = t.aggregate(total=t.k.sum())
    for expression in (total, engine.materialize(total)):
        result = engine.to_arrow(expression)
        assert result.schema.field("total").type == pa.int64()
        assert result["total"].to_pylist() == [2**41]


def test_lists_unnest_collect_and_sort(engine: Engine) -> None:
    t = engine.from_arrow(POINTS, points(k=[1, 2, 3], group=["a", "a", "b"], bins=[[3, 1], [2], None]))
    long = t.select("group", bin=t.bins.unnest())
    short = long.group_by("group").aggregate(bins=long.bin.collect().sort()).order_by("group")
    assert engine.to_arrow(short).to_pylist() == [{"group": "a", "bins": [1, 2, 3]}]
    whole = t.select("k", mapped=t.bins.map(lambda b: b + 1), n=t.bins.length()).order_by("k")
    assert engine.to_arrow(whole)["mapped"].to_pylist() == [[4, 2], [3], None]


def test_windows_rank_and_lead_within_a_group(engine: Engine) -> None:
    t = engine.from_arrow(POINTS, points(k=[1, 2, 3], group=["a", "a", None], h=[5, 4, 3]))
    window = ibis.window(group_by=t.group, order_by=[t.h, t.k])
    rows = t.select("k", rank=ibis.row_number().over(window), following=t.k.lead().over(window)).order_by("k")
    assert engine.to_arrow(rows).to_pylist() == [
        {"k": 1, "rank": 1, "following": None},
        {"k": 2, "rank": 0, "following": 1},
        {"k": 3, "rank": 0, "following": None},
    ]


def test_bits_of_signed_hashes(engine: Engine) -> None:
    t = engine.from_arrow(POINTS, points(k=[-1, 5]))
    rows = t.select("k", low=t.k & 255, mixed=t.k ^ 3).order_by("k")
    assert engine.to_arrow(rows).to_pylist() == [{"k": -1, "low": 255, "mixed": -4}, {"k": 5, "low": 5, "mixed": 6}]


def test_days_and_hours_are_utc(engine: Engine) -> None:
    t = engine.from_arrow(POINTS, points(k=[1], at=[datetime(2026, 4, 22, 23, 30, tzinfo=UTC)]))
    rows = t.select(day=t.at.date(), hour=t.at.hour(), after=t.at >= datetime(2026, 4, 22, 23, 30, tzinfo=UTC))
    assert engine.to_arrow(rows).to_pylist() == [{"day": date(2026, 4, 22), "hour": 23, "after": True}]


def test_order_by_survives_the_way_out(engine: Engine) -> None:
    t = engine.from_arrow(POINTS, points(k=list(range(5000))))
    assert engine.to_arrow(t.order_by(t.k.desc()))["k"].to_pylist() == list(range(4999, -1, -1))


def test_a_materialised_table_keeps_its_rows_when_its_source_has_gone(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(points(k=[1, 2]), file)
    held = engine.materialize(engine.read(POINTS, [str(file)]))
    file.unlink()
    assert sorted(engine.to_arrow(held)["k"].to_pylist()) == [1, 2]


def test_batches_stream_while_other_work_runs(engine: Engine) -> None:
    t = engine.from_arrow(POINTS, points(k=list(range(1000))))
    seen: list[int] = []
    for batch in engine.to_batches(t, n_rows=100):
        assert engine.to_arrow(t.aggregate(n=t.count()))["n"].to_pylist() == [1000]
        seen += batch["k"].to_pylist()
    assert sorted(seen) == list(range(1000))


def test_a_scope_drops_what_was_made_inside_it_only(engine: Engine) -> None:
    outside = engine.from_arrow(POINTS, points(k=[1]))
    with engine.scope():
        inside = engine.materialize(outside)
        with engine.scope():
            engine.materialize(inside)
        assert engine.to_arrow(inside).num_rows == 1
    assert engine.to_arrow(outside).num_rows == 1
    with pytest.raises(Exception, match=r"(?i)not exist|cannot be found|not found"):
        engine.to_arrow(inside)


def test_a_scope_that_fails_still_drops(engine: Engine) -> None:
    made = []

    def fail_inside() -> None:
        with engine.scope():
            made.append(engine.from_arrow(POINTS, points(k=[1])))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    with pytest.raises(Exception, match=r"(?i)not exist|cannot be found|not found"):
        engine.to_arrow(made[0])


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning", "ignore:unclosed:ResourceWarning")
def test_tables_of_the_backend_are_created_overwritten_and_dropped(engine: Engine) -> None:
    """Guards the pin on sqlglot: from 30.17 on Ibis 12 breaks here.

    The warnings ignored are of Ibis' own calls, which the engines avoid: a deprecated one of DuckDB, and sockets that
    PySpark leaves to the garbage collector.
    """
    backend = ibis.get_backend(engine.from_arrow(POINTS, points(k=[1])))
    first = engine.from_arrow(POINTS, points(k=[1]))
    second = engine.from_arrow(POINTS, points(k=[2, 3]))
    backend.create_table("conformance", obj=first.select("k"), overwrite=True)
    backend.create_table("conformance", obj=second.select("k"), overwrite=True)
    assert sorted(engine.to_arrow(backend.table("conformance"))["k"].to_pylist()) == [2, 3]
    backend.drop_table("conformance")
    with pytest.raises(Exception, match=r"(?i)conformance"):
        backend.table("conformance")
