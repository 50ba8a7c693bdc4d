"""Groups and their members, proposed from slices: whole tokens (G1), strata (G2), links (G3) and communities (G4)."""

from typing import TYPE_CHECKING

import ibis

from stillwatch.grouping.popularity import TOKEN
from stillwatch.grouping.settings import Settings
from stillwatch.model.tables import GROUP_MEMBERS, GROUPS

if TYPE_CHECKING:
    import ibis.expr.types as ir

KEY = ("proposal", "token_kind", "token", "component", "stratum")
NO_STRATUM = ""
NO_COMPONENT = -1


def proposed_members(slices: "ir.Table", popular: "ir.Table", settings: Settings) -> "ir.Table":
    """Each proposed group (`KEY`) with each of its slices; columns `slice_id, account_id, n, first_..., last_seen_at`.

    `slices` carries `proposal`, `component`, `df` and `stratum`; `popular` has the tokens that also get strata.
    """
    large = slices.filter((slices.df >= settings.min_accounts) & (slices.proposal == "token"))
    whole = large.mutate(stratum=ibis.literal(NO_STRATUM))
    cut = large.semi_join(popular, TOKEN).mutate(proposal=ibis.literal("stratum"))
    sizes = cut.group_by(*TOKEN, "stratum").agg(size=cut.count())
    cut = cut.semi_join(sizes.filter(sizes["size"] >= settings.min_accounts), [*TOKEN, "stratum"])
    linked = slices.filter(slices.proposal != "token").mutate(stratum=ibis.literal(NO_STRATUM))
    return ibis.union(*(part.select(*KEY, *_SLICE) for part in (whole, cut, linked)))


_SLICE = ("slice_id", "account_id", "n", "first_seen_at", "last_seen_at")


def groups(proposed: "ir.Table", popular: "ir.Table") -> "ir.Table":
    """Rows of `groups`, with `KEY` beside them. A `group_id` is the rank of its key, so equal input gives equal ids."""
    sums = proposed.group_by(*KEY).agg(
        n_accounts=proposed.count(),
        n_exchanges=proposed.n.sum(),
        first_seen_at=proposed.first_seen_at.min(),
        last_seen_at=proposed.last_seen_at.max(),
    )
    marked = sums.left_join(popular.mutate(is_popular=True), TOKEN).drop("token_kind_right", "token_right")
    is_stratum = marked.proposal == "stratum"
    siblings = marked.count().over(group_by=[marked.proposal, marked.token_kind, marked.token])
    rank = ibis.row_number().over(order_by=[marked[name] for name in KEY])
    return marked.mutate(
        group_id=ibis.literal("g") + rank.cast("string").lpad(8, "0"),
        is_whole_popular=(marked.proposal == "token") & marked.is_popular.fill_null(False),
        is_mixed=(marked.proposal == "token") & marked.is_mixed.fill_null(False),
        n_tests=is_stratum.ifelse(siblings, 1).cast("int64"),
    )


def groups_table(keyed: "ir.Table") -> "ir.Table":
    """`groups` in the shape of its table: keys that say nothing become null."""
    shown = keyed.mutate(
        token=(keyed.component == NO_COMPONENT).ifelse(keyed.token, ibis.null()),
        stratum=keyed.stratum.nullif(NO_STRATUM),
    )
    return shown.select(*GROUPS.schema.names)


def members_table(proposed: "ir.Table", keyed: "ir.Table") -> "ir.Table":
    """Rows of `group_members`."""
    return proposed.inner_join(keyed.select(*KEY, "group_id"), KEY).select(*GROUP_MEMBERS.schema.names)
