"""DuckDB, embedded: the default engine."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from stillwatch.engines.shape import arrow_schema, columns_of_files, conform, ibis_schema
from stillwatch.model.table import Table

if TYPE_CHECKING:
    import ibis.expr.schema as isc
    import ibis.expr.types as ir

COMPRESSED_AT: Final = 20_000_000
"""Values in new tables at which they are compressed, about 150 MB of them: smaller work is not slowed down."""


class DuckDBEngine:
    """Runs expressions in this process on an in-memory DuckDB database that spills to `temp_directory`.

    `memory_limit` is DuckDB's text form (`4GB`; None is 80 % of the machine's memory), `threads` None is every core.
    With `temp_directory` None a private folder is made, and removed on `close`. No DuckDB extension is ever loaded
    from the network.

    NOTE: tables are ordinary tables of the private database, not TEMP ones, because TEMP tables and registered Arrow
    objects are invisible to the cursor that `to_batches` streams from.
    """

    name = "duckdb"

    def __init__(self, *, memory_limit: str | None, threads: int | None, temp_directory: Path | None) -> None:
        import ibis

        self._owned_directory = None if temp_directory else Path(tempfile.mkdtemp(prefix="stillwatch-duckdb-"))
        spill = temp_directory or self._owned_directory
        config: dict[str, Any] = {
            "temp_directory": str(spill),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        if memory_limit is not None:
            config["memory_limit"] = memory_limit
        if threads is not None:
            config["threads"] = threads
        self._backend = ibis.duckdb.connect(":memory:", **config)
        self._connection = self._backend.con
        # NOTE: in Jupyter without ipywidgets the bar is off, and DuckDB refuses to set it even to that.
        if self._connection.execute("SELECT current_setting('enable_progress_bar')").fetchone() != (False,):
            self._connection.execute("SET enable_progress_bar = false")
        self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
        # NOTE: Ibis 12 writes array functions (map, filter, unique) with the arrow that DuckDB 2.0 refuses by default.
        self._connection.execute("SET GLOBAL lambda_syntax = 'ENABLE_SINGLE_ARROW'")
        self._names = (f"stillwatch_{number}" for number in count())
        self._relations: list[tuple[str, str]] = []
        self._n_uncompressed = 0
        self._n_streams = 0
        self._is_open = True

    def read(self, table: Table, files: Sequence[str]) -> "ir.Table":
        """The rows of Parquet `files` in the shape of `table`; no files gives no rows."""
        if not files:
            return self.from_arrow(table, table.empty())
        schema = ibis_schema(table.schema)
        parts = [self._select(schema, present, group) for present, group in columns_of_files(table, files).items()]
        name = self._new_name("VIEW")
        self._connection.execute(f'CREATE VIEW "{name}" AS {" UNION ALL ".join(parts)}')
        return self._named(name, schema)

    def from_arrow(self, table: Table, rows: pa.Table) -> "ir.Table":
        """Arrow `rows`, copied into the database, as an expression in the shape of `table`."""
        name = self._new_name("TABLE")
        self._connection.register(f"{name}_rows", conform(table, rows))
        try:
            self._connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM "{name}_rows"')
        finally:
            self._connection.unregister(f"{name}_rows")
        return self._named(name, ibis_schema(table.schema))

    def materialize(self, expression: "ir.Table") -> "ir.Table":
        """Evaluate once into a table of the private database and return that table as an expression."""
        name = self._new_name("TABLE")
        created = self._connection.execute(f'CREATE TABLE "{name}" AS {self._query(expression)}').fetchall()
        self._compress(int(created[0][0]) * len(expression.columns))
        return self._named(name, expression.schema())

    def to_arrow(self, expression: "ir.Table") -> pa.Table:
        """Evaluate into memory, in plain Arrow types. For results by the thousand, not for bulk rows."""
        rows = self._connection.sql(self._query(expression)).to_arrow_table()
        return rows.cast(arrow_schema(expression))

    def to_batches(self, expression: "ir.Table", *, n_rows: int = 200_000) -> Iterator[pa.RecordBatch]:
        """Evaluate and stream the rows in batches of about `n_rows`; other calls may run in between."""
        schema = arrow_schema(expression)
        cursor = self._connection.cursor()
        self._n_streams += 1
        try:
            for batch in cursor.sql(self._query(expression)).to_arrow_reader(n_rows):
                yield batch.cast(schema)
        finally:
            cursor.close()
            self._n_streams -= 1

    @contextmanager
    def scope(self) -> Iterator[None]:
        """A span of work: tables and views made inside are dropped on leaving, also when it fails. Scopes may nest."""
        n_before = len(self._relations)
        try:
            yield
        finally:
            for kind, name in reversed(self._relations[n_before:]):
                self._connection.execute(f'DROP {kind} IF EXISTS "{name}"')
            del self._relations[n_before:]

    def close(self) -> None:
        """Release the connection, its tables and the private spill folder. Closing twice is harmless."""
        if not self._is_open:
            return
        self._is_open = False
        self._backend.disconnect()
        if self._owned_directory is not None:
            shutil.rmtree(self._owned_directory, ignore_errors=True)

    def _new_name(self, kind: str) -> str:
        name = next(self._names)
        self._relations.append((kind, name))
        return name

    def _named(self, name: str, schema: "isc.Schema") -> "ir.Table":
        # NOTE: Ibis' own table() asks DuckDB 2.0 for the schema through a deprecated call, which warns.
        import ibis.expr.operations as ops

        return ops.DatabaseTable(name, schema=schema, source=self._backend).to_expr()

    def _compress(self, n_values: int) -> None:
        """Compress what was written since the last time, if with these `n_values` it is worth the pass.

        NOTE: DuckDB writes tables in memory uncompressed, four times as large, and compresses them at a checkpoint. It
        refuses one while a cursor streams; then the tables wait for the next.
        """
        self._n_uncompressed += n_values
        if self._n_uncompressed >= COMPRESSED_AT and not self._n_streams:
            self._connection.execute("CHECKPOINT").fetchall()
            self._n_uncompressed = 0

    def _query(self, expression: "ir.Table") -> str:
        """SQL whose columns have the types that Ibis promises: DuckDB's own sums are HUGEINT."""
        columns = ", ".join(
            f'CAST("{column}" AS {self._sql_type(kind)}) AS "{column}"' for column, kind in expression.schema().items()
        )
        return f"SELECT {columns} FROM ({self._backend.compile(expression)})"

    def _select(self, schema: "isc.Schema", present: Sequence[str], files: Sequence[str]) -> str:
        columns = ", ".join(
            f'"{column}"' if column in present else f'CAST(NULL AS {self._sql_type(kind)}) AS "{column}"'
            for column, kind in schema.items()
        )
        quoted = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        return f"SELECT {columns} FROM read_parquet([{quoted}], hive_partitioning = false)"

    def _sql_type(self, kind: Any) -> str:
        return str(self._backend.compiler.type_mapper.to_string(kind))
