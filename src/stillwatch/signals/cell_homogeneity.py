"""Whether members spread over topics alike. Null hypothesis, assumptions and references: `signals.homogeneity`."""

from typing import TYPE_CHECKING

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, SLICE_BINS
from stillwatch.signals.homogeneity import alike

if TYPE_CHECKING:
    import ibis.expr.types as ir


def compute(tables: Tables) -> "ir.Table":
    """One row for each group whose members repeat often enough to be compared.

    Bins are the 256 cells of prompt content; equal prompts of one conversation count once.
    """
    return alike(tables, "cell")


SIGNAL = Signal(
    name="cell_homogeneity",
    question="Do the members of the group ask about the same mix of topics?",
    unit="intra-member correlation (0: members are copies, 1: each has its own topic); conservative: minus natural log",
    high_means="Members are as alike as if one queue had been dealt to them at random.",
    innocent_cause="A quickstart, class exercise or benchmark: everybody sends the same material; one owner's fleet.",
    evidence=EvidenceKind.PROMPTS,
    source="Pearson chi-squared with exact conditional moments (Haldane 1940, Dawson 1954), as a correlation",
    reads=(SLICE_BINS, GROUP_MEMBERS),
    compute=compute,
)
