"""Where expressions run. The only room that names a driver."""

from pathlib import Path

from stillwatch.engines.base import Engine
from stillwatch.engines.settings import Settings
from stillwatch.errors import UsageError

__all__ = ["Engine", "Settings", "open_engine"]


def open_engine(spec: str, settings: Settings) -> Engine:
    """The engine that `spec` names: `duckdb`, `spark`, `local[N]` or `spark://host:port`.

    `spark` is the Spark that this process was given, whatever its cluster: a session that runs in it, or the master
    that `spark-submit` was told. Where there is neither it is this machine.

    Raises:
        UsageError: `spec` names no engine, or another cluster than the one that this process already works on.
        ConfigError: `settings` do not fit the engine, or its executors do not see the temporary directory.
        EngineUnavailable: the engine's packages, or Java, are missing or of a version that does not fit.
        ExternalServiceError: the cluster's master does not answer, or gives no executor.
    """
    if spec == "duckdb":
        from stillwatch.engines.duckdb import DuckDBEngine

        directory = None if settings.temp_directory is None else Path(settings.temp_directory)
        return DuckDBEngine(memory_limit=settings.memory_limit, threads=settings.threads, temp_directory=directory)
    if spec == "spark" or spec.startswith(("local[", "spark://")):
        from stillwatch.engines.session import is_submitted
        from stillwatch.engines.spark import SparkEngine

        given = None if is_submitted() else f"local[{settings.threads or '*'}]"
        return SparkEngine(
            master=given if spec == "spark" else spec,
            memory_limit=settings.memory_limit,
            temp_directory=settings.temp_directory,
        )
    raise UsageError(f"unknown engine {spec!r}: expected duckdb, spark, local[N] or spark://host:port")
