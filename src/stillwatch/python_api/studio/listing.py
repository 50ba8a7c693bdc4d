"""Rows as the studio's script takes them: short JSON with inert text and numbers that JavaScript holds exactly."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.inert import visible
from stillwatch.python_api.rows import said

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Listing:
    """One table of the studio; `choose` are columns that get a list of their values to choose from."""

    name: str
    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    choose: tuple[str, ...] = ()
    says: str = ""

    def document(self) -> dict[str, object]:
        """What studio.js reads."""
        return {"columns": self.columns, "rows": self.rows, "choose": self.choose}


def listing(name: str, heading: str, table: pa.Table, *, choose: tuple[str, ...] = (), says: str = "") -> Listing:
    """A table of the studio from Arrow rows."""
    columns = [_cells(table, column) for column in table.column_names]
    rows = tuple(zip(*columns, strict=True)) if columns else ()
    return Listing(name, heading, tuple(table.column_names), rows, choose, says)


def _cells(table: pa.Table, name: str) -> list[Cell]:
    values = table[name]
    if name == "token":  # 64 bits, of which JavaScript would lose some
        return [f"{value & (2**64 - 1):016x}" for value in values.to_pylist()]
    if pa.types.is_timestamp(values.type):
        return list(pc.strftime(pc.cast(values, pa.timestamp("s", "UTC"), safe=False), "%Y-%m-%d %H:%M").to_pylist())
    return [_cell(value) for value in values.to_pylist()]


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, bool | int | float):
        return value
    return visible(said(value))
