"""Histograms of slices: how each spreads over topics, hours, days and capabilities."""

from typing import TYPE_CHECKING

import ibis

from stillwatch.grouping.pairs import within_days
from stillwatch.model.stage import Run

if TYPE_CHECKING:
    import ibis.expr.types as ir

CELL_BITS = 4  # cell is the first 8 of the 12 bits of micro_cell


def slice_bins(rows: "ir.Table", sources: "ir.Table", keys: tuple[str, ...], run: Run) -> "ir.Table":
    """Rows of `slice_bins` from daily `rows` inside of the window; `sources` maps `keys` to one or more `slice_id`."""
    first = ibis.literal(run.window.start.date())
    inside = within_days(rows, run)
    inside = inside.filter(inside.day >= first).inner_join(sources, keys)
    axes = [
        _counted(inside, "cell", inside.micro_cells.unnest(), shift=CELL_BITS),
        _counted(inside, "hour", inside.hours.unnest(), shift=0),
        _counted(inside, "capability", inside.capabilities.unnest(), shift=0),
        _counted(inside, "prompt", inside.prompts.unnest(), shift=0),
        _counted(inside, "material", inside.materials.unnest(), shift=0),
        _days(inside, first),
    ]
    return ibis.union(*axes)


def _counted(inside: "ir.Table", axis: str, values: "ir.IntegerColumn", *, shift: int) -> "ir.Table":
    flat = inside.select("slice_id", value=values)
    binned = flat.select("slice_id", bin=(flat.value >> shift).cast("int32"))
    counts = binned.group_by("slice_id", "bin").agg(n=binned.count())
    return counts.select("slice_id", axis=ibis.literal(axis), bin="bin", n="n")


def _days(inside: "ir.Table", first: "ir.DateScalar") -> "ir.Table":
    daily = inside.select("slice_id", "n", bin=inside.day.delta(first, unit="day").cast("int32"))
    counts = daily.group_by("slice_id", "bin").agg(n=daily.n.sum())
    return counts.select("slice_id", axis=ibis.literal("day"), bin="bin", n="n")
