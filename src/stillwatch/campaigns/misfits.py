"""Which members of an accused group are not like the group.

A group is accused because its members are copies of each other; an honest adopter of a token that a campaign borrows
is no copy. Null hypothesis for one member: its exchanges come from the group's own hours (days), then
sum_k c_k**2 N/(n C_k) - n is chi-squared with K - 1 degrees of freedom. Divided by (K - 1)(n - 1) its excess estimates
how far the member clusters in hours (days) of its own, near 0 for a copy whatever its volume and some hundredths and
more for a person. What counts is the distance to the group's median, in its own spread: a campaign whose members mimic
the hours of regions is measured by its own standard, and then protects nobody. Assumed: honest adopters are less than
half of the group.

A member with less than a tenth of the group's median volume is no copy either. Misfits are reviewed, never accused.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.engines import Engine
from stillwatch.model.stage import Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

AXES: Final = ("hour", "day")
MIN_VOLUME_SHARE: Final = 0.1
"""Of the group's median volume."""
SPREADS: Final = 6.0
"""Half central 68 % ranges above the group's median from which a member is no copy. A judgement, as the next."""
MIN_EXCESS: Final = 0.02
"""Clustering in hours or days below which members are never told apart."""
MIN_Z: Final = 4.0
"""Standard errors of the member's own statistic that its excess must exceed."""
DECIMALS: Final = 4
"""Of a member's statistic: its last bits depend on the order in which an engine adds up."""

FlagArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


def misfits(tables: Tables, engine: Engine) -> pa.Table:
    """The memberships of accused groups that do not fit, as columns `group_id, slice_id`, sorted by both."""
    scores = tables["group_scores"]
    accused = scores.filter(scores.tier == "accuse").select("group_id")
    order = [("axis", "ascending"), ("group_id", "ascending"), ("slice_id", "ascending")]
    rows = engine.to_arrow(_statistics(tables, accused)).sort_by(order)
    n, bins, statistic = (rows[name].to_numpy().astype(np.float64) for name in ("n", "n_bins", "statistic"))
    statistic = np.round(statistic, DECIMALS)
    compared = pc.binary_join_element_wise(rows["axis"], rows["group_id"], "/").combine_chunks()
    groups = compared.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    freedom = np.maximum(bins - 1.0, 1.0)
    excess = (statistic - freedom) / (freedom * np.maximum(n - 1.0, 1.0))
    error = np.sqrt(2.0 / freedom) / np.maximum(n - 1.0, 1.0)
    is_misfit = np.zeros(rows.num_rows, dtype=bool)
    bounds = [0, *(np.flatnonzero(np.diff(groups)) + 1).tolist(), rows.num_rows]
    for start, stop in pairwise(bounds):  # rows are sorted by group
        if stop > start:
            own = slice(start, stop)
            is_misfit[own] = _stand_out(excess[own], error[own], n[own])
    found = rows.filter(pa.array(is_misfit)).group_by(["group_id", "slice_id"]).aggregate([])
    return found.sort_by(order[1:])


def _stand_out(excess: FloatArray, error: FloatArray, n: FloatArray) -> FlagArray:
    """Which members of one group stand out on one axis, or in volume."""
    low, middle, high = np.quantile(excess, [0.16, 0.5, 0.84])
    bound = np.maximum(middle + np.maximum(SPREADS * (high - low) / 2.0, MIN_EXCESS), middle + MIN_Z * error)
    return np.asarray((excess > bound) | (n < MIN_VOLUME_SHARE * np.median(n)), dtype=np.bool_)


def _statistics(tables: Tables, accused: "ir.Table") -> "ir.Table":
    """`axis, group_id, slice_id`, exchanges `n`, the group's occupied bins `n_bins` and the member's `statistic`."""
    members = tables["group_members"].semi_join(accused, "group_id").select("group_id", "slice_id")
    bins = tables["slice_bins"]
    times = bins.filter(bins.axis.isin(AXES)).inner_join(members, "slice_id")
    pooled = times.group_by("axis", "group_id", "bin").agg(in_bin=times.n.sum())
    totals = pooled.group_by("axis", "group_id").agg(in_group=pooled.in_bin.sum(), n_bins=pooled.count())
    every = times.inner_join(pooled, ["axis", "group_id", "bin"]).inner_join(totals, ["axis", "group_id"])
    real = every.n.cast("float64")
    sums = every.group_by("axis", "group_id", "slice_id", "n_bins").agg(
        n=every.n.sum(), squares=(real * real * every.in_group / every.in_bin).sum()
    )
    return sums.mutate(statistic=sums.squares / sums.n - sums.n).drop("squares")
