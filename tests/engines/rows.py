"""Arrow rows with awkward values for any schema."""

from datetime import UTC, date, datetime

import pyarrow as pa

from stillwatch.model.table import Table

_VALUES: dict[str, tuple[object, ...]] = {
    "string": ("plain", "", "quote ' \" ` \\ é \U0001f600\n"),
    "int16": (0, -32768, 32767),
    "int32": (0, -(2**31), 2**31 - 1),
    "int64": (0, -(2**63), 2**63 - 1),
    "double": (0.1, float("nan"), float("-inf")),
    "bool": (True, False, True),
    "date32[day]": (date(2026, 4, 22), date(1970, 1, 1), date(2100, 12, 31)),
    "timestamp[us, tz=UTC]": (
        datetime(2026, 4, 22, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2100, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    ),
    "binary": (b"", b"\x00\xff", b"abc"),
}


def awkward_rows(table: Table) -> pa.Table:
    """Four rows of `table`: three of extreme values, one with null wherever null is allowed."""
    arrays = []
    for field in table.schema:
        if pa.types.is_list(field.type):
            inner = list(_VALUES[str(field.type.value_type)])
            values: list[object] = [inner, [], [None, *inner[:1]], inner if not field.nullable else None]
        else:
            first, second, third = _VALUES[str(field.type)]
            values = [first, second, third, first if not field.nullable else None]
        arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=table.schema)
