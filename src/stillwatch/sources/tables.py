"""Tables of a database that Ibis connects to: ClickHouse, BigQuery, Snowflake, PostgreSQL, DuckDB, SQLite, and others.

A mapping with `format = "table"` says which columns are which. Only the columns that it reads leave the database.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.errors import EnvironmentFault, ExternalServiceError, StillwatchError, UsageError
from stillwatch.sources.mapped import Mapped, possible_tops

if TYPE_CHECKING:
    import ibis.expr.types as ir

EXTRAS = {"postgres": "psycopg", "clickhouse": "clickhouse-connect", "bigquery": "google-cloud-bigquery",
          "snowflake": "snowflake-connector-python", "mysql": "mysqlclient"}  # fmt: skip
"""Databases -> the package that Ibis needs for them and that this project does not bring along."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive rows of a table in a file; `newest` is the latest time among them, null when it is no time."""

    path: Path
    n_rows: int
    newest: datetime | None


class TableReader:
    """Reads one table in order of the time that the mapping takes for `start_time`.

    Raises:
        UsageError: the mapping is not of tables, or the table lacks a column that it needs.
        EnvironmentFault: the database's package is not installed.
        ExternalServiceError: the database cannot be reached or read.
    """

    def __init__(self, url: str, table: str, source: Mapped) -> None:
        self._table, self._url = table, url
        if source.mapping.format != "table":
            raise UsageError(
                f'mapping {source.name} has format {source.mapping.format}; a table needs format = "table"'
            )
        self._time = next(iter(source.mapping.rules()["start_time"].paths), "")
        self._backend: Any = _guarded(table, url, lambda: _connected(url))
        try:
            self._rows = self._wanted(source)
        except StillwatchError:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back."""
        self._backend.disconnect()

    def _wanted(self, source: Mapped) -> "ir.Table":
        """The columns that the mapping reads."""
        database, _, name = self._table.rpartition(".")
        opened = _guarded(self._table, self._url, lambda: self._backend.table(name, database=database or None))
        source.check_columns(list(opened.columns), uri=self._table)
        wanted = sorted({top for path in source.paths() for top in possible_tops(path)} & set(opened.columns))
        return opened.select(wanted)

    @property
    def knows_time(self) -> bool:
        """Whether the database can leave out what is older: the time is a column of its own, and a point in time."""
        return self._time in self._rows.columns and self._rows.schema()[self._time].is_timestamp()

    def pieces(self, folder: Path, *, since: datetime | None, rows_per_file: int) -> Iterator[Piece]:
        """The rows from `since` on (None: all), as files in `folder`; each is gone when the next one is asked for.

        A page begins at the newest time of the page before it, so rows of that very time come twice. Without a time
        the table is one page.
        """
        newest, size = since, rows_per_file
        while True:
            page = self._page(newest, size if self.knows_time else None)
            if page.num_rows:
                path = folder / "table.parquet"
                pq.write_table(page, path)
                try:
                    yield Piece(path, page.num_rows, self._newest(page))
                finally:
                    path.unlink(missing_ok=True)
            if not self.knows_time or page.num_rows < size:
                return
            size = 2 * size if self._newest(page) == newest else rows_per_file
            newest = self._newest(page)

    def _page(self, since: datetime | None, size: int | None) -> pa.Table:
        rows = self._rows
        if self.knows_time:
            rows = rows.order_by(self._time)
        if since is not None:
            rows = rows.filter(rows[self._time] >= self._as_stored(since))
        return _guarded(self._table, self._url, lambda: rows.limit(size).to_pyarrow())

    def _as_stored(self, at: datetime) -> datetime:
        """A time in the form of the column: with a zone, or UTC without one."""
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        return aware if self._rows.schema()[self._time].timezone else aware.astimezone(UTC).replace(tzinfo=None)

    def _newest(self, page: pa.Table) -> datetime | None:
        if not self.knows_time or not page.num_rows:
            return None
        newest = pc.max(page.column(self._time)).as_py()
        return newest if isinstance(newest, datetime) else None


def _connected(url: str) -> object:
    import ibis

    return ibis.connect(url)


def _guarded(table: str, url: str, act: Any) -> Any:
    """What `act` returns. Faults of drivers are told by their kind alone: their words may hold the connection's URL."""
    try:
        return act()
    except StillwatchError:
        raise
    except ImportError as error:
        database = url.partition(":")[0].removesuffix("ql")
        package = EXTRAS.get(database, f"that Ibis uses for {database}")
        raise EnvironmentFault(f"reading table {table} needs the Python package {package}; install it") from error
    except Exception as error:
        kind = type(error).__name__
        raise ExternalServiceError(
            f"table {table} cannot be read ({kind}); check the connection's URL, the table's name and your rights"
        ) from error
