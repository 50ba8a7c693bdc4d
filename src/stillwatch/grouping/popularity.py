"""Which tokens are popular, and the strata by which popular tokens are judged beside the whole.

A token that many already used, or that very different accounts use, is judged by strata as well, because a campaign
that hides in it disappears in the whole. The whole is judged too, if its adopters are of one kind: accounts that join
over weeks, or send unequal volumes, would else make a campaign's own token popular and put it out of reach
(docs/design/2026-11-23-popular-tokens.md). A popular token is *mixed* when most of its adopters send less than a tenth
(`mixed_volume_share`) of what the one behind the median exchange sends. What such a group looks like is decided by the
few, and says nothing about the rest.

A stratum is (onset cohort, target band, volume band) of a slice. The onset cohort is the part of the window, cut in
`n_cohorts` equal parts, of the account's first sight with the token; accounts that already used it on days before the
window (when such days are given) are the cohort `before`. A token with at least `popular_accounts` adopters is popular
when any of these holds:

1. at least `popular_accounts` adopters are of the cohort `before`: the token is older than this window;
2. at least `popular_accounts` adopters came before the latest cohort that holds a tenth (`popular_stratum_share`) and
   `min_accounts` of the adopters: that cohort joined something that existed;
3. at least `n_popular_strata` strata hold a tenth of the adopters each: they are not one kind of account.

Without days before the window, its first cohort holds everybody who was active before, and rules 2 and 3 tell which
tokens are popular.
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
    """`slices` with the columns `cohort` (int, -1 is before the window) and `stratum` (text a person can read).

    Both are null where a token has too few adopters to be popular.
    """
    start = int(run.window.start.timestamp())
    seconds = int(run.window.end.timestamp()) - start
    since = slices.onset.epoch_seconds().floor() - start
    part = (since * settings.n_cohorts).floordiv(seconds).clip(0, settings.n_cohorts - 1)
    cohort = (since < 0).ifelse(BEFORE, part).cast("int32")
    onset = (since < 0).ifelse("before", (cohort + 1).cast("string") + f"/{settings.n_cohorts}")
    share = slices.n_target / (slices.n_prompts == 0).ifelse(ibis.null(), slices.n_prompts)
    target = _band(share, settings.target_edges).fill_null("unknown")
    volume = _band(slices.n, settings.volume_edges)
    stratum = ibis.literal("onset ") + onset + ", target " + target + ", volume " + volume
    can_be_popular = slices.df >= settings.popular_accounts
    return slices.mutate(
        cohort=can_be_popular.ifelse(cohort, ibis.null()), stratum=can_be_popular.ifelse(stratum, ibis.null())
    )


def popular_tokens(stratified: "ir.Table", settings: Settings) -> "ir.Table":
    """The tokens that are judged by strata as well, by the three rules above: `token_kind, token, is_mixed`."""
    popular = _popular(stratified, settings)
    adopters = stratified.semi_join(popular, TOKEN).select(*TOKEN, "n")
    sent = adopters.mutate(
        so_far=adopters.n.sum().over(ibis.cumulative_window(group_by=TOKEN, order_by=adopters.n)),
        total=adopters.n.sum().over(group_by=TOKEN),
    )
    of_median = sent.n.min(where=sent.so_far * 2 >= sent.total).over(group_by=TOKEN)
    compared = sent.mutate(is_alike=sent.n.cast("float64") >= of_median.cast("float64") * settings.mixed_volume_share)
    counted = compared.group_by(*TOKEN).agg(n=compared.count(), n_alike=compared.is_alike.cast("int64").sum())
    return counted.select(*TOKEN, is_mixed=counted.n_alike * 2 < counted.n)


def _popular(stratified: "ir.Table", settings: Settings) -> "ir.Table":
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
