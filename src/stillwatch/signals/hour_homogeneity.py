"""Whether members spread over hours alike. Null hypothesis, assumptions and references: `signals.homogeneity`."""

from typing import TYPE_CHECKING

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, SLICE_BINS
from stillwatch.signals.homogeneity import alike

if TYPE_CHECKING:
    import ibis.expr.types as ir


def compute(tables: Tables) -> "ir.Table":
    """One row for each group whose members repeat often enough to be compared; bins are UTC hours."""
    return alike(tables, "hour")


SIGNAL = Signal(
    name="hour_homogeneity",
    question="Are the members of the group active at the same hours of the day?",
    unit="intra-member correlation (0: members are copies, 1: each has its own hour); conservative: minus natural log",
    high_means="Members are as alike as if one queue had been dealt to them at random.",
    innocent_cause="Members in one time zone with the same office hours, or programs that run around the clock.",
    evidence=EvidenceKind.TIMES,
    source="Pearson chi-squared with exact conditional moments (Haldane 1940, Dawson 1954), as a correlation",
    reads=(SLICE_BINS, GROUP_MEMBERS),
    compute=compute,
)
