"""Whether each member runs at a steady rate of its own, day after day, as workers under a quota do.

A quota holds for an account, so that the days are those of the member's whole traffic. For each member the variance of
its counts on active days, less that of a zero-truncated Poisson of the same mean (an active day has at least one
exchange), over the squared mean: the squared coefficient of variation that is not counting noise. 0: a constant rate;
honest days with bursts have about 1. The value is the mean over members, so that it does not matter how much each one
sends. Weights (days - 1) / (1/mean + 0.1)**2 are those of the estimate's variance at a moderate spread; they stop
growing with volume at about ten a day, so that no heavy member speaks for all.

Null hypothesis (the suspicious end): every member's days are Poisson counts of a constant rate of its own. Assumed:
days of one member are independent given its rate. The first and the last active day of a member are partial and left
out. Below a mean of two the truncated law leaves hardly any variance to compare with, and the member does not count.
Exchanges of one conversation come in clumps, which only makes members look less steady.

The conservative end is two standard errors above: the spread between members plus that of Poisson days.

References:
    R. A. Fisher (1950), The significance of deviations from expectation in a Poisson series, Biometrics 6, 17-24.
"""

from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import ACCOUNT_DAYS, GROUP_MEMBERS
from stillwatch.signals.poisson import truncated_rate
from stillwatch.signals.sums import exact_sum

if TYPE_CHECKING:
    import ibis.expr.types as ir

MIN_DAYS: Final = 3
"""Days between a member's first and last active one; the variance of fewer says nothing."""

MIN_MEAN: Final = 2.0
"""Exchanges on an active day: as for `volume_dispersion`."""

STEPS: Final = 7
"""Fixed-point steps for the rate: its error is then below 1e-3 of the mean."""

MIN_MEMBERS: Final = 3

SPREAD: Final = 0.1
"""Squared coefficient of variation at which the weights of members are best. A judgement."""

FLOOR: Final = 0.01
"""Rates that vary by less than a tenth are not told apart."""


def compute(tables: Tables) -> "ir.Table":
    """One row for each group with at least three members whose days can be compared; `n` counts their days."""
    steady = _members(tables["account_days"])
    rows = tables["group_members"].select("group_id", "account_id").inner_join(steady, "account_id")
    weighted = rows.weight * rows.spread
    sums = rows.group_by("group_id").agg(
        m=rows.count(),
        n=rows.days.sum(),
        weight=exact_sum(rows.weight),
        first=exact_sum(weighted),
        square_weight=exact_sum(rows.weight * rows.weight),
        cross=exact_sum(rows.weight * weighted),
        second=exact_sum(weighted * weighted),
        noise=exact_sum(rows.weight * rows.weight * rows.noise),
    )
    sums = sums.filter(sums.m >= MIN_MEMBERS)
    value = sums["first"] / sums.weight
    between = ibis.greatest(sums.second - 2.0 * value * sums.cross + value * value * sums.square_weight, 0.0)
    error = (between + sums.noise).sqrt() / sums.weight
    upper = ibis.greatest(value, 0.0) + 2.0 * error + FLOOR
    return sums.select("group_id", value=value, conservative_value=-upper.ln(), n="n")


def _members(account_days: "ir.Table") -> "ir.Table":
    """`account_id, days, spread, noise, weight`: steadiness of each account that has enough days in between."""
    n, day = account_days.n, account_days.day
    sums = account_days.group_by("account_id").agg(
        days=account_days.count() - 2,
        total=n.sum(),
        squares=(n * n).sum(),
        head=n.argmin(day),
        tail=n.argmax(day),
    )
    sums = sums.filter(sums.days >= MIN_DAYS)
    inner = sums.mutate(
        total=(sums.total - sums["head"] - sums.tail).cast("float64"),
        squares=(sums.squares - sums["head"] * sums["head"] - sums.tail * sums.tail).cast("float64"),
    )
    inner = inner.mutate(mean=inner.total / inner.days)
    inner = inner.filter(inner.mean >= MIN_MEAN)
    freedom = inner.days - 1
    variance = (inner.squares - inner.mean * inner.total) / freedom
    expected = inner.mean * (1.0 + truncated_rate(inner.mean, steps=STEPS) - inner.mean)
    inverse = 1.0 / inner.mean
    return inner.select(
        "account_id",
        "days",
        spread=(variance - expected) * inverse * inverse,
        noise=2.0 * inverse * inverse / freedom,
        weight=freedom / ((inverse + SPREAD) * (inverse + SPREAD)),
    )


SIGNAL = Signal(
    name="rate_limit_hugging",
    question="Does each member send at a steady rate, day after day?",
    unit="squared variation of a member's days beyond counting noise (0: constant rate); conservative: minus log",
    high_means="Members, whatever their volume, send the same amount every day, as workers under a quota do.",
    innocent_cause="Scheduled jobs, or products with a steady demand.",
    evidence=EvidenceKind.TIMES,
    source="index of dispersion of daily counts (Fisher 1950), pooled over members",
    reads=(ACCOUNT_DAYS, GROUP_MEMBERS),
    compute=compute,
)
