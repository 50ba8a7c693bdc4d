"""Whether members are alike in what they ask about and yet do not repeat each other's prompts.

Honest groups that are alike in content send the same instances (a quickstart, a class exercise, a benchmark, a viral
prompt); honest groups without repeats work each on their own material. Only a dealt queue is both alike and free of
repeats. The value adds two probabilities that are near 0 for such a queue: the intra-member correlation of topics
(`signals.homogeneity`, bins are the 256 cells of prompt content) and the probability that prompts of two members are
the same (`signals.repeats`). The conservative end takes the upper end of both.

Null hypothesis: one queue without repeats, dealt at random: both are 0. Equal prompts of one conversation count once.
"""

from typing import TYPE_CHECKING

import ibis

from stillwatch.model.signal import Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, GROUPS, SLICE_BINS
from stillwatch.signals.homogeneity import FLOOR, correlation
from stillwatch.signals.repeats import repeat_probability

if TYPE_CHECKING:
    import ibis.expr.types as ir


def compute(tables: Tables) -> "ir.Table":
    """One row for each group whose members can be compared in topics and in prompts."""
    topics, repeats = correlation(tables, "cell"), repeat_probability(tables)
    rows = topics.inner_join(repeats.select("group_id", "probability", "upper"), "group_id")
    upper = ibis.greatest(rows.value, 0.0) + 2.0 * rows.error + rows.upper + FLOOR
    return rows.select("group_id", value=rows.value + rows.probability, conservative_value=-upper.ln(), n=rows.n)


SIGNAL = Signal(
    name="homogeneous_and_disjoint",
    question="Do the members ask about the same mix of topics without ever sending the same prompts?",
    unit="correlation of topics plus probability of equal prompts, 0 to 2; conservative: minus natural log",
    high_means="Members are as alike, and as free of repeats, as if one queue of prompts had been dealt to them.",
    innocent_cause="One owner's load-balanced fleet, or a gateway that spreads its users over several accounts.",
    source="Pearson chi-squared as a correlation (Haldane 1940, Dawson 1954) and collisions between members",
    reads=(SLICE_BINS, GROUPS, GROUP_MEMBERS),
    compute=compute,
)
