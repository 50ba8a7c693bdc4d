"""Whether the group asks for what campaigns want.

Estimates the share of prompts with a capability that published campaigns aimed at. There is no null hypothesis: it is
an effect size with an interval. Assumed: prompts of one member are correlated by no more than the upper end of their
measured correlation. The conservative end is the lower end of the Agresti-Coull interval over N* independent prompts,
which stays below 1 where every prompt is on target. Where members cannot be compared (one capability only, or one
prompt each), members are taken as the independent units.

References:
    A. Agresti, B. A. Coull (1998), Approximate is better than "exact" ..., The American Statistician 52, 119-126.
"""

from typing import TYPE_CHECKING, Final

from stillwatch.model.capability import Capability
from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, SLICE_BINS
from stillwatch.signals.homogeneity import independent_exchanges
from stillwatch.signals.sums import group_axes, group_bins

if TYPE_CHECKING:
    import ibis.expr.types as ir

TARGETS: Final = (Capability.AGENTIC_REASONING, Capability.SOFTWARE_ENGINEERING, Capability.LONG_HORIZON_PLANNING)
"""The aims of the published reference campaign (DESIGN section 1)."""


def compute(tables: Tables) -> "ir.Table":
    """One row for each group with classified prompts; the value is a share, 0 to 1."""
    bins = group_bins(tables, "capability")
    on_target = bins.bin.isin([capability.code for capability in TARGETS])
    sums = bins.group_by("group_id").agg(n=bins["count"].sum(), hits=on_target.ifelse(bins["count"], 0).sum())
    axes = group_axes(tables)
    axes = axes.filter(axes.axis == "capability").select("group_id", "m")
    rows = sums.inner_join(axes, "group_id")
    rows = rows.left_join(independent_exchanges(tables, "capability"), "group_id")
    n = rows.n_independent.fill_null(rows.m.cast("float64")) + 4.0
    share = rows.hits / rows.n
    centre = (share * (n - 4.0) + 2.0) / n
    lower = centre - 2.0 * (centre * (1.0 - centre) / n).sqrt()
    return rows.select("group_id", value=share, conservative_value=lower, n=rows.n)


SIGNAL = Signal(
    name="target_share",
    question="How much of the group's traffic asks for agentic reasoning, software engineering or long planning?",
    unit="share of distinct prompts",
    high_means="The group asks for the capabilities that published campaigns extracted.",
    innocent_cause="A coding assistant or an agent framework: honest users of it ask for nothing else.",
    evidence=EvidenceKind.PROMPTS,
    source="Agresti-Coull interval (Agresti and Coull 1998) with a design effect",
    reads=(SLICE_BINS, GROUP_MEMBERS),
    compute=compute,
)
