"""Same rows from two engines: what stage tests assert."""

import math
from collections.abc import Sequence

import pyarrow as pa

RELATIVE_TOLERANCE = 1e-9
"""For floating point values only: engines sum in different orders."""


def assert_same_rows(left: pa.Table, right: pa.Table, key: Sequence[str]) -> None:
    """Fail unless both tables have the same columns and, in the order of `key`, equal rows.

    Everything but floating point numbers must be exactly equal; NaN equals NaN, null equals null. `key` must identify
    a row in each table.
    """
    assert left.schema.names == right.schema.names
    assert left.schema.types == right.schema.types
    assert left.num_rows == right.num_rows
    for rows in (left, right):
        assert rows.select(list(key)).group_by(list(key)).aggregate([]).num_rows == rows.num_rows, f"{key} repeats"
    order = [(name, "ascending") for name in key]
    ordered = [rows.sort_by(order) if rows.num_rows else rows for rows in (left, right)]
    for name in left.schema.names:
        _assert_same_column(name, *(rows.column(name).combine_chunks() for rows in ordered))


def _assert_same_column(name: str, left: pa.Array, right: pa.Array) -> None:
    if not _holds_floats(left.type):
        if not left.equals(right):
            differing = [pair for pair in zip(left.to_pylist(), right.to_pylist(), strict=True) if pair[0] != pair[1]]
            raise AssertionError(f"column {name}: {len(differing)} rows differ, first {differing[0]}")
        return
    for a, b in zip(left.to_pylist(), right.to_pylist(), strict=True):
        assert _close(a, b), f"column {name}: {a} against {b}"


def _holds_floats(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or (pa.types.is_list(kind) and pa.types.is_floating(kind.value_type))


def _close(left: float | list[float] | None, right: float | list[float] | None) -> bool:
    if left is None or right is None:
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_close(a, b) for a, b in zip(left, right, strict=True))
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return math.isclose(left, right, rel_tol=RELATIVE_TOLERANCE, abs_tol=0.0)
