"""Whether one hidden rate drives all members: the same outages, pauses and back-offs, hour by hour.

With one queue behind them, members send at hour t of the window in proportion to a common rate L(t), whatever their
shares of the queue: the account x hour matrix is a rank-one table with Poisson residuals. Honest members have sessions
of their own, so that each one's exchanges lie together in hours of its own, even where all keep the same office hours
on the same days; daily habits alone are tested by `hour_homogeneity` and `day_homogeneity`.

Null hypothesis, assumptions and references: `signals.homogeneity`, with the hours of the window as bins. Exchanges of
one agent loop fall into one hour, which the standard error does not know and which only makes members look less alike.
"""

from typing import TYPE_CHECKING

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, SLICE_BINS
from stillwatch.signals.homogeneity import alike

if TYPE_CHECKING:
    import ibis.expr.types as ir


def compute(tables: Tables) -> "ir.Table":
    """One row for each group whose members send often enough in one hour to be compared."""
    return alike(tables, "moment")


SIGNAL = Signal(
    name="common_driver",
    question="Do the members of the group rise and fall together, hour by hour?",
    unit="intra-member correlation of hours of the window (0: one common rate); conservative: minus natural log",
    high_means="No member has hours of its own: all follow one rate, pauses included.",
    innocent_cause="One product or scheduler that calls through several accounts, or a single shared event.",
    evidence=EvidenceKind.TIMES,
    source="rank-one rate with Poisson residuals; Pearson chi-squared with exact moments, as a correlation",
    reads=(SLICE_BINS, GROUP_MEMBERS),
    compute=compute,
)
