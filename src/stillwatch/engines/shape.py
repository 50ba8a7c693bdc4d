"""How a table of the floor plan looks as Arrow rows, as Parquet files and as an Ibis schema."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.errors import LakeCorrupt, SchemaMismatch
from stillwatch.model.table import Table

if TYPE_CHECKING:
    import ibis.expr.schema as isc
    import ibis.expr.types as ir


def ibis_schema(schema: pa.Schema) -> "isc.Schema":
    """The Ibis schema of an Arrow `schema`, every column nullable so that expressions of two stages can be joined.

    Times become `timestamp('UTC')` without a scale: both engines hold microseconds.
    """
    import ibis
    import ibis.expr.datatypes as dt

    def kind(arrow_type: pa.DataType) -> dt.DataType:
        if pa.types.is_timestamp(arrow_type):
            return dt.Timestamp(timezone=arrow_type.tz)
        if pa.types.is_list(arrow_type):
            return dt.Array(kind(arrow_type.value_type))
        return dt.DataType.from_pyarrow(arrow_type)

    return ibis.schema({field.name: kind(field.type) for field in schema})


def arrow_schema(expression: "ir.Table") -> pa.Schema:
    """The plain Arrow types in which every engine hands back the rows of `expression`."""
    return pa.schema([pa.field(name, kind.to_pyarrow()) for name, kind in expression.schema().items()])


def nullable(schema: pa.Schema) -> pa.Schema:
    """`schema` without metadata and without NOT NULL marks: what an engine hands back."""
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def conform(table: Table, rows: pa.Table) -> pa.Table:
    """`rows` with exactly the columns of `table`, in its order; absent nullable columns become null.

    Only the encoding of a column may change (large or dictionary-encoded text, narrower integers, coarser times);
    columns that `table` does not know are dropped.

    Raises:
        SchemaMismatch: a required column is absent or holds null, or a column has another kind of values.
    """
    columns = []
    for field in table.schema:
        if field.name not in rows.schema.names:
            _check_may_be_absent(table, field, "the rows")
            columns.append(pa.nulls(rows.num_rows, field.type))
            continue
        column = rows.column(field.name)
        if not field.nullable and column.null_count:
            raise SchemaMismatch(f"table {table.name}: required column {field.name} has {column.null_count} nulls")
        if column.type != field.type:
            _check_castable(table, field, column.type, "the rows")
            column = column.cast(field.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=nullable(table.schema))


def columns_of_files(table: Table, files: Sequence[str]) -> Mapping[tuple[str, ...], list[str]]:
    """Files grouped by which of the table's columns they have, after a check of every file's column types.

    Reads the footer of each file. A file written before a nullable column was added to the table lacks it.

    Raises:
        SchemaMismatch: a required column is absent or a column has another type.
        LakeCorrupt: a file is missing or is no Parquet file.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for file in files:
        present = _present_columns(table, file)
        groups.setdefault(present, []).append(file)
    return groups


def _present_columns(table: Table, file: str) -> tuple[str, ...]:
    try:
        schema = pq.read_schema(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise LakeCorrupt(f"table {table.name}: cannot read the Parquet file {file}: {error}") from error
    present = []
    for field in table.schema:
        if field.name not in schema.names:
            _check_may_be_absent(table, field, file)
            continue
        found = schema.field(field.name).type
        if found != field.type:
            raise SchemaMismatch(
                f"table {table.name}: column {field.name} of {file} has type {found}, expected {field.type}"
            )
        present.append(field.name)
    return tuple(present)


def _check_may_be_absent(table: Table, field: pa.Field, where: str) -> None:
    if not field.nullable:
        raise SchemaMismatch(f"table {table.name}: required column {field.name} is absent from {where}")


def _check_castable(table: Table, field: pa.Field, found: pa.DataType, where: str) -> None:
    if not _same_kind(found, field.type):
        raise SchemaMismatch(
            f"table {table.name}: column {field.name} of {where} has type {found}, expected {field.type}"
        )


def _same_kind(found: pa.DataType, expected: pa.DataType) -> bool:
    """True when a cast changes the encoding of values only and fails where a value does not fit."""
    if pa.types.is_null(found):
        return True
    if pa.types.is_dictionary(found):
        return _same_kind(found.value_type, expected)
    if _is_list(found) and _is_list(expected):
        return _same_kind(found.value_type, expected.value_type)
    if pa.types.is_timestamp(found) and pa.types.is_timestamp(expected):
        return bool(found.tz == expected.tz)
    return any(kind(found) and kind(expected) for kind in (_is_text, pa.types.is_integer, pa.types.is_floating))


def _is_list(arrow_type: pa.DataType) -> bool:
    return bool(pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type))


def _is_text(arrow_type: pa.DataType) -> bool:
    return any(kind(arrow_type) for kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))
