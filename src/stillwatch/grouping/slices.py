"""Slices: the part of one account's traffic that carries one token."""

from typing import TYPE_CHECKING

import ibis

from stillwatch.grouping.groups import NO_COMPONENT
from stillwatch.grouping.kinds import LINKED, SHINGLE, SHINGLE_BUNDLE
from stillwatch.grouping.pairs import created_at
from stillwatch.grouping.popularity import with_strata
from stillwatch.grouping.settings import Settings
from stillwatch.model.stage import Run
from stillwatch.model.tables import SLICES

if TYPE_CHECKING:
    import ibis.expr.types as ir

_SUMS = ("n", "input_tokens", "output_tokens", "n_prompts", "n_target")
_PROPOSES = ("df", "cohort", "stratum", "proposal", "component")
_SECONDS_PER_DAY = 86_400.0


def all_slices(
    pairs: "ir.Table", links: "ir.Table", codes: "ir.Table", accounts: "ir.Table", *, run: Run, settings: Settings
) -> "ir.Table":
    """The columns of `slices`, and those that propose groups: `df, cohort, stratum, proposal, component`.

    Cohort and stratum are null where a token has too few adopters to be popular.
    """
    own = pairs.mutate(proposal=ibis.literal("token"), component=ibis.literal(NO_COMPONENT, "int64"))
    linked = _linked_slices(links).select(*own.columns)
    known = own.union(linked).inner_join(codes, "account")
    born = created_at(accounts, run)
    known = known.left_join(born, "account_id").drop("account_id_right")
    # NOTE: DuckDB's epoch_seconds keeps fractions and Spark's cuts them, so both get whole seconds.
    onset, created = (moment.truncate("s").epoch_seconds() for moment in (known.onset, known.created_at))
    age = (onset - created).cast("float64") / _SECONDS_PER_DAY
    stratified = with_strata(known, run, settings)
    can_be_popular = stratified.df >= settings.popular_accounts
    ranked = stratified.mutate(
        slice_id=ibis.row_number().over(order_by=[stratified.token_kind, stratified.token, stratified.account]),
        age_days=(age >= 0).ifelse(age, ibis.null()),
        cohort=can_be_popular.ifelse(stratified.cohort, ibis.null()),
        stratum=can_be_popular.ifelse(stratified.stratum, ibis.null()),
    )
    return ranked.select(*SLICES.schema.names, *_PROPOSES)


def slice_sources(slices: "ir.Table", links: "ir.Table") -> "ir.Table":
    """Where the traffic of each slice is found: `slice_id, token_kind, token, account_id` as in `token_uses`."""
    own = slices.filter(slices.proposal == "token").select("slice_id", "token_kind", "token", "account_id")
    linked = slices.filter(slices.proposal != "token").select("slice_id", "component", "account_id")
    parts = links.select("component", "token_kind", "token", "account_id")
    through = linked.inner_join(parts, ["component", "account_id"])
    every = own.union(through.select(*own.columns))
    return every.mutate(token_kind=(every.token_kind == SHINGLE_BUNDLE).ifelse(SHINGLE, every.token_kind))


def _linked_slices(links: "ir.Table") -> "ir.Table":
    by_account = links.group_by("component", "proposal", "link_token", "account")
    total = by_account.agg(
        **{name: links[name].sum() for name in _SUMS},
        first_seen_at=links.first_seen_at.min(),
        last_seen_at=links.last_seen_at.max(),
        onset=links.onset.min(),
    )
    size = total.count().over(group_by=total.component)
    return total.mutate(token_kind=ibis.literal(LINKED), token=total.link_token, df=size)
