"""What a table is."""

from dataclasses import dataclass
from enum import Enum

import pyarrow as pa


class Home(Enum):
    """Where the rows of a table live."""

    LAKE = "lake"
    """Parquet segments under the lake's manifest."""
    STATE = "state"
    """The SQL state database."""
    RUN = "run"
    """Only inside one detection run, in the engine; never stored."""
    VIEW = "view"
    """Derived from other tables when read."""


class Partition(Enum):
    """How the lake cuts a table into partitions; the value is the column that names the partition."""

    DAY = "day"
    RUN = "run_id"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the floor plan: its shape, its key, and the one room that makes it.

    `schema` is an Arrow schema; every field's metadata may hold `unit` and `note`.
    `key` names the columns that identify a row.
    """

    name: str
    made_by: str
    key: tuple[str, ...]
    schema: pa.Schema
    home: Home = Home.LAKE
    partition: Partition = Partition.NONE

    def __post_init__(self) -> None:
        missing = [name for name in self.key if name not in self.schema.names]
        if missing:
            raise ValueError(f"table {self.name}: key columns {missing} are not in its schema")
        if self.partition is not Partition.NONE and self.partition.value not in self.schema.names:
            raise ValueError(f"table {self.name}: partition column {self.partition.value} is not in its schema")

    def empty(self) -> pa.Table:
        """A table of this shape with no rows."""
        return self.schema.empty_table()


def column(name: str, kind: pa.DataType, note: str = "", *, unit: str = "", required: bool = False) -> pa.Field:
    """One column; `required` columns are never null, `unit` is written out in words (`seconds`, `exchanges`)."""
    metadata = {key: value for key, value in (("unit", unit), ("note", note)) if value}
    return pa.field(name, kind, nullable=not required, metadata=metadata or None)
