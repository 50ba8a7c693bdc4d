import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from stillwatch.engines import Settings, open_engine
from stillwatch.engines.duckdb import DuckDBEngine
from stillwatch.engines.session import heap
from stillwatch.engines.spark import SparkEngine
from stillwatch.errors import ConfigError, EngineUnavailable, UsageError
from stillwatch.model.tables import ACCOUNT_EVENTS, SLICE_BINS


@pytest.fixture
def small_engine(tmp_path: Path) -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(memory_limit="100MB", threads=1, temp_directory=tmp_path / "spill")
    yield engine
    engine.close()


@pytest.mark.parametrize("word", ["duck", "", "local", "spark:/host", "postgres://host"])
def test_an_unknown_word_is_a_usage_error(word: str) -> None:
    with pytest.raises(UsageError, match="expected duckdb, spark"):
        open_engine(word, Settings())


def test_spark_without_its_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(EngineUnavailable, match=r"pip install 'stillwatch\[spark\]'"):
        open_engine("spark", Settings())


def test_spark_that_fails_to_start_leaves_no_folder_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(EngineUnavailable):
        SparkEngine(master="local[1]", memory_limit=None, temp_directory=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("limit", "said"), [("4GB", "4g"), ("512MiB", "512m"), (" 2 g ", "2g")])
def test_a_memory_limit_is_said_in_javas_words(limit: str, said: str) -> None:
    assert heap(limit) == said


def test_a_memory_limit_that_is_no_size_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="'80%' is not a size"):
        heap("80%")


def test_naming_engines_imports_no_driver() -> None:
    code = "import stillwatch.engines, sys; sys.exit(any(m in sys.modules for m in ('duckdb', 'pyspark', 'ibis')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_beyond_the_memory_limit_spill_to_the_temporary_folder(small_engine: DuckDBEngine, tmp_path: Path) -> None:
    n = 4_000_000
    ids = pa.array(range(n), pa.int64())
    mixed = pa.compute.bit_wise_xor(pa.compute.multiply(ids, 2654435761), ids)
    rows = pa.table({"slice_id": mixed, "axis": pa.array(["hour"] * n), "bin": ids.cast(pa.int32()), "n": ids})
    held = small_engine.materialize(small_engine.from_arrow(SLICE_BINS, rows))
    assert any((tmp_path / "spill").iterdir())
    counted = held.aggregate(n=held.count(), total=held.bin.sum())
    assert small_engine.to_arrow(counted).to_pylist() == [{"n": n, "total": n * (n - 1) // 2}]


def test_closing_twice_is_harmless_and_removes_the_private_folder() -> None:
    engine = DuckDBEngine(memory_limit=None, threads=None, temp_directory=None)
    engine.from_arrow(ACCOUNT_EVENTS, ACCOUNT_EVENTS.empty())
    folder = engine._owned_directory
    assert folder is not None
    engine.close()
    engine.close()
    assert not folder.exists()


def test_no_extension_is_fetched_from_the_network(small_engine: DuckDBEngine) -> None:
    names = ("autoinstall_known_extensions", "autoload_known_extensions")
    settings = [small_engine._connection.sql(f"SELECT current_setting('{name}')").fetchall() for name in names]
    assert settings == [[(False,)], [(False,)]]


def test_a_process_that_uses_duckdb_ends_without_a_word() -> None:
    code = """
from stillwatch.engines import Settings, open_engine
from stillwatch.model.tables import ACCOUNTS
engine = open_engine("duckdb", Settings())
engine.to_arrow(engine.materialize(engine.from_arrow(ACCOUNTS, ACCOUNTS.empty())))
list(engine.to_batches(engine.from_arrow(ACCOUNTS, ACCOUNTS.empty())))
engine.close()
"""
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("", "")


def test_two_engines_do_not_see_each_other() -> None:
    first, second = (DuckDBEngine(memory_limit=None, threads=1, temp_directory=None) for _ in range(2))
    try:
        rows = first.from_arrow(ACCOUNT_EVENTS, ACCOUNT_EVENTS.empty())
        with pytest.raises(duckdb.CatalogException):
            second._connection.execute(f'SELECT * FROM "{rows.get_name()}"')
    finally:
        first.close()
        second.close()
