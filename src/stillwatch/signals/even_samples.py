"""Whether prompts that members share are shared evenly, as where a queue sends each one to the same few accounts.

Where members repeat each other's prompts, count for each prompt the r members that sent it, over all pairs and triples
of members. If members draw from one pool of P prompts independently and evenly, as a class or customers of a benchmark
do, a pair of their prompts is equal with probability 1/P and a triple with 1/P**2, however much each member sends and
however little of it is seen. Popular prompts raise the triples: honest repeats follow a heavy tail. A queue that sends
every prompt to k accounts has too few of them: k - 1 others have a member's prompt, never more.
The value is the number of triples over that expected from the pairs,

    R = S3 E2**2 / (E3 S2**2),  S2 = sum r(r-1), S3 = sum r(r-1)(r-2), E2 and E3 the pairs and triples of all prompts,

1 for independent even draws, above 1 for popularity, (k - 2)/(k - 1) for k copies of each, at any coverage. Where every
account runs the whole pool r is constant as well, but R is 1: E2 and E3 know that each covers all of it.

Null hypothesis: independent draws without replacement from an even pool. Assumed: prompts fall into the 2**15 bins at
random, so that pairs of different prompts meet with that chance, which is subtracted from S2 and S3. Prompts outside of
the pool raise R. The conservative end takes two errors of S3 above and of S2 below, from the sums of squares of bins,
with one triple more than was found; where the pairs do not exceed chance by two errors there is no row.

References:
    N. L. Johnson, A. W. Kemp, S. Kotz (2005), Univariate Discrete Distributions, section 1.2.7 (factorial moments).
We differ from an index of dispersion of items, which depends on the share of items that nobody was seen to send.
"""

from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.model.signal import EvidenceKind, Signal
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, SLICE_BINS
from stillwatch.signals.repeats import CHANCE

if TYPE_CHECKING:
    import ibis.expr.types as ir

MIN_MEMBERS: Final = 3

ONE_TRIPLE: Final = 6.0
"""A triple of members in its six orders."""


def compute(tables: Tables) -> "ir.Table":
    """One row for each group of at least three members that repeat each other's prompts more than by chance."""
    rows = _triples(tables)
    rows = rows.mutate(pairs=rows.s2 - CHANCE * rows.e2, pair_error=(rows.q2 + 1.0).sqrt())
    rows = rows.filter(rows.pairs > 2.0 * rows.pair_error)
    unlike = 3.0 * CHANCE * rows.pairs * rows.e3 / rows.e2 + CHANCE * CHANCE * rows.e3
    triples = rows.s3 - unlike
    most = ibis.greatest(triples, 0.0) + 2.0 * (rows.q3 + ONE_TRIPLE * ONE_TRIPLE).sqrt()
    least = rows.pairs - 2.0 * rows.pair_error
    scale = rows.e2 * rows.e2 / rows.e3
    return rows.select(
        "group_id",
        value=scale * triples / (rows.pairs * rows.pairs),
        conservative_value=-(scale * most / (least * least)).ln(),
        n=rows.n,
    )


def _triples(tables: Tables) -> "ir.Table":
    """`group_id, n`, pairs and triples of prompts (`e2, e3`), equal ones (`s2, s3`), their squares (`q2, q3`)."""
    bins = tables["slice_bins"]
    prompts = bins.filter(bins.axis == "prompt").select("slice_id", "bin")
    members = tables["group_members"].select("group_id", "slice_id")
    rows = members.inner_join(prompts, "slice_id")
    shared = rows.group_by("group_id", "bin").agg(r=rows.count())
    own = members.inner_join(prompts.group_by("slice_id").agg(k=prompts.count()), "slice_id")
    two = (shared.r * (shared.r - 1)).cast("decimal(38, 0)")
    three = (shared.r * (shared.r - 1) * (shared.r - 2)).cast("decimal(38, 0)")
    equal = shared.group_by("group_id").agg(
        **{name: total.sum().cast("float64") for name, total in
           (("s2", two), ("s3", three), ("q2", two * two), ("q3", three * three))}
    )  # fmt: skip
    power = own.k.cast("decimal(38, 0)")
    of_members = own.group_by("group_id").agg(
        m=own.count(),
        n=own.k.sum(),
        k2=(power * power).sum().cast("float64"),
        k3=(power * power * power).sum().cast("float64"),
    )
    of_members = of_members.filter(of_members.m >= MIN_MEMBERS)
    n = of_members.n.cast("float64")
    every = of_members.select(
        "group_id",
        "n",
        e2=n * n - of_members.k2,
        e3=n * n * n - 3.0 * n * of_members.k2 + 2.0 * of_members.k3,
    )
    return every.inner_join(equal, "group_id")


SIGNAL = Signal(
    name="even_samples",
    question="Do members that repeat each other's prompts repeat each one equally often?",
    unit="triples of equal prompts over those expected from pairs (1: independent draws); conservative: minus log",
    high_means="Each prompt went to the same few accounts and to no other, as where a queue asks for several answers.",
    innocent_cause="A team that sends each case of a test set to a few of its accounts, to compare the answers.",
    evidence=EvidenceKind.PROMPTS,
    source="factorial moments of the members per prompt",
    reads=(SLICE_BINS, GROUP_MEMBERS),
    compute=compute,
)
