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


AXES: Final = ("cell", "hour", "day", "capability", "prompt", "material")
_MOMENTS: Final = ("m", "inverses", "squares")


def exact_sum(value: "ir.NumericValue") -> "ir.FloatingValue":
    """The sum of `value` to 2**-21 a row, the same in any order of rows. Nulls add nothing; no rows give null."""
    fixed = (value.cast("float64") * float(SCALE) + 0.5).floor().cast("int64")
    return fixed.sum().cast("float64") / float(SCALE)


def judged_members(tables: Tables) -> "ir.Table":
    """`group_id, slice_id, account_id` of the groups that are judged: all but whole popular tokens."""
    groups = tables["groups"]
    judged = groups.filter(~groups.is_whole_popular).select("group_id")
    return tables["group_members"].semi_join(judged, "group_id")


def member_totals(tables: Tables) -> "ir.Table":
    """`group_id, slice_id` of judged members and, by axis, what the bins of the slice add up to (null without bins).

    `equal_prompts` is the sum of the squares of the slice's prompt bins. One wide row a member: a row for each axis
    would make the largest table of the run.
    """
    bins = tables["slice_bins"]
    sums = {axis: bins.n.sum(where=bins.axis == axis) for axis in AXES}
    totals = bins.group_by("slice_id").agg(**sums, equal_prompts=(bins.n * bins.n).sum(where=bins.axis == "prompt"))
    return judged_members(tables).select("group_id", "slice_id").inner_join(totals, "slice_id")


def group_bins(tables: Tables, axis: str) -> "ir.Table":
    """`group_id, bin`, `count` = sum of c_ik and `weighted` = sum of c_ik**2 / n_i over the members i, on one axis.

    One axis at a time: all of them in one table do not fit in the memory of a small machine.
    """
    bins = tables["slice_bins"]
    rows = bins.filter(bins.axis == axis).inner_join(member_totals(tables).rename(total=axis), "slice_id")
    real = rows.n.cast("float64")
    return rows.group_by("group_id", "bin").agg(count=rows.n.sum(), weighted=exact_sum(real * real / rows.total))


def group_axes(tables: Tables) -> "ir.Table":
    """`group_id, axis`, with `m` members that have counts, `inverses` = sum of 1/n_i, `squares` = sum of n_i**2."""
    members = member_totals(tables)
    by_group = members.group_by("group_id").agg(
        **{name: value for axis in AXES for name, value in _moments(axis, members[axis].cast("float64")).items()}
    )
    axes = [
        by_group.select("group_id", axis=ibis.literal(axis), **{name: by_group[f"{axis}_{name}"] for name in _MOMENTS})
        for axis in AXES
    ]
    every = ibis.union(*axes)
    return every.filter(every.m > 0)


def _moments(axis: str, total: "ir.FloatingValue") -> "dict[str, ir.Value]":
    values = (total.count(), exact_sum(1.0 / total), exact_sum(total * total))
    return {f"{axis}_{name}": value for name, value in zip(_MOMENTS, values, strict=True)}
