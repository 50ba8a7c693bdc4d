"""Whether the group as a whole never sleeps.

Null hypothesis (the suspicious end): activity is uniform over the 24 hours, mean resultant length R = 0. Assumed: the
hours of one member are correlated, by no more than the upper end of their measured correlation; R is known to
1/sqrt(N*) with N* the number of independent exchanges. Honest members in many time zones also give a low R.
"""

import math
from typing import TYPE_CHECKING

import ibis

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, SLICE_BINS
from stillwatch.signals.homogeneity import independent_exchanges
from stillwatch.signals.sums import exact_sum, group_bins

if TYPE_CHECKING:
    import ibis.expr.types as ir


def compute(tables: Tables) -> "ir.Table":
    """One row for each group whose hours can be compared; the value is R, 0 to 1."""
    bins = group_bins(tables, "hour")
    angle = bins.bin.cast("float64") * (2.0 * math.pi / 24.0)
    sums = bins.group_by("group_id").agg(
        n=bins["count"].sum(), east=exact_sum(bins["count"] * angle.cos()), north=exact_sum(bins["count"] * angle.sin())
    )
    rows = sums.inner_join(independent_exchanges(tables, "hour"), "group_id")
    length = (rows.east * rows.east + rows.north * rows.north).sqrt() / rows.n
    upper = ibis.least(length + 1.0 / rows.n_independent.sqrt(), 1.0)
    return rows.select("group_id", value=length, conservative_value=-upper, n=rows.n)


SIGNAL = Signal(
    name="hour_concentration",
    question="Is the group active around the clock?",
    unit="mean resultant length of UTC hours (0: evenly around the clock, 1: one hour); conservative: its negative",
    high_means="Taken together, the group does not sleep.",
    innocent_cause="Members in many time zones, or servers that work around the clock.",
    evidence=EvidenceKind.TIMES,
    source="circular mean resultant length (Mardia and Jupp 2000, section 2.3)",
    reads=(SLICE_BINS, GROUP_MEMBERS),
    compute=compute,
)
