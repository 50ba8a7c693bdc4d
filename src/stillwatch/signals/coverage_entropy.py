"""Whether the group works through topics evenly.

Estimates the entropy H of the group's topics with the Miller-Madow correction. There is no null hypothesis: it is an
effect size with an interval. Assumed: prompts of one member are correlated by no more than the upper end of their
measured correlation, so that H is known to sqrt(Var(-ln p)/N*) with N* the number of independent prompts. The
conservative end is two standard errors below, without the correction, which only raises H.

References:
    G. A. Miller (1955), Note on the bias of information estimates, in Information Theory in Psychology.
"""

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
    """One row for each group whose topics can be compared; the value is H in nats, 0 to ln 256."""
    bins = group_bins(tables, "cell")
    surprise = bins["count"].cast("float64").ln()
    sums = bins.group_by("group_id").agg(
        n=bins["count"].sum(),
        k=bins.count(),
        first=exact_sum(bins["count"] * surprise),
        second=exact_sum(bins["count"] * surprise * surprise),
    )
    rows = sums.inner_join(independent_exchanges(tables, "cell"), "group_id")
    mean = rows["first"] / rows.n
    plain = rows.n.cast("float64").ln() - mean
    spread = ibis.greatest(rows.second / rows.n - mean * mean, 0.0)
    corrected = plain + (rows.k - 1) / (2.0 * rows.n)
    lower = plain - 2.0 * (spread / rows.n_independent).sqrt()
    return rows.select("group_id", value=corrected, conservative_value=lower, n=rows.n)


SIGNAL = Signal(
    name="coverage_entropy",
    question="Does the group cover many topics evenly?",
    unit="nats over 256 topics",
    high_means="The group as a whole works through many topics evenly, as a curriculum does.",
    innocent_cause="Many independent customers of one popular tool, or an evaluation suite that covers all topics.",
    evidence=EvidenceKind.PROMPTS,
    source="entropy with the Miller-Madow correction (Miller 1955)",
    reads=(SLICE_BINS, GROUP_MEMBERS),
    compute=compute,
)
