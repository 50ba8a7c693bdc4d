"""Whether members spread over days alike. Null hypothesis, assumptions and references: `signals.homogeneity`."""

from typing import TYPE_CHECKING

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, SLICE_BINS
from stillwatch.signals.homogeneity import alike

if TYPE_CHECKING:
    import ibis.expr.types as ir


def compute(tables: Tables) -> "ir.Table":
    """One row for each group whose members repeat often enough to be compared; bins are UTC days of the window."""
    return alike(tables, "day")


SIGNAL = Signal(
    name="day_homogeneity",
    question="Are the members of the group active on the same days?",
    unit="intra-member correlation (0: members are copies, 1: each has its own day); conservative: minus natural log",
    high_means="Members are as alike as if one queue had been dealt to them at random.",
    innocent_cause="A class, a hackathon or a release day: honest members are active on the same few days.",
    evidence=EvidenceKind.TIMES,
    source="Pearson chi-squared with exact conditional moments (Haldane 1940, Dawson 1954), as a correlation",
    reads=(SLICE_BINS, GROUP_MEMBERS),
    compute=compute,
)
