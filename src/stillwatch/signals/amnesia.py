"""Whether members never come back to their own material.

Honest accounts return to their own names, files, tables and wording in one conversation after the other; an account
that is dealt pieces of a queue does not: two of its conversations have no more in common than two conversations of
different members. What is compared are the materials of conversations (a fixed sample of their words, one draw for
each sampled word of a conversation's first prompt): common words and the shared template occur in all members alike
and add nothing, rare words decide.

Null hypothesis, assumptions and references: `signals.homogeneity`, with words as bins. Words of one conversation come
together, which the standard error does not know; a word is counted once in a conversation, and the calibration ranks
honest groups that are measured in the same way.
"""

from typing import TYPE_CHECKING

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, SLICE_BINS
from stillwatch.signals.homogeneity import alike

if TYPE_CHECKING:
    import ibis.expr.types as ir


def compute(tables: Tables) -> "ir.Table":
    """One row for each group whose members have several conversations with sampled words."""
    return alike(tables, "material")


SIGNAL = Signal(
    name="amnesia",
    question="Do the members of the group never come back to material of their own?",
    unit="intra-member correlation of words (0: own conversations are as strange as others'); conservative: minus log",
    high_means="Two conversations of one member have no more in common than conversations of different members.",
    innocent_cause="A gateway or product whose accounts carry many people's material; an evaluation run.",
    evidence=EvidenceKind.PROMPTS,
    source="Pearson chi-squared with exact conditional moments (Haldane 1940, Dawson 1954), as a correlation",
    reads=(SLICE_BINS, GROUP_MEMBERS),
    compute=compute,
)
