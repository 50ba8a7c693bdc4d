"""Whether new members take over where others were suspended.

Null hypothesis: given when members were suspended, each member that began later began at any moment of the group's
time with equal chance. So many of these onsets fall within 24 hours after a suspension as these 24 hours, united where
they overlap, are of that time: a binomial share. The value is the share of onsets less the share of time; the
conservative end is the log odds of the lower end of the one (Wilson, two standard deviations) less the log odds of the
other.

The time that is looked at begins 24 hours after the first suspension and ends with the group's last exchange. The
first suspension only opens it: most groups grow fastest when they begin, and onsets that had slowed down since a moment
would always seem to follow it. One sweep of suspensions is therefore no evidence; there is no row.

Assumed: growth and suspensions are not both bound to the same few days. Honest members arrive together, so onsets are
not independent: for the interval, all onsets of one 24 hours count as one. Where suspensions never cease no time is
uncovered, and there is no row.

Suspensions before an account's own onset are not of the group, so nobody succeeds themselves; those after the group's
last exchange cannot be followed and are ignored. Events name accounts: groups of organisations or end users have no
rows.
"""

from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import ACCOUNT_EVENTS, GROUP_MEMBERS, SLICES
from stillwatch.signals.odds import log_odds, lower_log_odds

if TYPE_CHECKING:
    import ibis.expr.types as ir

DAY_SECONDS: Final = 86_400
MIN_SUSPENSIONS: Final = 3
MIN_ONSETS: Final = 5
"""Fewer are no pattern. Judgements."""


def compute(tables: Tables) -> "ir.Table":
    """One row for each group with three suspensions and five onsets later than a day after the first; -1 to 1."""
    members = _dated_members(tables)
    suspensions = _suspensions(tables, members)
    spans = _spans(suspensions)
    onsets = _later_onsets(members, suspensions, spans)
    sums = onsets.group_by("group_id").agg(
        n=onsets.count(), hits=onsets.is_succession.cast("int64").sum(), n_days=onsets.day.nunique()
    )
    rows = sums.filter(sums.n >= MIN_ONSETS).inner_join(spans, "group_id")
    share, time = rows.hits / rows.n, rows.covered / rows.seconds
    lower = lower_log_odds(share * rows.n_days, rows.n_days, expected=time, deviations=2.0)
    return rows.select("group_id", value=share - time, conservative_value=lower - log_odds(time), n=rows.n)


def _dated_members(tables: Tables) -> "ir.Table":
    """`group_id, account_id, onset, end`: of members, with the end of the group, in seconds."""
    slices = tables["slices"].select("slice_id", "first_seen_at", "last_seen_at")
    rows = tables["group_members"].inner_join(slices, "slice_id")
    last = _seconds(rows.last_seen_at).max().over(group_by=rows.group_id)
    return rows.select("group_id", "account_id", onset=_seconds(rows.first_seen_at), end=last)


def _suspensions(tables: Tables, members: "ir.Table") -> "ir.Table":
    """`group_id, at, end`: suspensions of members while the group was active, of groups with three or more."""
    events = tables["account_events"]
    suspended = events.filter(events.event_name == "suspended")
    dated = suspended.select("account_id", at=_seconds(suspended.event_time)).distinct()
    rows = members.inner_join(dated, "account_id")
    inside = rows.filter((rows.at >= rows.onset) & (rows.at < rows.end)).select("group_id", "at", "end")
    counted = inside.mutate(n_suspensions=inside.count().over(group_by=inside.group_id))
    return counted.filter(counted.n_suspensions >= MIN_SUSPENSIONS).drop("n_suspensions")


def _spans(suspensions: "ir.Table") -> "ir.Table":
    """`group_id, start, seconds, covered`: the time that is looked at, and how much of it the 24 hours after each make.

    The intervals are equally long, so each covers what the next one has not begun to cover: no time counts twice.
    """
    own = suspensions.group_id
    rows = suspensions.mutate(
        start=suspensions.at.min().over(group_by=own) + DAY_SECONDS,
        following=suspensions.at.lead().over(group_by=own, order_by=suspensions.at).fill_null(suspensions.end),
    )
    until = ibis.least(rows.at + DAY_SECONDS, rows.following)
    length = ibis.greatest(until - ibis.greatest(rows.at, rows.start), 0)
    spans = rows.group_by("group_id", "start", "end").agg(covered=length.sum())
    spans = spans.select("group_id", "start", "covered", seconds=spans.end - spans.start)
    return spans.filter((spans.covered > 0) & (spans.covered < spans.seconds))


def _later_onsets(members: "ir.Table", suspensions: "ir.Table", spans: "ir.Table") -> "ir.Table":
    """`group_id, day, is_succession`: onsets in that time, its day, whether a suspension was less than a day ago."""
    dated = members.inner_join(spans.select("group_id", "start"), "group_id")
    dated = dated.filter(dated.onset >= dated.start)
    nothing = ibis.null("int64")
    moments = ibis.union(
        suspensions.select(
            "group_id", at=suspensions.at, rank=ibis.literal(0), suspended_at=suspensions.at, day=nothing
        ),
        dated.select(
            "group_id",
            at=dated.onset,
            rank=ibis.literal(1),
            suspended_at=nothing,
            day=((dated.onset - dated.start) / DAY_SECONDS).floor().cast("int64"),
        ),
    )
    before = ibis.cumulative_window(group_by=moments.group_id, order_by=[moments.at, moments["rank"]])
    known = moments.mutate(latest=moments.suspended_at.max().over(before))
    onsets = known.filter(known["rank"] == 1)
    return onsets.select("group_id", "day", is_succession=onsets.at - onsets.latest < DAY_SECONDS)


def _seconds(moment: "ir.TimestampValue") -> "ir.IntegerValue":
    """Whole seconds since 1970: engines disagree on fractions."""
    return moment.epoch_seconds().floor().cast("int64")


SIGNAL = Signal(
    name="successor_handover",
    question="Do new members begin within a day after other members were suspended?",
    unit="share of later onsets less the share of time, -1 to 1; conservative: difference of their log odds",
    high_means="New members begin right after suspensions, as if lost accounts were replaced.",
    innocent_cause="A team whose keys are rotated, or a customer who opens new accounts after a wrongful suspension.",
    evidence=EvidenceKind.TIMES,
    source="binomial share of covered time (Wilson 1927), onsets of one day taken as one",
    reads=(ACCOUNT_EVENTS, SLICES, GROUP_MEMBERS),
    compute=compute,
)
