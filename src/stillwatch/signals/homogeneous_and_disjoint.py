"""Whether members are alike in what they ask about and yet do not repeat each other's prompts.

Honest groups that are alike in content send the same instances (a quickstart, a class exercise, a benchmark, a viral
prompt); honest groups without repeats work each on their own material. Only a dealt queue is both alike and free of
repeats. The value adds two numbers that are near 0 for such a queue: the intra-member correlation of topics
(`signals.homogeneity`, bins are the 256 cells of prompt content) and a tenth of the share of prompts that another
member sent as well (`signals.repeats`; for c copies of a prompt on average, 1 - exp(-c)). The conservative end takes
the upper end of both.

Null hypothesis: one queue without repeats, dealt at random: both are 0. Equal prompts of one conversation count once.
"""

from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, SLICE_BINS
from stillwatch.signals.homogeneity import FLOOR, correlation
from stillwatch.signals.repeats import repeats

if TYPE_CHECKING:
    import ibis.expr.types as ir


REPEATED_WEIGHT: Final = 0.1
"""A group that repeats every prompt counts like one whose members differ by this correlation. A judgement: honest
crowds that work on one pool repeat nearly all, those with material of their own differ by some tenths."""


def compute(tables: Tables) -> "ir.Table":
    """One row for each group whose members can be compared in topics and in prompts."""
    topics, copies = correlation(tables, "cell"), repeats(tables)
    rows = topics.inner_join(copies, "group_id")
    upper = ibis.greatest(rows.value, 0.0) + 2.0 * rows.error + _repeated(rows.upper) + FLOOR
    value = rows.value + _repeated(rows.copies)
    return rows.select("group_id", value=value, conservative_value=-upper.ln(), n=rows.n)


def _repeated(copies: "ir.FloatingValue") -> "ir.FloatingValue":
    return REPEATED_WEIGHT * (1.0 - (-copies).exp())


SIGNAL = Signal(
    name="homogeneous_and_disjoint",
    question="Do the members ask about the same mix of topics without ever sending the same prompts?",
    unit="correlation of topics plus a tenth of the share of repeated prompts, 0 to 1.1; conservative: minus log",
    high_means="Members are as alike, and as free of repeats, as if one queue of prompts had been dealt to them.",
    innocent_cause="One owner's load-balanced fleet, or a gateway that spreads its users over several accounts.",
    evidence=EvidenceKind.PROMPTS,
    source="Pearson chi-squared as a correlation (Haldane 1940, Dawson 1954) and equal prompts of two members",
    reads=(SLICE_BINS, GROUP_MEMBERS),
    compute=compute,
)
