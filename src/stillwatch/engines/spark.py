"""PySpark: the engine for data that one machine no longer holds."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from stillwatch.engines.exchange import Exchange
from stillwatch.engines.session import is_local, open_session
from stillwatch.engines.shape import arrow_schema, columns_of_files, conform, ibis_schema
from stillwatch.errors import ConfigError
from stillwatch.model.table import Table

if TYPE_CHECKING:
    import ibis.expr.schema as isc
    import ibis.expr.types as ir

MAX_PROBES: Final = 64
"""Tasks that write into the exchange folder when a cluster is opened; enough to touch the executors of most."""


class SparkEngine:
    """Runs expressions on the Spark of `master`: `local[N]`, `spark://host:port`, or None for that of `spark-submit`.

    Every table that enters or leaves Spark is a folder of Parquet files below `temp_directory`, which driver and
    executors must share; None is a private folder, enough for a local master. Parquet and not a socket: results stream
    in bounded memory, and PySpark leaves its sockets to the garbage collector. `memory_limit` is the driver's heap and
    counts only when this engine starts Spark; a Spark that already runs in this process is joined and left running.

    Expressions are SQL to Spark: executors run no Python, so they need neither this package nor an interpreter.
    """

    name = "spark"

    def __init__(self, *, master: str | None, memory_limit: str | None, temp_directory: str | None) -> None:
        self._exchange = Exchange(temp_directory)
        self._is_own_session = False
        try:
            self._session, self._is_own_session = open_session(master, memory_limit, self._exchange.url("warehouse"))
            import ibis

            self._backend = ibis.pyspark.connect(self._session)
            self._backend.compiler = _compiler()
            if not is_local(self._session.sparkContext.master):
                check_shared(self._session, self._exchange, temp_directory)
        except BaseException:
            self._release()
            raise
        self._names = (f"{self._exchange.name}_{number}".replace("-", "_") for number in count())
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
        self._exchange.write(name, conform(table, rows))
        return self._view(name, [self._exchange.url(name)], ibis_schema(table.schema))

    def materialize(self, expression: "ir.Table") -> "ir.Table":
        """Evaluate once into Parquet files and return them as an expression."""
        name = self._new_name()
        self._write(expression, name)
        return self._view(name, [self._exchange.url(name)], expression.schema())

    def to_arrow(self, expression: "ir.Table") -> pa.Table:
        """Evaluate into memory, in plain Arrow types. For results by the thousand, not for bulk rows."""
        return pa.Table.from_batches(self.to_batches(expression), schema=arrow_schema(expression))

    def to_batches(self, expression: "ir.Table", *, n_rows: int = 200_000) -> Iterator[pa.RecordBatch]:
        """Evaluate and stream the rows in batches of at most `n_rows`; other calls may run in between."""
        schema = arrow_schema(expression)
        name = next(self._names)
        self._write(expression, name)
        try:
            for batch in self._exchange.batches(name, n_rows):
                yield batch.cast(schema)
        finally:
            self._exchange.drop(name)

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
        self._release()

    def _release(self) -> None:
        if self._is_own_session:
            self._session.stop()
        self._exchange.close()

    def _new_name(self) -> str:
        name = next(self._names)
        self._views.append(name)
        return name

    def _drop(self, names: Sequence[str]) -> None:
        for name in reversed(names):
            self._session.catalog.dropTempView(name)
            self._exchange.drop(name)

    def _view(self, name: str, paths: Sequence[str], schema: "isc.Schema") -> "ir.Table":
        import ibis.expr.operations as ops
        from ibis.backends.pyspark.datatypes import PySparkSchema

        reader = self._session.read.schema(PySparkSchema.from_ibis(schema))
        reader.parquet(*(_spark_path(path) for path in paths)).createOrReplaceTempView(name)
        return ops.DatabaseTable(name, schema=schema, source=self._backend).to_expr()

    def _write(self, expression: "ir.Table", name: str) -> None:
        """Evaluate into Parquet files whose columns have the types that Ibis promises."""
        types = self._backend.compiler.type_mapper
        columns = [
            f"CAST(`{column}` AS {types.to_string(kind)}) AS `{column}`" for column, kind in expression.schema().items()
        ]
        rows = self._session.sql(self._backend.compile(expression)).selectExpr(*columns)
        rows.write.mode("overwrite").parquet(self._exchange.url(name))


def check_shared(session: Any, exchange: Exchange, said: str | None) -> None:
    """Send a few rows to the executors and back through the exchange folder.

    NOTE: an executor that writes into a folder of its own disk reports success, and the driver finds no rows: without
    this check every answer would be empty.

    Raises:
        ConfigError: executors do not see the driver's files, or the driver does not see theirs.
    """
    from pyspark.errors import PySparkException

    n_tasks = min(int(session.sparkContext.defaultParallelism), MAX_PROBES)
    exchange.write("sent", pa.table({"task": pa.array(range(n_tasks), pa.int64())}))
    try:
        sent = session.read.schema("task long").parquet(_spark_path(exchange.url("sent")))
        sent.repartition(n_tasks).write.parquet(exchange.url("returned"))
        n_returned = sum(batch.num_rows for batch in exchange.batches("returned", n_tasks))
    except PySparkException as error:
        raise ConfigError(_not_shared(said, str(error).strip().splitlines()[0])) from error
    if n_returned != n_tasks:
        raise ConfigError(_not_shared(said, f"{n_returned} of {n_tasks} rows came back"))
    for name in ("sent", "returned"):
        exchange.drop(name)


def _not_shared(said: str | None, reason: str) -> str:
    folder = "a folder of this machine alone" if said is None else repr(said)
    return (
        f"driver and executors do not share engines.temp_directory, which is {folder} ({reason}): set it to a folder "
        "on a network file system, or to the URL of an object store, that all of them read and write"
    )


def _compiler() -> Any:
    """Ibis' PySpark compiler with NULL and NaN kept apart, as on DuckDB: Ibis' own calls NaN null on Spark."""
    from ibis.backends.sql.compilers.base import SQLGlotCompiler
    from ibis.backends.sql.compilers.pyspark import PySparkCompiler

    class NullIsNotNan(PySparkCompiler):  # type: ignore[misc]
        __slots__ = ()
        visit_IsNull = SQLGlotCompiler.visit_IsNull  # noqa: N815
        visit_NotNull = SQLGlotCompiler.visit_NotNull  # noqa: N815

    return NullIsNotNan()


def _spark_path(path: str) -> str:
    """`path` as a URL, because a cluster's default file system need not be the disk; pattern characters escaped."""
    url = path if "://" in path else f"file://{Path(path).absolute()}"
    return re.sub(r"([\\*?{}\[\]])", r"\\\1", url)
