"""Histograms of slices: how each spreads over topics, times and capabilities.

Times are those at which conversations begin: the pace of a conversation is nobody's habit.

The traffic of slices is looked up once, then counted axis by axis. Each axis stays a narrow table of its own and
`slice_bins` is their union: a reader of one axis touches only that axis, and the whole never lies in memory with a name
of its axis beside each number.
"""

from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.engines import Engine
from stillwatch.grouping.kinds import ACCOUNT_TOKENS
from stillwatch.grouping.pairs import within_days
from stillwatch.model.stage import Run, Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

CELL_BITS: Final = 4
"""A cell is the first 8 of the 12 bits of a micro-cell."""
HOURS_PER_DAY: Final = 24


def slice_bins(tables: Tables, sources: "ir.Table", run: Run, *, engine: Engine) -> "ir.Table":
    """Rows of `slice_bins`; `sources` tells where the traffic of each slice is found, as `slice_sources` does."""
    daily = engine.materialize(_slice_days(tables, sources, run))
    moments = engine.materialize(_moments(daily))
    axes = {
        "cell": _counted(daily, daily.micro_cells.unnest(), shift=CELL_BITS),
        "moment": moments,
        "hour": _added(moments, moments.bin % HOURS_PER_DAY),
        "day": _added(moments, moments.bin // HOURS_PER_DAY),
        "capability": _counted(daily, daily.capabilities.unnest()),
        "prompt": _counted(daily, daily.prompts.unnest()),
        "material": _counted(daily, daily.materials.unnest()),
    }
    return ibis.union(*(_on_axis(axis, engine.materialize(counts)) for axis, counts in axes.items()))


def _slice_days(tables: Tables, sources: "ir.Table", run: Run) -> "ir.Table":
    """What each slice did on each day of the window, `day` counted from its first."""
    is_whole = sources.token_kind.isin(sorted(ACCOUNT_TOKENS))
    parts = [
        (tables["token_uses"], sources.filter(~is_whole), ("token_kind", "token", "account_id")),
        (tables["account_days"], sources.filter(is_whole), ("account_id",)),
    ]
    first = ibis.literal(run.window.start.date())
    found = []
    for rows, wanted, keys in parts:
        inside = within_days(rows, run)
        inside = inside.filter(inside.day >= first).inner_join(wanted.select("slice_id", *keys), keys)
        day = inside.day.delta(first, unit="day").cast("int32")
        found.append(inside.select("slice_id", *_LISTS, day=day))
    return ibis.union(*found)


_LISTS: Final = ("openings", "micro_cells", "capabilities", "prompts", "materials")


def _moments(daily: "ir.Table") -> "ir.Table":
    """Conversations by the hour of the window in which they begin: hours and days are sums of it."""
    flat = daily.select("slice_id", midnight=(daily.day * HOURS_PER_DAY).cast("int32"), hour=daily.openings.unnest())
    binned = flat.select("slice_id", bin=(flat.midnight + flat.hour).cast("int32"))
    return _narrow(binned.group_by("slice_id", "bin").agg(n=binned.count()))


def _counted(daily: "ir.Table", values: "ir.IntegerColumn", *, shift: int = 0) -> "ir.Table":
    flat = daily.select("slice_id", value=values)
    binned = flat.select("slice_id", bin=(flat.value >> shift).cast("int32"))
    return _narrow(binned.group_by("slice_id", "bin").agg(n=binned.count()))


def _added(counts: "ir.Table", bins: "ir.IntegerValue") -> "ir.Table":
    coarse = counts.select("slice_id", "n", bin=bins.cast("int32"))
    return _narrow(coarse.group_by("slice_id", "bin").agg(n=coarse.n.sum()))


def _narrow(counts: "ir.Table") -> "ir.Table":
    return counts.mutate(n=counts.n.cast("int32"))


def _on_axis(axis: str, counts: "ir.Table") -> "ir.Table":
    return counts.select("slice_id", axis=ibis.literal(axis), bin="bin", n=counts.n.cast("int64"))
