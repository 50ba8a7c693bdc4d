"""How often two members of a group sent the same prompt.

Pairs of prompts of different members, of the fixed quarter of prompts that features keep, are compared by 15 bits of
their hash. Assumed: where prompts are distinct, equal bits are coincidences, Poisson with one chance in 2**15 a pair.
Where prompts do repeat, pairs depend on each other and the interval is too short, but the estimate is then far from 0,
which is all that is asked of it.
"""

from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.model.stage import Tables
from stillwatch.signals.sums import exact_sum, group_bins, member_totals

if TYPE_CHECKING:
    import ibis.expr.types as ir

CHANCE: Final = 2.0**-15
"""Probability that two different prompts fall in one bin."""


def repeat_probability(tables: Tables) -> "ir.Table":
    """Columns `group_id, probability, upper`: of equal prompts of two members, and its upper end (two errors).

    Both lie between 0 and 1. Groups of which fewer than two members have sampled prompts have no row.
    """
    bins = group_bins(tables, "prompt")
    count = bins["count"].cast("float64")
    together = bins.group_by("group_id").agg(n=bins["count"].sum().cast("float64"), equal=exact_sum(count * count))
    members = member_totals(tables)
    own = members.prompt.cast("float64")
    alone = members.group_by("group_id").agg(own_pairs=exact_sum(own * own), own_equal=exact_sum(members.equal_prompts))
    rows = together.inner_join(alone, "group_id")
    rows = rows.mutate(pairs=(rows.n * rows.n - rows.own_pairs) / 2.0, found=(rows.equal - rows.own_equal) / 2.0)
    rows = rows.filter(rows.pairs > 0)
    upper = rows.found + 2.0 * (rows.found + 1.0).sqrt()
    return rows.select(
        "group_id",
        probability=_less_chance(rows.found / rows.pairs),
        upper=_less_chance(upper / rows.pairs),
    )


def _less_chance(share: "ir.FloatingValue") -> "ir.FloatingValue":
    return ibis.greatest(ibis.least(share, 1.0) - CHANCE, 0.0)
