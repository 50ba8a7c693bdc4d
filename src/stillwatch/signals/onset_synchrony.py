"""Whether the members began to use what they share on the same days, however old their accounts are.

Bought accounts are old on paper, but their activity begins together. The value is the probability that two members
began on one UTC day, as an excess over chance: (p - c) / (1 - c), where c is the probability that a member began on the
same day as an unrelated slice of the window (honest days of a launch count less). 1: all on one day; 0: like everybody.

The window hides what came before it, so that somebody who was always there seems to begin with the window. A member
counts where it was silent for longer than its habit explains: at least a day from the first slice of the window on, and
at least three of its own mean gaps between active days (chance of such a silence in steady use: exp(-3)). Groups that
were active all along thus have no row, and rolling enrolment and a viral prompt spread over days.

There is no null hypothesis: it is an effect size with an interval. Assumed: members begin independently given the day.
The conservative end is two standard errors of the U-statistic below, with 1 in place of p in the part that is due to
pairs, so that a handful of members on one day stays uncertain; below five members there is no row.

References:
    W. Hoeffding (1948), A class of statistics with asymptotically normal distribution, Annals of Mathematical
    Statistics 19, 293-325.
"""

from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, SLICE_BINS, SLICES
from stillwatch.signals.sums import exact_sum

if TYPE_CHECKING:
    import ibis.expr.types as ir

GAPS: Final = 3.0
"""A silence of so many mean gaps between active days is not habit: chance exp(-3), 5 %."""

MIN_MEMBERS: Final = 5

_DAY: Final = 86_400


def compute(tables: Tables) -> "ir.Table":
    """One row for each group of which at least five members visibly began inside of the window."""
    onsets = _onsets(tables)
    curve = onsets.group_by("day").agg(everybody=onsets.count())
    curve = curve.mutate(share=curve.everybody / curve.everybody.sum().over())
    rows = tables["group_members"].select("group_id", "slice_id").inner_join(onsets, "slice_id")
    days = rows.group_by("group_id", "day").agg(c=rows.count()).inner_join(curve, "day")
    sums = days.group_by("group_id").agg(
        m=days.c.sum(),
        squares=(days.c * days.c).sum(),
        cubes=(days.c * days.c * days.c).sum(),
        by_chance=exact_sum(days.c * days.share),
    )
    sums = sums.filter(sums.m >= MIN_MEMBERS)
    m, pairs = sums.m.cast("float64"), (sums.m * (sums.m - 1)).cast("float64")
    together, chance = (sums.squares - sums.m) / pairs, sums.by_chance / m
    triple = sums.cubes / (m * m * m)
    uneven = ibis.greatest(triple - (sums.squares / (m * m)) * (sums.squares / (m * m)), 0.0)
    error = (4.0 * uneven / m + 2.0 / pairs).sqrt()
    known = sums.mutate(together=together, chance=chance, error=error)
    known = known.filter(known.chance < 1.0)
    unit = 1.0 - known.chance
    value = (known.together - known.chance) / unit
    return known.select("group_id", value=value, conservative_value=value - 2.0 * known.error / unit, n=known.m)


def _onsets(tables: Tables) -> "ir.Table":
    """`slice_id` and the UTC `day` of the first use, of the slices that began inside of the window."""
    bins = tables["slice_bins"]
    on_day = bins.filter(bins.axis == "day")
    active = on_day.group_by("slice_id").agg(n_days=on_day.count())
    slices = tables["slices"]
    first, last = (slices[name].epoch_seconds().floor() for name in ("first_seen_at", "last_seen_at"))
    seen = slices.select("slice_id", first=first, span=last - first)
    rows = seen.mutate(silence=seen["first"] - seen["first"].min().over()).left_join(active, "slice_id")
    gap = rows.span / ibis.greatest(rows.n_days - 1, 1)
    habit = (rows.n_days > 1).ifelse(GAPS * gap, 0.0).fill_null(0.0)
    began = rows.filter((rows.silence >= _DAY) & (rows.silence >= habit))
    return began.select("slice_id", day=(began["first"] // _DAY).cast("int64"))


SIGNAL = Signal(
    name="onset_synchrony",
    question="Did the members begin to use what they share on the same days?",
    unit="excess probability that two members began on one day (0: like everybody, 1: all on one day)",
    high_means="Members that were not there before began within days of each other, whatever their accounts' age.",
    innocent_cause="A class, a hackathon or a launch: honest members begin on the day that it begins.",
    evidence=EvidenceKind.TIMES,
    source="collision probability of onset days as a U-statistic (Hoeffding 1948), over the window's curve",
    reads=(SLICES, SLICE_BINS, GROUP_MEMBERS),
    compute=compute,
)
