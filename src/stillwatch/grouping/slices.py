"""Slices: the part of one account's traffic that carries one token."""

from typing import TYPE_CHECKING

import ibis

from stillwatch.grouping.groups import NO_COMPONENT
from stillwatch.grouping.kinds import LINKED, SHINGLE, SHINGLE_BUNDLE
from stillwatch.grouping.pairs import created_at
from stillwatch.grouping.popularity import TOKEN, with_strata
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
    known = _numbered(own.union(linked))
    people = codes.left_join(created_at(accounts, run), "account_id").drop("account_id_right")
    known = known.inner_join(people, "account")
    # NOTE: DuckDB's epoch_seconds keeps fractions and Spark's cuts them, so both get whole seconds.
    onset, created = (moment.epoch_seconds().floor() for moment in (known.onset, known.created_at))
    age = (onset - created).cast("float64") / _SECONDS_PER_DAY
    stratified = with_strata(known, run, settings)
    aged = stratified.mutate(age_days=(age >= 0).ifelse(age, ibis.null()))
    return aged.select(*SLICES.schema.names, *_PROPOSES)


def _numbered(rows: "ir.Table") -> "ir.Table":
    """`rows` with `slice_id`, the rank of (token_kind, token, account).

    NOTE: the rank is that of the token's first row plus the place among the token's rows. One rank over all rows would
    be sorted by a single thread.
    """
    sizes = rows.group_by(*TOKEN).agg(n_rows=rows.count())
    until = sizes.n_rows.sum().over(ibis.cumulative_window(order_by=[sizes[name] for name in TOKEN]))
    starts = sizes.select(*TOKEN, n_before=until - sizes.n_rows)
    placed = rows.inner_join(starts, TOKEN)
    place = ibis.row_number().over(group_by=[placed[name] for name in TOKEN], order_by=placed.account)
    return placed.mutate(slice_id=(placed.n_before + place).cast("int64")).drop("n_before")


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
