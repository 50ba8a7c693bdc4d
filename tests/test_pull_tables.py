"""Tables of databases through Ibis: DuckDB and SQLite here, PostgreSQL where a server and psycopg are, ClickHouse's own
engine where chdb and clickhouse-connect are.
"""

import importlib.util
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from stillwatch.cli.app import main
from stillwatch.config import Config
from stillwatch.errors import EnvironmentFault, ExternalServiceError, UsageError
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.pipeline.pull import COPIES
from stillwatch.pipeline.pull_tables import TablePull
from stillwatch.sources import mapped
from stillwatch.sources.settings import IbisSettings
from stillwatch.sources.settings import Settings as SourceSettings
from stillwatch.store.workspace import Workspace
from tests.databases import database

# Ibis 12 calls older names of DuckDB 2 and pandas 3; both still work.
pytestmark = [
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*future.infer_string"),
]

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
START = datetime(2026, 6, 1, 10, tzinfo=UTC)
MAPPING = """
name = "warehouse"
format = "table"

[fields]
source_record_id = "id"
account_id = "customer"
start_time = "asked_at"
request_model = "model"
input_tokens = { sum = ["fresh", "cached"] }
prompt = "question"
"""
COLUMNS = (
    "id varchar(40), customer varchar(40), asked_at timestamp, model varchar(40), fresh int, cached int, "
    "question text, secret text"
)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    Workspace.init(tmp_path / "w").close()
    with Workspace.open(tmp_path / "w") as opened:
        yield opened


@pytest.fixture
def mapping(tmp_path):
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING)
    return path


def rows(numbers):
    return [
        (f"r-{n}", f"c-{n % 3}", f"{START + timedelta(minutes=n):%Y-%m-%d %H:%M:%S}", "m", n, 1, f"Valve {n}?", "no")
        for n in numbers
    ]


class DuckTable:
    """A table in a DuckDB file."""

    def __init__(self, folder):
        self.url = f"duckdb://{folder / 'logs.duckdb'}"
        self._file = folder / "logs.duckdb"
        with duckdb.connect(str(self._file)) as connection:
            connection.execute(f"create table calls ({COLUMNS})")

    def add(self, numbers):
        with duckdb.connect(str(self._file)) as connection:
            connection.executemany("insert into calls values (?, ?, ?, ?, ?, ?, ?, ?)", rows(numbers))


class SqliteTable:
    """A table in an SQLite file."""

    def __init__(self, folder):
        self.url = f"sqlite://{folder / 'logs.sqlite'}"
        self._file = folder / "logs.sqlite"
        with closing(sqlite3.connect(self._file)) as connection:
            connection.execute(f"create table calls ({COLUMNS})")

    def add(self, numbers):
        with closing(sqlite3.connect(self._file)) as connection, connection:
            connection.executemany("insert into calls values (?, ?, ?, ?, ?, ?, ?, ?)", rows(numbers))


class PostgresTable:
    """A table in a PostgreSQL database."""

    def __init__(self, url):
        self.url = sa.make_url(url).set(drivername="postgres").render_as_string(hide_password=False)
        self._engine = sa.create_engine(url)
        with self._engine.begin() as connection:
            connection.exec_driver_sql(f"create table calls ({COLUMNS})")

    def add(self, numbers):
        names = [f"v{i}" for i in range(8)]
        places = ", ".join(f"cast(:{name} as timestamp)" if name == "v2" else f":{name}" for name in names)
        with self._engine.begin() as connection:
            held = [dict(zip(names, row, strict=True)) for row in rows(numbers)]
            connection.execute(sa.text(f"insert into calls values ({places})"), held)

    def close(self):
        self._engine.dispose()


class ClickhouseTable:
    """A table of ClickHouse's engine in this process: what Ibis asks and gets is as over the network."""

    def __init__(self, folder, kind):
        self.url = f"clickhouse://localhost/default?interface=chdb&path={folder / 'clickhouse'}"
        self._folder = folder / "clickhouse"
        columns = COLUMNS.replace(" timestamp", f" {kind}").replace("varchar(40)", "String").replace("text", "String")
        with self._client() as client:
            client.command(f"create table calls ({columns.replace(' int', ' Int64')}) engine = MergeTree order by id")

    def add(self, numbers):
        with self._client() as client:
            held = [[*row[:2], datetime.fromisoformat(f"{row[2]}Z"), *row[3:]] for row in rows(numbers)]
            client.insert("calls", held)

    def _client(self):
        import clickhouse_connect

        return clickhouse_connect.get_client(interface="chdb", path=str(self._folder))


CLICKHOUSE_TIMES = {
    "clickhouse": "DateTime64(6, 'UTC')",
    "clickhouse seconds": "DateTime('UTC')",
    "clickhouse no zone": "DateTime64(3)",
}


def missing(*packages):
    return [package for package in packages if importlib.util.find_spec(package) is None]


@pytest.fixture(params=["duckdb", "sqlite", "postgresql", *CLICKHOUSE_TIMES])
def table(request, tmp_path):
    if request.param in CLICKHOUSE_TIMES:
        if missing("chdb", "clickhouse_connect"):
            pytest.skip("ClickHouse's engine, chdb, and clickhouse-connect are not installed")
        yield ClickhouseTable(tmp_path, CLICKHOUSE_TIMES[request.param])
        return
    if request.param != "postgresql":
        yield (DuckTable if request.param == "duckdb" else SqliteTable)(tmp_path)
        return
    if missing("psycopg"):
        pytest.skip("Ibis reads PostgreSQL with psycopg, which is not installed")
    with database("postgresql", tmp_path) as url, closing(PostgresTable(url)) as made:
        yield made


def pull(workspace, mapping, url, *, table="calls", **chosen):
    ibis = IbisSettings(url=url, **chosen)
    config = msgspec.structs.replace(Config(), sources=SourceSettings(ibis=ibis))
    return TablePull([table], mapped.load(mapping), workspace=workspace, config=config, clock=lambda: NOW)


def counts(reports):
    return [(report.rows_out, report.duplicates, report.rejected) for report in reports]


def records(workspace):
    files = workspace.lake.snapshot().files(EXCHANGE_RECORDS)
    return [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]


def test_a_second_reading_takes_what_is_new_and_knows_the_overlap(workspace, mapping, table):
    table.add(range(100))
    assert counts(pull(workspace, mapping, table.url).round()) == [(100, 0, 0)]
    table.add(range(100, 110))
    assert counts(pull(workspace, mapping, table.url, overlap_minutes=5).round()) == [(10, 6, 0)]
    stored = records(workspace)
    assert len(stored) == 110
    assert max(row["input_tokens"] for row in stored) == 110
    assert {row["start_time"] for row in stored} == {START + timedelta(minutes=n) for n in range(110)}


def test_a_large_table_is_read_in_pieces_that_are_gone_afterwards(workspace, mapping, tmp_path):
    table = DuckTable(tmp_path)
    table.add(range(10))
    reports = list(pull(workspace, mapping, table.url, rows_per_file=4).round())
    assert counts(reports) == [(4, 0, 0), (3, 1, 0), (3, 1, 0), (0, 1, 0)]
    assert {report.uri for report in reports} == {"duckdb:calls"}
    assert not list(workspace.path.glob(f"{COPIES}*"))


def test_more_rows_of_one_time_than_a_page_holds_are_all_read(workspace, mapping, tmp_path):
    table = DuckTable(tmp_path)
    table.add(range(3))
    with duckdb.connect(str(tmp_path / "logs.duckdb")) as connection:
        connection.execute("insert into calls select id || 'x' || i, customer, timestamp '2026-06-01 10:01:00', model, "
                           "fresh, cached, question, secret from calls, range(20) as t(i)")  # fmt: skip
    reports = list(pull(workspace, mapping, table.url, rows_per_file=4).round())
    assert sum(report.rows_out for report in reports) == 63


def test_a_table_whose_time_is_text_is_read_whole_each_time(workspace, mapping, tmp_path):
    table = DuckTable(tmp_path)
    table.add(range(10))
    with duckdb.connect(str(tmp_path / "logs.duckdb")) as connection:
        connection.execute("alter table calls alter asked_at type varchar")
    found = [counts(pull(workspace, mapping, table.url, rows_per_file=4).round()) for _ in range(2)]
    assert found == [[(10, 0, 0)], [(0, 10, 0)]]


def test_columns_that_the_mapping_does_not_read_stay_in_the_database(workspace, mapping, tmp_path):
    table = DuckTable(tmp_path)
    table.add(range(3))
    (report,) = pull(workspace, mapping, table.url).round()
    assert "secret" not in report.field_coverage


def test_a_table_that_is_not_there_is_an_external_fault_without_the_url(workspace, mapping, tmp_path):
    url = DuckTable(tmp_path).url
    with pytest.raises(ExternalServiceError) as caught:
        list(pull(workspace, mapping, url, table="nothing").round())
    assert "nothing" in str(caught.value)
    assert url not in str(caught.value)


def test_a_database_whose_package_is_missing_is_named_by_its_package(workspace, mapping):
    if not missing("clickhouse_connect"):
        pytest.skip("the package is installed")
    with pytest.raises(EnvironmentFault, match="clickhouse-connect"):
        list(pull(workspace, mapping, "clickhouse://reader:pass@127.0.0.1:9/x").round())


def test_a_mapping_of_files_and_a_missing_url_are_usage_errors(workspace, mapping, tmp_path):
    with pytest.raises(UsageError, match=r"sources\.ibis\.url"):
        pull(workspace, mapping, "")
    mapping.write_text(MAPPING.replace('"table"', '"parquet"'))
    with pytest.raises(UsageError, match='format = "table"'):
        list(pull(workspace, mapping, DuckTable(tmp_path).url).round())


def test_the_command_reads_a_table_and_shows_no_password(workspace, mapping, tmp_path, monkeypatch, capsys):
    table = DuckTable(tmp_path)
    table.add(range(7))
    monkeypatch.setenv("STILLWATCH_SOURCES__IBIS", json.dumps({"url": table.url}).replace('":', '" ='))
    arguments = ["--workspace", str(workspace.path), "ingest", "calls", "--source", "ibis", "--mapping", str(mapping)]
    assert main([*arguments, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["rows_out"] == 7
    monkeypatch.setenv("STILLWATCH_SOURCES__IBIS", '{url = "clickhouse://reader:hunter2@db/x"}')
    assert main(["config", "show"]) == 0
    assert "hunter2" not in capsys.readouterr().out
