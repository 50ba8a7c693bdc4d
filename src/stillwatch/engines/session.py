"""Starting Spark, or joining a session that runs; and saying plainly what is wrong when neither works."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from stillwatch.errors import ConfigError, EngineUnavailable, ExternalServiceError, UsageError

INSTALL_HINT: Final = (
    "install it with `pip install 'stillwatch[spark]'` and have Java 17 on the PATH, or use --engine duckdb"
)
MIN_JAVA: Final = 17
"""Spark 4 is compiled for it; an older one ends before it says a word to Python."""
CONNECT_SECONDS: Final = 5.0
"""For one TCP connection to a master; Spark itself tries for a minute and then fails inside of its own clean-up."""
EXECUTOR_SECONDS: Final = 60.0
"""How long a started session waits for its first executor; without one, Spark would wait for ever and say nothing."""

_LOCAL: Final = {
    # Spark's default of 200 is for clusters; adaptive execution joins small ones but still plans them.
    "spark.sql.shuffle.partitions": "8",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}
_QUIET: Final = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
_MEANING: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.ansi.enabled": "true",
}
"""Settings that change answers, not speed: they hold in every session that we use, whoever started it."""


def open_session(master: str | None, memory_limit: str | None, warehouse: str) -> tuple[Any, bool]:
    """A session for one engine, and whether closing the engine has to stop Spark.

    A Spark that runs in this process is joined: its resources, with settings and views of our own. `master` None is
    the one that `spark-submit` was told, with the resources that it was told.

    Raises:
        EngineUnavailable: PySpark or Java is missing or too old, or the versions do not fit together.
        ExternalServiceError: the master does not answer, or gives no executor.
        UsageError: the process runs another Spark than the cluster asked for, or `master` has no port.
    """
    session_class = _session_class()
    if (running := session_class.getActiveSession()) is not None:
        _check_is_wanted(running, master)
        joined = running.newSession()
        for key, value in _MEANING.items():
            joined.conf.set(key, value)
        return joined, False
    _check_spark_home()
    settings = {**_MEANING, "spark.sql.warehouse.dir": warehouse}
    if master is None:
        return _started(session_class, master, settings), True
    settings |= _QUIET
    if memory_limit is not None:
        settings["spark.driver.memory"] = heap(memory_limit)
    if is_local(master):
        return _started(session_class, master, settings | _LOCAL), True
    _check_master_answers(master)
    session = _started(session_class, master, settings)
    try:
        _await_executor(session, master, EXECUTOR_SECONDS)
    except BaseException:
        session.stop()
        raise
    return session, True


def is_submitted() -> bool:
    """True when `spark-submit` started this process, and with it a JVM that knows its master."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def heap(memory_limit: str) -> str:
    """DuckDB's text form of a memory size (`4GB`, `512MiB`) in Java's (`4g`, `512m`)."""
    match = re.fullmatch(r"\s*(\d+)\s*([kmgt])(i?b)?\s*", memory_limit, flags=re.IGNORECASE)
    if match is None:
        raise ConfigError(f"engines: memory_limit {memory_limit!r} is not a size such as 4GB")
    return match[1] + match[2].lower()


def is_local(master: str) -> bool:
    """True when the executors are threads of the driver."""
    return master.startswith("local")


def _session_class() -> Any:
    try:
        import pandas  # noqa: F401  (Ibis' PySpark backend imports it)
        from pyspark.sql import SparkSession
        from pyspark.sql.utils import is_remote
    except ImportError as error:
        raise EngineUnavailable(f"the Spark engine is not installed ({error}): {INSTALL_HINT}") from error
    if is_remote():
        raise EngineUnavailable(
            "this process talks to Spark through Spark Connect, which is not supported: run where the driver is, in a "
            "classic session (spark-submit, or a notebook on a cluster that is not serverless)"
        )
    return SparkSession


def _check_is_wanted(running: Any, master: str | None) -> None:
    found = running.sparkContext.master
    if master is not None and not is_local(master) and found != master:
        raise UsageError(
            f"this process already runs Spark on {found}, so {master} cannot be used: stop that session first, or say "
            "--engine spark to work on it"
        )


def _check_spark_home() -> None:
    """Major and minor of Spark's jars and of PySpark must agree: each calls the other's private methods."""
    import pyspark

    home = os.environ.get("SPARK_HOME")
    jar = next(Path(home).glob("jars/spark-core_*.jar"), None) if home else None
    if jar is None:
        return
    found, wanted = jar.stem.rpartition("-")[2], pyspark.__version__
    if found.split(".")[:2] != wanted.split(".")[:2]:
        raise EngineUnavailable(
            f"SPARK_HOME={home} is Spark {found} and the installed PySpark is {wanted}: unset SPARK_HOME to use the "
            "Spark inside of the PySpark package, or install the PySpark of that version if it is supported (4.0)"
        )


def _check_master_answers(master: str) -> None:
    reasons = []
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise UsageError(f"{master!r} is no Spark master: expected spark://host:port, as in spark://10.0.0.1:7077")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            reasons.append(f"{address}: {error.strerror or error}")
        else:
            return
    raise ExternalServiceError(
        f"no Spark master answers at {master} ({'; '.join(reasons)}): start one (docs/scaling-out.md), correct the "
        "address, or use --engine duckdb"
    )


def _started(session_class: Any, master: str | None, settings: dict[str, str]) -> Any:
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    builder = session_class.builder.appName("stillwatch")
    if master is not None:
        builder = builder.master(master)
    for key, value in settings.items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate()
    except (PySparkException, Py4JError, OSError) as error:
        fault, reason = _java_fault(), str(error).strip().splitlines()[0]
        if fault or (master is not None and is_local(master)):
            raise EngineUnavailable(f"Spark did not start on {master} ({fault or reason}): {INSTALL_HINT}") from error
        raise ExternalServiceError(_refused(master, reason)) from error


def _refused(master: str | None, reason: str) -> str:
    import pyspark

    if master is None:
        return f"Spark did not start as spark-submit was told ({reason}): look at its output and the cluster's log"
    return (
        f"Spark did not start on {master} ({reason}): something listens there, but it is no master of Spark "
        f"{pyspark.__version__}, or it refuses this machine; look at the master's log"
    )


def _java_fault() -> str | None:
    """What is wrong with the Java that Spark's scripts would start; None when nothing is."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or not Path(java).exists():
        return f"JAVA_HOME={home} holds no bin/java" if home else "no java on the PATH, and JAVA_HOME is not set"
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - the user's
    match = re.search(r'version "(?:1\.)?(\d+)', said.stderr + said.stdout)
    if match is not None and int(match[1]) < MIN_JAVA:
        return f"{java} is Java {match[1]}, and Spark 4 needs {MIN_JAVA}"
    return f"{java} does not run" if said.returncode else None


def _await_executor(session: Any, master: str, seconds: float) -> None:
    tracker = session.sparkContext._jsc.sc().statusTracker()
    deadline = time.monotonic() + seconds
    while len(tracker.getExecutorInfos()) < 2:  # the driver is one of them
        if time.monotonic() > deadline:
            memory = session.sparkContext.getConf().get("spark.executor.memory", "1g")
            raise ExternalServiceError(
                f"the Spark master {master} gave no executor of {memory} within {seconds:.0f} s: start workers, wait "
                "until they are free, or ask for less (spark.executor.memory in spark-defaults.conf)"
            )
        time.sleep(0.2)
