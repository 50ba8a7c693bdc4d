"""Where expressions run. The only room that names a driver."""

from pathlib import Path

from stillwatch.engines.base import Engine
from stillwatch.engines.settings import Settings
from stillwatch.errors import UsageError

__all__ = ["Engine", "Settings", "open_engine"]


def open_engine(spec: str, settings: Settings) -> Engine:
    """The engine that `spec` names: `duckdb`, `spark` (this machine), `local[N]` or `spark://host:port`.

    Raises:
        UsageError: `spec` names no engine.
        EngineUnavailable: the engine's packages, or Java, are not installed.
    """
    directory = None if settings.temp_directory is None else Path(settings.temp_directory)
    if spec == "duckdb":
        from stillwatch.engines.duckdb import DuckDBEngine

        return DuckDBEngine(memory_limit=settings.memory_limit, threads=settings.threads, temp_directory=directory)
    master = f"local[{settings.threads or '*'}]" if spec == "spark" else spec
    if master.startswith(("local[", "spark://")):
        from stillwatch.engines.spark import SparkEngine

        return SparkEngine(master=master, memory_limit=settings.memory_limit, temp_directory=directory)
    raise UsageError(f"unknown engine {spec!r}: expected duckdb, spark, local[N] or spark://host:port")
