"""Whether the members were new accounts when they began to use what they share.

Estimates the share of members whose account was younger than 60 days at its first sight with the token. There is no
null hypothesis: it is an effect size with an interval. Assumed: accounts are independent, which a class that signs up
together is not. The conservative end is one largest possible pair of standard deviations, 1/sqrt(m), below. Members of
unknown age do not count; with none known there is no row.
"""

from typing import TYPE_CHECKING, Final

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, SLICES

if TYPE_CHECKING:
    import ibis.expr.types as ir

YOUNG_DAYS: Final = 60.0
"""From the measured prototype."""


def compute(tables: Tables) -> "ir.Table":
    """One row for each group with a member of known age; the value is a share of accounts, 0 to 1."""
    slices = tables["slices"].select("slice_id", "age_days")
    rows = tables["group_members"].select("group_id", "slice_id").inner_join(slices, "slice_id")
    known = rows.filter(rows.age_days.notnull())
    sums = known.group_by("group_id").agg(n=known.count(), young=(known.age_days < YOUNG_DAYS).cast("int64").sum())
    share = sums.young / sums.n
    lower = share - 1.0 / sums.n.cast("float64").sqrt()
    return sums.select("group_id", value=share, conservative_value=lower, n=sums.n)


SIGNAL = Signal(
    name="youth",
    question="Were the members new accounts when they began to use what they share?",
    unit="share of accounts under 60 days old",
    high_means="Most members signed up shortly before they joined the group.",
    innocent_cause="A class, a hackathon, a bootcamp or a launch: honest newcomers arrive together.",
    evidence=EvidenceKind.ACCOUNTS,
    source="measured prototype of this project",
    reads=(SLICES, GROUP_MEMBERS),
    compute=compute,
)
