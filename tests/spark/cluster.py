"""A real standalone cluster on the loopback interface, from the PySpark package: one master, two workers."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
NO_PYTHON = "/nowhere/python"
"""What the workers are told is their interpreter: no stage may need one."""
DEFAULTS = """
spark.sql.shuffle.partitions 4
spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1
spark.executor.extraJavaOptions -XX:TieredStopAtLevel=1
"""
"""A few thousand rows: few partitions, and a compiler that does not optimise what runs for a minute."""
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """`environ` is what a driver on this machine needs beside its own environment."""

    master: str
    environ: Mapping[str, str]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One master and two workers of 1 core and 1 GB, started for the first test that asks and ended by their ids."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "spark-defaults.conf").write_text(DEFAULTS)
    environ = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_CONF_DIR": str(folder)}
    with ExitStack() as daemons:
        log = daemons.enter_context(_daemon(folder, "master.Master", ["--port", "0"], environ))
        master = _said(log, r"Starting Spark master at (spark://\S+)")
        for number in (1, 2):
            where = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work{number}"), master]
            log = daemons.enter_context(_daemon(folder, "worker.Worker", where, environ, name=f"worker{number}"))
            _said(log, "Successfully registered with (master)")
        yield Cluster(master, environ)


def stillwatch(*arguments: str, environ: Mapping[str, str], before: str = "") -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, because a process runs one Spark; `before` is run first."""
    code = f"{before}\nfrom stillwatch.cli.app import script\nscript()"
    return _run([sys.executable, "-c", code, *arguments], environ)


def spark_submit(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Spark's own launcher, told the cluster's master; the driver is a process of this machine."""
    command = [str(_spark_home() / "bin" / "spark-submit"), "--master", cluster.master, *arguments]
    return _run(command, {**cluster.environ, "PYSPARK_PYTHON": sys.executable})


def _run(command: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join((str(REPOSITORY / "src"), str(REPOSITORY)))
    settings = {**os.environ, "PYTHONPATH": paths, **environ}
    return subprocess.run(command, env=settings, capture_output=True, text=True, check=False, timeout=600)


def _spark_home() -> Path:
    import pyspark

    return Path(pyspark.__file__).parent


@contextmanager
def _daemon(
    folder: Path, kind: str, arguments: list[str], environ: Mapping[str, str], *, name: str = "master"
) -> Iterator[Path]:
    """Yields the log of a running Spark daemon; `spark-class` becomes the JVM, so its id is the daemon's."""
    home = _spark_home()
    log = folder / f"{name}.log"
    command = [
        str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}",
        "--host", "127.0.0.1", "--webui-port", "0", *arguments,
    ]  # fmt: skip
    settings = {"SPARK_HOME": str(home), "SPARK_DAEMON_MEMORY": "256m", "PYSPARK_PYTHON": NO_PYTHON}
    with log.open("w") as out:
        process = subprocess.Popen(command, env={**os.environ, **environ, **settings}, stdout=out, stderr=out)
    try:
        yield log
    finally:
        process.terminate()
        process.wait(timeout=30)


def _said(log: Path, pattern: str) -> str:
    """The first group of `pattern` once the daemon has logged it."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"{log.name} says no {pattern!r} within {START_SECONDS:.0f} s:\n{log.read_text()[-2000:]}")
