"""What is said when a Spark cannot be started or joined. No test here starts one."""

import socket
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from stillwatch.engines import Settings, open_engine, session
from stillwatch.errors import EngineUnavailable, ExternalServiceError, UsageError


@pytest.fixture
def no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no other test had started a Spark in this process."""
    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)
    monkeypatch.delenv("SPARK_HOME", raising=False)


def java(folder: Path, says: str, code: int = 0) -> Path:
    """A JAVA_HOME whose `java -version` says this on standard error."""
    program = folder / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {code}\n")
    program.chmod(0o755)
    return folder


@pytest.mark.usefixtures("no_session")
def test_a_master_that_does_not_answer_is_named_before_java_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(
        ExternalServiceError, match=rf"no Spark master answers at spark://127\.0\.0\.1:{port} .*start one"
    ):
        open_engine(f"spark://127.0.0.1:{port}", Settings(temp_directory=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_one_master_of_several_that_answers_is_enough() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        session._check_master_answers(f"spark://127.0.0.1:1,127.0.0.1:{port}")


@pytest.mark.usefixtures("no_session")
@pytest.mark.parametrize("word", ["spark://", "spark://host", "spark://host:", "spark://:7077", "spark://host:port"])
def test_a_master_without_host_or_port_is_a_usage_error(word: str) -> None:
    with pytest.raises(UsageError, match="expected spark://host:port"):
        open_engine(word, Settings())


@pytest.mark.parametrize(
    ("says", "code", "fault"),
    [
        ('openjdk version "11.0.2" 2019-01-15', 0, "is Java 11, and Spark 4 needs 17"),
        ('java version "1.8.0_392"', 0, "is Java 8, and Spark 4 needs 17"),
        ("cannot execute", 126, "does not run"),
    ],
)
def test_a_java_that_cannot_run_spark_is_named(
    says: str, code: int, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, says, code)))
    found = session._java_fault()
    assert found is not None
    assert found == f"{tmp_path}/bin/java {fault}"


@pytest.mark.parametrize("says", ['openjdk version "17.0.15" 2025-04-15', 'openjdk version "21" 2023-09-19'])
def test_a_java_that_runs_spark_is_no_fault(says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, says)))
    assert session._java_fault() is None


def test_no_java_on_the_path_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert session._java_fault() == "no java on the PATH, and JAVA_HOME is not set"


@pytest.mark.usefixtures("no_session")
def test_a_spark_home_of_another_version_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "spark-core_2.12-3.5.1.jar").touch()
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    with pytest.raises(
        EngineUnavailable, match=r"is Spark 3\.5\.1 and the installed PySpark is 4\.0.*unset SPARK_HOME"
    ):
        open_engine("local[1]", Settings())


def test_spark_connect_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyspark.sql.utils.is_remote", lambda: True)
    with pytest.raises(EngineUnavailable, match=r"Spark Connect, which is not supported.*classic session"):
        open_engine("spark", Settings())
