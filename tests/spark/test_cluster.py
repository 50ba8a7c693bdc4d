"""Spark as a cluster: what a standalone master with two workers answers, and what is said when there is none."""

import shutil
import socket
from pathlib import Path
from subprocess import CompletedProcess

import pyarrow.parquet as pq
import pyspark
import pytest

from stillwatch import simulate
from stillwatch.errors import EngineUnavailable, ExternalServiceError
from stillwatch.model.tables import ACCOUNT_FINDINGS, CAMPAIGN_MEMBERS, CAMPAIGNS
from stillwatch.store.workspace import Workspace
from tests.engines.parity import assert_same_rows
from tests.small_world import SEED, new_workspace
from tests.spark.cluster import Cluster, spark_submit, stillwatch
from tests.spark.test_parity import COMPARED, SMALL_WORLD

KEPT = (*COMPARED, CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS)
SHORT_WAIT = "import stillwatch.engines.session as session; session.EXECUTOR_SECONDS = 2.0"


@pytest.mark.spark
@pytest.mark.slow
def test_detect_on_a_standalone_cluster_makes_the_same_rows_as_duckdb(tmp_path: Path, cluster: Cluster) -> None:
    made = simulate.simulate(SMALL_WORLD, seed=SEED, out_dir=tmp_path / "world")
    with new_workspace(tmp_path / "workspace", tmp_path / "world") as watch:
        watch.ingest([made.exchanges])
    for name, engine in (("duckdb", "duckdb"), ("cluster", cluster.master)):
        detect(tmp_path, name, engine, cluster)
    tables = {
        table: [pq.read_table(tmp_path / f"{name}-tables" / f"{table.name}.parquet") for name in ("duckdb", "cluster")]
        for table in KEPT
    }
    assert tables[CAMPAIGNS][0].num_rows > 0
    for table, (left, right) in tables.items():
        assert_same_rows(left, right, table.key)
    assert list((tmp_path / "exchange").iterdir()) == []


def detect(folder: Path, name: str, engine: str, cluster: Cluster) -> None:
    """One run of `stillwatch detect` on a copy of the workspace; its tables are kept in `{name}-tables`."""
    shutil.copytree(folder / "workspace", folder / name)
    before = (
        "from pathlib import Path\n"
        "from tests.spark.keeping import keep_tables\n"
        "from tests.spark.test_cluster import KEPT\n"
        f"keep_tables(Path({str(folder / f'{name}-tables')!r}), KEPT)"
    )
    environ = {
        **cluster.environ,
        "STILLWATCH_KEYS": str(folder / "world" / "keys.json"),
        "STILLWATCH_ENGINES__TEMP_DIRECTORY": str(folder / "exchange"),
    }
    arguments = ("--workspace", str(folder / name), "detect", "--engine", engine, "--window", "7d", "--alpha", "0.005")
    ended = stillwatch(*arguments, environ=environ, before=before)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.spark
@pytest.mark.slow
def test_a_cluster_that_gives_no_executor_is_named_and_not_waited_for(
    tmp_path: Path, cluster: Cluster, workspace: Workspace
) -> None:
    (tmp_path / "spark-defaults.conf").write_text("spark.executor.memory 100g\n")
    environ = {**cluster.environ, "SPARK_CONF_DIR": str(tmp_path)}
    ended = detect_in(workspace, cluster.master, before=SHORT_WAIT, **environ)
    assert ended.returncode == ExternalServiceError.exit_code
    assert f"stillwatch: the Spark master {cluster.master} gave no executor of 100g within 2 s" in ended.stderr


@pytest.mark.spark
@pytest.mark.slow
def test_the_word_spark_is_the_cluster_that_spark_submit_was_told(tmp_path: Path, cluster: Cluster) -> None:
    program = tmp_path / "job.py"
    program.write_text(
        "from stillwatch.engines import Settings, open_engine\n"
        f"engine = open_engine('spark', Settings(temp_directory={str(tmp_path / 'exchange')!r}))\n"
        "print('master', engine._session.sparkContext.master)\n"
        "engine.close()\n"
    )
    ended = spark_submit(cluster, str(program))
    assert ended.returncode == 0, ended.stderr
    assert f"master {cluster.master}" in ended.stdout


@pytest.mark.spark
@pytest.mark.slow
def test_a_service_that_is_no_master_of_this_spark_is_named(workspace: Workspace) -> None:
    """Spark asks three times, 20 seconds apart; a master of another version hangs up as this listener does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"spark://127.0.0.1:{listener.getsockname()[1]}"
        ended = detect_in(workspace, address, SPARK_LOCAL_IP="127.0.0.1")
    assert ended.returncode == ExternalServiceError.exit_code
    assert f"stillwatch: Spark did not start on {address}" in ended.stderr
    assert f"no master of Spark {pyspark.__version__}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_master_that_does_not_answer_is_an_external_service_that_failed(workspace: Workspace) -> None:
    ended = detect_in(workspace, "spark://127.0.0.1:1")
    assert ended.returncode == ExternalServiceError.exit_code
    assert ended.stderr.startswith("stillwatch: no Spark master answers at spark://127.0.0.1:1 (")
    assert "use --engine duckdb" in ended.stderr


def test_spark_without_java_says_that_java_is_missing(workspace: Workspace) -> None:
    ended = detect_in(workspace, "local[1]", JAVA_HOME="/nowhere")
    assert ended.returncode == EngineUnavailable.exit_code
    assert "stillwatch: Spark did not start on local[1] (JAVA_HOME=/nowhere holds no bin/java)" in ended.stderr
    assert "have Java 17 on the PATH" in ended.stderr


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace: the engine is opened before its rows are looked for."""
    made = Workspace.init(tmp_path / "empty", environ={"STILLWATCH_KEYS": str(tmp_path / "keys.json")})
    made.close()
    return made


def detect_in(workspace: Workspace, engine: str, *, before: str = "", **environ: str) -> CompletedProcess[str]:
    """`stillwatch detect` on `engine`, in a process of its own."""
    keys = {"STILLWATCH_KEYS": workspace.environ["STILLWATCH_KEYS"]}
    return stillwatch(
        "--workspace", str(workspace.path), "detect", "--engine", engine, environ={**keys, **environ}, before=before
    )
