"""Which exchanges of a day lie inside the slices of campaigns, from daily aggregates alone."""

from typing import TYPE_CHECKING

import pyarrow as pa

from stillwatch.engines import Engine
from stillwatch.exposure.flagged import SHINGLE, slice_tokens
from stillwatch.model.stage import Tables
from stillwatch.model.tables import CAMPAIGN_MEMBERS, TOKEN_USES

if TYPE_CHECKING:
    import ibis.expr.types as ir


def flagged_days(tables: Tables, members: pa.Table, engine: Engine) -> "ir.Table":
    """`campaign_id, day, account_id, n`: exchanges of each account inside the slices in `members` (CAMPAIGN_MEMBERS).

    `n` is a lower bound: slices of one kind are disjoint and add up, but for shingles; slices of different kinds may
    hold the same exchanges, so the kind with most counts.
    """
    slices = slice_tokens(engine.from_arrow(CAMPAIGN_MEMBERS, members))
    uses = tables[TOKEN_USES.name].select("day", "account_id", "token_kind", "token", "n")
    inside = uses.inner_join(slices, ["account_id", "token_kind", "token"])
    keys = ("campaign_id", "day", "account_id")
    kinds = inside.group_by(*keys, "token_kind").agg(total=inside.n.sum(), most=inside.n.max())
    counted = kinds.mutate(n=(kinds.token_kind == SHINGLE).ifelse(kinds.most, kinds.total))
    return counted.group_by(*keys).agg(n=counted.n.max())
