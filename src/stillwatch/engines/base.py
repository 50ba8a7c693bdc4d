"""The seam between the rooms and whatever executes their Ibis expressions."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from stillwatch.model.table import Table

if TYPE_CHECKING:
    import ibis.expr.types as ir


class Engine(Protocol):
    """Runs Ibis expressions. An engine owns its temporary tables and frees them on `close`."""

    name: str

    def read(self, table: Table, files: Sequence[str]) -> "ir.Table":
        """The rows of Parquet `files` in the shape of `table`; no files gives no rows."""
        ...

    def from_arrow(self, table: Table, rows: pa.Table) -> "ir.Table":
        """Arrow `rows` as an expression in the shape of `table`."""
        ...

    def materialize(self, expression: "ir.Table") -> "ir.Table":
        """Evaluate once into a temporary table and return that table as an expression."""
        ...

    def to_arrow(self, expression: "ir.Table") -> pa.Table:
        """Evaluate into memory. For results by the thousand, not for bulk rows."""
        ...

    def to_batches(self, expression: "ir.Table", *, n_rows: int = 200_000) -> Iterator[pa.RecordBatch]:
        """Evaluate and stream the rows in batches of about `n_rows`."""
        ...

    def scope(self) -> AbstractContextManager[None]:
        """A span of work: temporary tables made inside are dropped on leaving; expressions on them end with it."""
        ...

    def close(self) -> None:
        """Release connections, temporary tables and files."""
        ...
