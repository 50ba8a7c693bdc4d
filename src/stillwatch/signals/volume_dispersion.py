"""Whether members sent suspiciously equal amounts.

Volumes are counted in conversations, because the exchanges of one come in a bunch whoever sends them. Null hypothesis:
a balancer deals conversations to members at random, so that the volumes n_i of slices are Poisson with one mean, seen
only where n_i >= 1: zero-truncated Poisson. Assumed: members were there for the same time. The value is ln(V + 0.05)
with V the sample variance over the variance of a zero-truncated Poisson of the same mean; honest users of one token are
over-dispersed, V far above 1.

The truncation matters. Where members use a token once or twice, Var/Mean is near zero for anybody, which made the
prototype accuse viral prompts; against the truncated law such a group is ordinary. Below a mean of 2 there
is no evidence and no row. The standard error of ln V is sqrt((kurtosis - 1)/(m - 1)) of the same law, which is
sqrt(2/(m - 1)) for large means and wide for small ones.
"""

from typing import TYPE_CHECKING, Final

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, SLICE_BINS
from stillwatch.signals.poisson import truncated_rate
from stillwatch.signals.sums import member_totals

if TYPE_CHECKING:
    import ibis.expr.types as ir

OFFSET: Final = 0.05
"""Keeps the log finite for equal volumes (notes of the measured prototype)."""

MIN_MEAN: Final = 2.0
"""Below it the truncated law leaves hardly any variance to compare with."""

STEPS: Final = 14
"""Fixed-point steps for the rate: its error is then below 1e-4 of the mean."""

MIN_MEMBERS: Final = 3


def compute(tables: Tables) -> "ir.Table":
    """One row for each group of at least three members with a mean volume of at least two."""
    rows = member_totals(tables, "day").select("group_id", n="total")
    real = rows.n.cast("decimal(38, 0)")
    sums = rows.group_by("group_id").agg(
        m=rows.count(), total=rows.n.sum(), squares=(real * real).sum().cast("float64")
    )
    means = sums.mutate(mean=sums.total / sums.m)
    known = means.filter((means.m >= MIN_MEMBERS) & (means.mean >= MIN_MEAN))
    rate = known.mutate(rate=truncated_rate(known.mean, steps=STEPS))
    variance = (rate.squares - rate.mean * rate.total) / (rate.m - 1)
    expected, fourth = _central_moments(rate.mean, rate.rate)
    log_ratio = (variance / expected + OFFSET).ln()
    error = ((fourth / (expected * expected) - 1.0) / (rate.m - 1)).sqrt()
    return rate.select("group_id", value=log_ratio, conservative_value=-(log_ratio + 2.0 * error), n=rate.m)


def _central_moments(
    mean: "ir.FloatingValue", rate: "ir.FloatingValue"
) -> tuple["ir.FloatingValue", "ir.FloatingValue"]:
    """Variance and fourth central moment of the zero-truncated Poisson, from E X(X-1)...(X-k+1) = mean rate**(k-1).

    NOTE: written around the untruncated law (moments rate and rate + 3 rate**2), whose terms would cancel in floating
    point for large means. With gap = mean - rate, a truncated moment about `mean` is that of the full law about `mean`
    without its mass at zero, divided by rate/mean.
    """
    gap = mean - rate
    keep = rate / mean
    lost = 1.0 - keep
    variance = (rate + gap**2 - lost * mean**2) / keep
    fourth = (rate + 3.0 * rate**2 - 4.0 * gap * rate + 6.0 * gap**2 * rate + gap**4 - lost * mean**4) / keep
    return variance, fourth


SIGNAL = Signal(
    name="volume_dispersion",
    question="Did the members of the group send suspiciously equal amounts?",
    unit="natural log of variance over that of randomly dealt conversations (0: as dealt); conservative: its negative",
    high_means="Volumes are as even as if one queue had been dealt to the members at random, or evener.",
    innocent_cause="One owner's load-balanced fleet, equal credits at a hackathon, or a benchmark of fixed length.",
    evidence=EvidenceKind.VOLUMES,
    source="index of dispersion against a zero-truncated Poisson",
    reads=(SLICE_BINS, GROUP_MEMBERS),
    compute=compute,
)
