"""Whether the members turned to a new model at once, as a queue does whose workers read one configuration.

Null hypothesis: given that they were active, members use a new model within its first two days as often as the other
accounts of the provider did. Assumed: accounts decide independently, which the employees of one company do not. The
value is the members' share; the conservative end is the log odds ratio between the lower end of that share and the
upper end of everybody else's (Wilson intervals, two standard deviations).

A group that saw k releases has k chances, so the largest of k ratios is reported with its interval widened to
sqrt(4 + 2 ln k) standard deviations: a Gaussian tail beyond that is at most 1/k of the tail beyond two, which is what
Bonferroni asks for. A new model is one that nobody used in the first week of the days given; it is released on the
first day by which five accounts have used it, since one early tester dates nothing. Models that less than one account
in a hundred ever uses are private: a fine-tuned model is new to everybody but the team that made it.

Aggregates are daily: "at once" is the day of the release or the day after, 24 to 48 hours, and a member who turned in
the first hour cannot be told from one who turned the next evening. Who is active on neither day does not count.
"""

from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import ACCOUNT_DAYS, GROUP_MEMBERS
from stillwatch.signals.odds import lower_log_odds

if TYPE_CHECKING:
    import ibis.expr.types as ir

HISTORY_DAYS: Final = 7
"""Shorter, and a model that is used at weekends only would look new. A judgement."""
MIN_TESTERS: Final = 5
MIN_ACTIVE: Final = 5
"""Fewer members say nothing about a group, as fewer accounts say nothing about a release. Judgements."""
PUBLIC_SHARE: Final = 0.01
"""Of all accounts: what fewer ever use is not offered to everybody. A judgement."""


def compute(tables: Tables) -> "ir.Table":
    """One row for each group of which five members were active when a model was new; the value is a share, 0 to 1."""
    facts = turned_accounts(tables["account_days"])
    everyone = facts.group_by("model").agg(n_all=facts.count(), turned_all=facts.turned.sum())
    rows = tables["group_members"].select("group_id", "account_id").inner_join(facts, "account_id")
    sums = rows.group_by("group_id", "model").agg(n=rows.count(), turned=rows.turned.sum())
    seen = sums.filter(sums.n >= MIN_ACTIVE).inner_join(everyone, "model")
    n_releases = seen.count().over(group_by=seen.group_id).cast("float64")
    others, turned = seen.n_all - seen.n, seen.turned_all - seen.turned
    usual = (turned + 0.5) / (others + 1.0)
    deviations = (4.0 + 2.0 * n_releases.ln()).sqrt()
    lower = lower_log_odds(seen.turned, seen.n, expected=usual, deviations=deviations)
    upper = -lower_log_odds(others - turned, others, expected=0.5, deviations=2.0)
    ratios = seen.mutate(value=seen.turned / seen.n, conservative_value=lower - upper)
    order = [ratios.conservative_value.desc(), ratios.model]
    ranked = ratios.mutate(place=ibis.row_number().over(group_by=ratios.group_id, order_by=order))
    return ranked.filter(ranked.place == 0).select("group_id", "value", "conservative_value", "n")


def turned_accounts(account_days: "ir.Table") -> "ir.Table":
    """`account_id, model, turned`: accounts active in a release's first two days, and 1 if they used it by then, or 0.

    One row for each account and new model: a small table, made before any group is looked at.
    """
    days = account_days.select("account_id", "models", day=_day_number(account_days.day))
    uses = days.select("account_id", "day", model=days.models.unnest())
    adopted = uses.group_by("account_id", "model").agg(adopted=uses.day.min())
    released = _releases(days, adopted)
    two_days = ibis.union(released, released.mutate(day=released.day + 1))
    active = days.select("account_id", "day").inner_join(two_days, "day")
    active = active.group_by("account_id", "model").agg(last_day=active.last_day.max())
    rows = active.left_join(adopted, ["account_id", "model"])
    has_turned = (rows.adopted <= rows.last_day).fill_null(False)
    return rows.select("account_id", "model", turned=has_turned.cast("int64"))


def _releases(days: "ir.Table", adopted: "ir.Table") -> "ir.Table":
    """`model, day, last_day`: the day of its release and the day after, of each model that was new and public."""
    by_day = adopted.group_by("model", "adopted").agg(n=adopted.count())
    so_far = by_day.n.sum().over(ibis.cumulative_window(group_by=by_day.model, order_by=by_day.adopted))
    known = by_day.mutate(n_testers=so_far)
    is_known = known.n_testers >= MIN_TESTERS
    models = known.group_by("model").agg(
        first=known.adopted.min(), day=known.adopted.min(where=is_known), n_accounts=known.n.sum()
    )
    span = days.aggregate(first_day=days.day.min(), n_all=days.account_id.nunique())
    rows = models.cross_join(span)
    is_new = rows["first"] >= rows.first_day + HISTORY_DAYS
    is_public = rows.n_accounts >= rows.n_all * PUBLIC_SHARE
    return rows.filter(is_new & is_public & rows.day.notnull()).select("model", "day", last_day=rows.day + 1)


def _day_number(day: "ir.DateValue") -> "ir.IntegerValue":
    """Days since 1970: engines disagree on what a date plus a number of days is."""
    return day.delta(ibis.date("1970-01-01"), unit="day").cast("int64")


SIGNAL = Signal(
    name="pivot",
    question="Did the members turn to a new model within its first two days, when other accounts did not?",
    unit="share of active members; conservative: log odds ratio to all other accounts",
    high_means="The members took up a new model at once, as if one configuration had been changed for all of them.",
    innocent_cause="One product or one company whose default model was switched, so that all of its accounts moved.",
    evidence=EvidenceKind.TIMES,
    source="log odds ratio of Wilson intervals (Wilson 1927), Bonferroni over releases",
    reads=(ACCOUNT_DAYS, GROUP_MEMBERS),
    compute=compute,
)
