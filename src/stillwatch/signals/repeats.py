"""How many other members of a group sent a prompt that one of them sent.

Prompts of different members, of the fixed quarter of prompts that features keep, are compared by 15 bits of their
hash. The quarter is chosen by the prompt, so that every copy of a kept prompt is kept, and the mean number of copies
is that of all prompts. Assumed: where prompts are distinct, equal bits are coincidences, Poisson with one chance in
2**15 a pair. Where prompts do repeat, pairs depend on each other and the interval is too short, but the estimate is
then far from 0, which is all that is asked of it.

We count copies of a prompt and not, as the first version did, the probability that two prompts are equal: a benchmark
of 5,000 items gives 1/5,000, which looks like no repeats at all although every item is sent by everybody.
"""

from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.model.stage import Tables
from stillwatch.signals.sums import exact_sum, group_bins, member_totals

if TYPE_CHECKING:
    import ibis.expr.types as ir

CHANCE: Final = 2.0**-15
"""Probability that two different prompts fall in one bin."""


def repeats(tables: Tables) -> "ir.Table":
    """Columns `group_id, copies, upper`: mean copies of a prompt at other members, 0 or more, and its upper end.

    The upper end is two errors above. Groups of which fewer than two members have sampled prompts have no row.
    """
    bins = group_bins(tables, "prompt")
    count = bins["count"].cast("float64")
    together = bins.group_by("group_id").agg(n=bins["count"].sum().cast("float64"), equal=exact_sum(count * count))
    members = member_totals(tables, "prompt")
    own = members.total.cast("float64")
    alone = members.group_by("group_id").agg(own_pairs=exact_sum(own * own), own_equal=exact_sum(members.squares))
    rows = together.inner_join(alone, "group_id")
    rows = rows.mutate(pairs=(rows.n * rows.n - rows.own_pairs) / 2.0, found=(rows.equal - rows.own_equal) / 2.0)
    rows = rows.filter(rows.pairs > 0)
    excess = rows.found - CHANCE * rows.pairs
    return rows.select(
        "group_id",
        copies=ibis.greatest(2.0 * excess / rows.n, 0.0),
        upper=ibis.greatest(2.0 * (excess + 2.0 * (rows.found + 1.0).sqrt()) / rows.n, 0.0),
    )
