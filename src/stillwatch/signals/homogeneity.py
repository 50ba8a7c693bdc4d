"""How alike the members of a group are on one axis: the arithmetic behind the signals of likeness.

Null hypothesis: the members are exchangeable; given how much each sent (n_i) and how much the group sent to each bin
(C_k), every assignment of exchanges to members is equally likely. A balancer that deals a queue at random makes this
true. Assumed: exchanges are independent given the member; repeats inside of one conversation are counted once upstream
for topics, and bursts only add dispersion, which makes a group look less alike.

The statistic is Pearson's X2 = sum_k [sum_i c_ik**2/n_i] N/C_k - N with its exact conditional mean and variance under
the null (Haldane 1940; Dawson 1954), turned into the intra-member correlation rho of a Dirichlet-multinomial:
E[X2] = E0 + rho (K-1) D with D = N - m + 1 - sum_i n_i**2/N. Honest groups have rho of some tenths, copies have 0.

We differ from the prototype, which took ln(X2/dof): that grows with volume at equal rho, and where every member sent
one exchange it is exactly 0, the most suspicious value, although single exchanges say nothing about likeness. Here D
is 0 for them and the value is null; with few repeats the standard error, and with it the conservative end, is large.

References:
    J. B. S. Haldane (1940), The mean and variance of chi-square ..., Biometrika 31, 346-355.
    R. B. Dawson (1954), A simplified expression for the variance of the chi-squared function on a contingency table,
    Biometrika 41, 280.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.model.stage import Tables
from stillwatch.signals.sums import AXES, exact_sum, group_axes, group_bins, slice_totals

if TYPE_CHECKING:
    import ibis.expr.types as ir

FLOOR: Final = 1e-3
"""Correlations below one in a thousand are not told apart; this bounds the reward of very large groups. A judgement."""

COMPARED: Final = ("cell", "hour", "day", "moment", "capability", "material")
"""The axes on which members are compared."""

MIN_EXCHANGES: Final = 4
"""The variance needs N > 3."""


def correlation(tables: Tables, axis: str) -> "ir.Table":
    """Columns `group_id, value, error, n, m, squares`: rho on `axis`, its standard error under the null, and N.

    Groups with fewer than two members, two bins or four exchanges, or without any repeat, have no row.
    """
    bins = group_bins(tables, axis)
    sums = bins.group_by("group_id").agg(n=bins["count"].sum(), k=bins.count())
    weighted = bins.inner_join(sums, "group_id")
    pooled = weighted.group_by("group_id", "n", "k").agg(
        cross=exact_sum(weighted.weighted * weighted.n / weighted["count"]),
        column_inverses=exact_sum(1.0 / weighted["count"]),
    )
    axes = group_axes(tables)
    rows = pooled.inner_join(axes.filter(axes.axis == axis).drop("axis"), "group_id")
    rows = rows.mutate(repeats=rows.n - rows.m + 1 - rows.squares / rows.n)
    rows = rows.filter((rows.m >= 2) & (rows.k >= 2) & (rows.n >= MIN_EXCHANGES) & (rows.repeats > 0))
    expected = (rows.m - 1) * (rows.k - 1) * rows.n / (rows.n - 1)
    unit = (rows.k - 1) * rows.repeats
    return rows.select(
        "group_id",
        "n",
        "m",
        "squares",
        value=(rows.cross - rows.n - expected) / unit,
        error=_variance(rows).sqrt() / unit,
    )


def _variance(rows: "ir.Table") -> "ir.FloatingValue":
    """Dawson's exact conditional variance of X2 given both margins."""
    n, m, k = (rows[name].cast("float64") for name in ("n", "m", "k"))
    by_member = (m - 1) * (n - m) / (n - 1)
    by_bin = (k - 1) * (n - k) / (n - 1)
    uneven_members = (n * rows.inverses - m * m) / (n - 2)
    uneven_bins = (n * rows.column_inverses - k * k) / (n - 2)
    variance = 2 * n / (n - 3) * (by_member - uneven_members) * (by_bin - uneven_bins)
    variance = variance + n * n / (n - 1) * uneven_members * uneven_bins
    return ibis.greatest(variance, 0.0)


def alike(tables: Tables, axis: str) -> "ir.Table":
    """The columns of a signal: rho, and minus the log of its upper end (two standard errors)."""
    rows = correlation(tables, axis)
    upper = ibis.greatest(rows.value, 0.0) + 2.0 * rows.error + FLOOR
    return rows.select("group_id", value=rows.value, conservative_value=-upper.ln(), n=rows.n)


def independent_exchanges(tables: Tables, axis: str) -> "ir.Table":
    """Columns `group_id, n_independent`: N divided by the design effect 1 + (n* - 1) rho, n* = sum n_i**2 / N.

    Exchanges of one member resemble each other, so a share or a mean over N exchanges is known less well than N
    independent ones would tell. rho is taken at its upper end. Groups without evidence on rho have no row.
    """
    rows = correlation(tables, axis)
    upper = ibis.least(ibis.greatest(rows.value, 0.0) + 2.0 * rows.error, 1.0)
    effect = 1.0 + ibis.greatest(rows.squares / rows.n - 1.0, 0.0) * upper
    return rows.select("group_id", n_independent=rows.n / effect)


SHARED: "Final[tuple[Callable[[Tables], ir.Table], ...]]" = (
    *(partial(slice_totals, axis=axis) for axis in AXES),
    *(partial(group_bins, axis=axis) for axis in AXES),
    group_axes,
    *(partial(correlation, axis=axis) for axis in COMPARED),
)
"""What several signals need, each before those that are built on it: a run evaluates them once."""
