"""Rows on standard output, in the format that was asked for; talk on standard error."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from stillwatch.cli.context import current
from stillwatch.cli.text import for_spreadsheet, visible
from stillwatch.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["table", "json", "jsonl", "csv", "parquet"]

Row = dict[str, object]


def talk(message: str) -> None:
    """Say something to the person on standard error, unless --quiet."""
    if not current().quiet:
        Console(stderr=True, highlight=False).print(escape(message))


def plain(value: object) -> object:
    """The value as JSON knows it: times as ISO 8601 with Z, everything else as it is."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return value


def write_rows(
    rows: "pa.Table",
    format: Format,
    output: Path | None,
    *,
    columns: Sequence[str] | None = None,
) -> None:
    """Write rows; `columns` are those of the table view, the other formats always have all.

    Raises:
        UsageError: Parquet without a file to write to.
    """
    if format == "parquet":
        _write_parquet(rows, output)
    elif format == "table":
        show_table(rows.to_pylist(), columns or rows.column_names, output=output)
    else:
        write_text(_rendered([plain_row(row) for row in rows.to_pylist()], rows.column_names, format), output)


def plain_row(row: Row) -> Row:
    """One row with every value as JSON knows it."""
    return {name: plain(value) for name, value in row.items()}


def write_json(value: object, output: Path | None = None) -> None:
    """Write one JSON document."""
    write_text(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n", output)


def _rendered(rows: Iterable[Row], columns: Sequence[str], format: Format) -> str:
    if format == "json":
        return json.dumps(list(rows), ensure_ascii=False, indent=2) + "\n"
    if format == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([for_spreadsheet(_cell(row[name])) for name in columns] for row in rows)
    return buffer.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ";".join(_cell(part) for part in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(plain(value))


def show_table(rows: Sequence[Row], columns: Sequence[str], *, output: Path | None = None, title: str = "") -> None:
    """Draw rows for a person."""
    grid = Grid(box=box.SIMPLE_HEAD, title=title or None, title_justify="left")
    for name in columns:
        numeric = any(isinstance(row[name], int | float) for row in rows)
        grid.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(escape(visible(_shown(row[name]))) for name in columns))
    if output is None:
        Console(highlight=False).print(grid)
    else:
        with output.open("w", encoding="utf-8") as stream:
            Console(file=stream, width=160, highlight=False).print(grid)


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return ", ".join(_shown(part) for part in value)
    return "" if value is None else str(value)


def write_text(text: str, output: Path | None) -> None:
    """Write text to a file, or on standard output when none is named."""
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


def _write_parquet(rows: "pa.Table", output: Path | None) -> None:
    if output is None:
        raise UsageError("Parquet is binary: name a file with -o FILE")
    import pyarrow.parquet as pq

    pq.write_table(rows, output, compression="zstd")
