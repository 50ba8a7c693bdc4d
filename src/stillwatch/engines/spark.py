"""PySpark: the engine for data that one machine no longer holds."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from stillwatch.engines.shape import arrow_schema, columns_of_files, conform, ibis_schema
from stillwatch.errors import ConfigError, EngineUnavailable
from stillwatch.model.table import Table

if TYPE_CHECKING:
    import ibis.expr.schema as isc
    import ibis.expr.types as ir

INSTALL_HINT = "install it with `pip install 'stillwatch[spark]'` and have Java 17 on the PATH, or use --engine duckdb"

_LOCAL = {
    # Spark's default of 200 is for clusters; adaptive execution joins small ones but still plans them.
    "spark.sql.shuffle.partitions": "8",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}

_COMMON = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}


class SparkEngine:
    """Runs expressions on the Spark session of `master` (`local[N]` or `spark://host:port`).

    Every table that enters or leaves Spark is a folder of Parquet files below `temp_directory`, which driver and
    executors must share; None is a private folder, enough for a local master. Parquet and not a socket: results stream
    in bounded memory, and PySpark leaves its sockets to the garbage collector. `memory_limit` is the driver's heap and
    counts only when this engine starts the session; a session that was already running is used and left running.
    """

    name = "spark"

    def __init__(self, *, master: str, memory_limit: str | None, temp_directory: Path | None) -> None:
        if temp_directory is not None:
            temp_directory.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="stillwatch-spark-", dir=temp_directory))
        try:
            self._session, self._is_own_session = _session(master, memory_limit, self._folder)
            import ibis

            self._backend = ibis.pyspark.connect(self._session)
            self._backend.compiler = _compiler()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        # NOTE: views live in the session, which several engines may share, so names carry the folder's random part.
        self._names = (f"{self._folder.name}_{number}".replace("-", "_") for number in count())
        self._views: list[str] = []
        self._is_open = True

    def read(self, table: Table, files: Sequence[str]) -> "ir.Table":
        """The rows of Parquet `files` in the shape of `table`; no files gives no rows."""
        if not files:
            return self.from_arrow(table, table.empty())
        columns_of_files(table, files)
        return self._view(self._new_name(), files, ibis_schema(table.schema))

    def from_arrow(self, table: Table, rows: pa.Table) -> "ir.Table":
        """Arrow `rows`, written to the temporary folder, as an expression in the shape of `table`."""
        name = self._new_name()
        folder = self._folder / name
        folder.mkdir()
        pq.write_table(conform(table, rows), folder / "rows.parquet")
        return self._view(name, [str(folder)], ibis_schema(table.schema))

    def materialize(self, expression: "ir.Table") -> "ir.Table":
        """Evaluate once into Parquet files and return them as an expression."""
        name = self._new_name()
        folder = self._write(expression, name)
        return self._view(name, [str(folder)], expression.schema())

    def to_arrow(self, expression: "ir.Table") -> pa.Table:
        """Evaluate into memory, in plain Arrow types. For results by the thousand, not for bulk rows."""
        return pa.Table.from_batches(self.to_batches(expression), schema=arrow_schema(expression))

    def to_batches(self, expression: "ir.Table", *, n_rows: int = 200_000) -> Iterator[pa.RecordBatch]:
        """Evaluate and stream the rows in batches of at most `n_rows`; other calls may run in between."""
        schema = arrow_schema(expression)
        folder = self._write(expression, next(self._names))
        try:
            # The order of part files is the order of the rows.
            files = sorted(str(file) for file in folder.glob("*.parquet"))
            for batch in pads.dataset(files, schema=_as_written(files, schema)).to_batches(batch_size=n_rows):
                if batch.num_rows:
                    yield batch.cast(schema)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """A span of work: tables and views made inside are dropped on leaving, also when it fails. Scopes may nest."""
        n_before = len(self._views)
        try:
            yield
        finally:
            self._drop(self._views[n_before:])
            del self._views[n_before:]

    def close(self) -> None:
        """Drop the views, remove the files, and stop the session if this engine started it. Twice is harmless."""
        if not self._is_open:
            return
        self._is_open = False
        self._drop(self._views)
        if self._is_own_session:
            self._session.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _new_name(self) -> str:
        name = next(self._names)
        self._views.append(name)
        return name

    def _drop(self, names: Sequence[str]) -> None:
        for name in reversed(names):
            self._session.catalog.dropTempView(name)
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def _view(self, name: str, paths: Sequence[str], schema: "isc.Schema") -> "ir.Table":
        import ibis.expr.operations as ops
        from ibis.backends.pyspark.datatypes import PySparkSchema

        reader = self._session.read.schema(PySparkSchema.from_ibis(schema))
        reader.parquet(*(_without_glob(path) for path in paths)).createOrReplaceTempView(name)
        return ops.DatabaseTable(name, schema=schema, source=self._backend).to_expr()

    def _write(self, expression: "ir.Table", name: str) -> Path:
        """Evaluate into Parquet files whose columns have the types that Ibis promises."""
        types = self._backend.compiler.type_mapper
        columns = [
            f"CAST(`{column}` AS {types.to_string(kind)}) AS `{column}`" for column, kind in expression.schema().items()
        ]
        folder = self._folder / name
        rows = self._session.sql(self._backend.compile(expression)).selectExpr(*columns)
        rows.write.mode("overwrite").parquet(str(folder))
        return folder


def _session(master: str, memory_limit: str | None, folder: Path) -> tuple[Any, bool]:
    """The running Spark session and False, or a new one and True."""
    try:
        import pandas  # noqa: F401  (Ibis' PySpark backend imports it)
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise EngineUnavailable(f"the Spark engine is not installed ({error}): {INSTALL_HINT}") from error
    if (running := SparkSession.getActiveSession()) is not None:
        return running, False
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(master).appName("stillwatch")
    settings = {**_COMMON, "spark.sql.warehouse.dir": str(folder / "warehouse")}
    if master.startswith("local["):
        settings |= _LOCAL
    if memory_limit is not None:
        settings["spark.driver.memory"] = _heap(memory_limit)
    for key, value in settings.items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate(), True
    except (PySparkException, OSError) as error:
        raise EngineUnavailable(f"Spark did not start on {master} ({error}): {INSTALL_HINT}") from error


def _compiler() -> Any:
    """Ibis' PySpark compiler with NULL and NaN kept apart, as on DuckDB: Ibis' own calls NaN null on Spark."""
    from ibis.backends.sql.compilers.base import SQLGlotCompiler
    from ibis.backends.sql.compilers.pyspark import PySparkCompiler

    class NullIsNotNan(PySparkCompiler):  # type: ignore[misc]
        __slots__ = ()
        visit_IsNull = SQLGlotCompiler.visit_IsNull  # noqa: N815
        visit_NotNull = SQLGlotCompiler.visit_NotNull  # noqa: N815

    return NullIsNotNan()


def _heap(memory_limit: str) -> str:
    """DuckDB's text form of a memory size (`4GB`, `512MiB`) in Java's (`4g`, `512m`)."""
    match = re.fullmatch(r"\s*(\d+)\s*([kmgt])(i?b)?\s*", memory_limit, flags=re.IGNORECASE)
    if match is None:
        raise ConfigError(f"engines: memory_limit {memory_limit!r} is not a size such as 4GB")
    return match[1] + match[2].lower()


def _without_glob(path: str) -> str:
    """`path` with Hadoop's pattern characters escaped."""
    return re.sub(r"([\\*?{}\[\]])", r"\\\1", path)


def _as_written(files: Sequence[str], schema: pa.Schema) -> pa.Schema:
    """The schema of Spark's files, or `schema` where Spark wrote none because there were no rows."""
    return pq.read_schema(files[0]) if files else schema
