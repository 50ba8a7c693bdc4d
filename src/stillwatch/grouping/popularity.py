"""Which tokens are popular, and the strata by which popular tokens are judged.

A token born with its group is judged whole; a token that many already used, or that very different accounts use, is
judged by strata only, because one score for all of its adopters would accuse thousands for what a few do.

A stratum is (onset cohort, target band, volume band) of a slice. The onset cohort is the part of the window, cut in
`n_cohorts` equal parts, of the account's first sight with the token; accounts that already used it on days before the
window (when such days are given) are the cohort `before`. A token with at least `popular_accounts` adopters is popular
when any of these holds:

1. at least `popular_accounts` adopters are of the cohort `before`: the token is older than this window;
2. at least `popular_accounts` adopters came before the latest cohort that holds a tenth (`popular_stratum_share`) and
   `min_accounts` of the adopters: that cohort joined something that existed;
3. at least `n_popular_strata` strata hold a tenth of the adopters each: they are not one kind of account.

Without days before the window, its first cohort holds everybody who was active before; rules 2 and 3 then carry the
protection of popular tokens.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

import ibis

from stillwatch.grouping.settings import Settings
from stillwatch.model.stage import Run

if TYPE_CHECKING:
    import ibis.expr.types as ir

TOKEN = ("token_kind", "token")
BEFORE = -1


def with_strata(slices: "ir.Table", run: Run, settings: Settings) -> "ir.Table":
    """`slices` with the columns `cohort` (int, -1 is before the window) and `stratum` (text a person can read)."""
    start = int(run.window.start.timestamp())
    seconds = int(run.window.end.timestamp()) - start
    since = slices.onset.truncate("s").epoch_seconds() - start
    part = (since * settings.n_cohorts).floordiv(seconds).clip(0, settings.n_cohorts - 1)
    cohort = (since < 0).ifelse(BEFORE, part).cast("int32")
    onset = (since < 0).ifelse("before", (cohort + 1).cast("string") + f"/{settings.n_cohorts}")
    share = slices.n_target / (slices.n_prompts == 0).ifelse(ibis.null(), slices.n_prompts)
    target = _band(share, settings.target_edges).fill_null("unknown")
    volume = _band(slices.n, settings.volume_edges)
    return slices.mutate(
        cohort=cohort, stratum=ibis.literal("onset ") + onset + ", target " + target + ", volume " + volume
    )


def popular_tokens(stratified: "ir.Table", settings: Settings) -> "ir.Table":
    """The tokens, `token_kind, token`, that must not be judged whole, by the three rules above."""
    large = stratified.filter(stratified.df >= settings.popular_accounts)
    cohorts = large.group_by(*TOKEN, "df", "cohort").agg(n=large.count())
    old = _joined_late(cohorts, settings)
    strata = large.group_by(*TOKEN, "df", "stratum").agg(n=large.count())
    wide = strata.filter(_share(strata) >= settings.popular_stratum_share)
    spread = wide.group_by(*TOKEN).agg(n=wide.count())
    return old.union(spread.filter(spread.n >= settings.n_popular_strata).select(*TOKEN), distinct=True)


def _joined_late(cohorts: "ir.Table", settings: Settings) -> "ir.Table":
    """Tokens that satisfy rule 1 or 2, from the number `n` of adopters of each token and cohort."""
    is_large = (_share(cohorts) >= settings.popular_stratum_share) & (cohorts.n >= settings.min_accounts)
    last = cohorts.filter(is_large)
    last = last.group_by(*TOKEN).agg(latest=last.cohort.max())
    counted = cohorts.left_join(last, TOKEN)
    is_before = (counted.cohort == BEFORE) | (counted.cohort < counted.latest)
    earlier = counted.filter(is_before).group_by(*TOKEN).agg(n=lambda rows: rows.n.sum())
    return earlier.filter(earlier.n >= settings.popular_accounts).select(*TOKEN)


def _share(counted: "ir.Table") -> "ir.FloatingValue":
    """NOTE: a quotient of doubles, because a product with a decimal literal rounds differently on each engine."""
    return counted.n.cast("float64") / counted.df.cast("float64")


def _band(value: "ir.NumericValue", edges: tuple[float, ...]) -> "ir.StringValue":
    """Label of the half-open band of `value`: `<4`, `4-32`, `>=32` for the edges 4 and 32; null for null."""
    names = [f"{edge:.2g}" if isinstance(edge, float) else str(edge) for edge in edges]
    labels = [f"<{names[0]}", *(f"{low}-{high}" for low, high in pairwise(names))]
    branches = [(value < edge, label) for edge, label in zip(edges, labels, strict=True)]
    return ibis.cases(*branches, (value >= edges[-1], f">={names[-1]}"))
