"""Sums over groups that several signals share.

Floating-point sums depend on the order of rows, which engines do not fix. `exact_sum` therefore adds fixed-point
integers: equal input gives equal bytes with any number of threads and on any engine.
"""

from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.model.stage import Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

SCALE: Final = 1 << 20
"""Fixed-point units in one: about 6 decimal places, and room for 8e12 in a signed 64-bit sum."""


AXES: Final = ("cell", "hour", "day", "moment", "capability", "prompt", "material")


def exact_sum(value: "ir.NumericValue") -> "ir.FloatingValue":
    """The sum of `value` to 2**-21 a row, the same in any order of rows. Nulls add nothing; no rows give null."""
    fixed = (value.cast("float64") * float(SCALE) + 0.5).floor().cast("int64")
    return fixed.sum().cast("float64") / float(SCALE)


def slice_totals(tables: Tables, axis: str) -> "ir.Table":
    """`slice_id` of slices with bins on `axis`: `total` is the sum of the bins, `squares` that of their squares."""
    bins = _axis_bins(tables, axis)
    return bins.group_by("slice_id").agg(total=bins.n.sum(), squares=(bins.n * bins.n).sum())


def member_totals(tables: Tables, axis: str) -> "ir.Table":
    """`group_id` of members beside the columns of `slice_totals`."""
    return tables["group_members"].select("group_id", "slice_id").inner_join(slice_totals(tables, axis), "slice_id")


def group_bins(tables: Tables, axis: str) -> "ir.Table":
    """`group_id, bin`, `count` = sum of c_ik and `weighted` = sum of c_ik**2 / n_i over the members i, on one axis.

    One axis at a time: all of them in one table do not fit in the memory of a small machine.
    """
    members = member_totals(tables, axis).select("group_id", "slice_id", "total")
    rows = _axis_bins(tables, axis).inner_join(members, "slice_id")
    real = rows.n.cast("float64")
    return rows.group_by("group_id", "bin").agg(count=rows.n.sum(), weighted=exact_sum(real * real / rows.total))


def _axis_bins(tables: Tables, axis: str) -> "ir.Table":
    bins = tables["slice_bins"]
    return bins.filter(bins.axis == axis)


def group_axes(tables: Tables) -> "ir.Table":
    """`group_id, axis`, with `m` members that have counts, `inverses` = sum of 1/n_i, `squares` = sum of n_i**2."""
    return ibis.union(*(_moments(tables, axis) for axis in AXES))


def _moments(tables: Tables, axis: str) -> "ir.Table":
    members = member_totals(tables, axis)
    total = members.total.cast("float64")
    return (
        members.group_by("group_id")
        .agg(m=members.count(), inverses=exact_sum(1.0 / total), squares=exact_sum(total * total))
        .select("group_id", axis=ibis.literal(axis), m="m", inverses="inverses", squares="squares")
    )
