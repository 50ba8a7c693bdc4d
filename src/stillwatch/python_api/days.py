"""What a campaign's accounts sent day by day, and how much of it is evidence."""

from typing import TYPE_CHECKING

import pyarrow as pa

from stillwatch.engines import Engine
from stillwatch.model.tables import ACCOUNT_DAYS, CAMPAIGN_MEMBERS, TOKEN_USES

if TYPE_CHECKING:
    import ibis.expr.types as ir


def member_days(tables: "dict[str, ir.Table]", members: pa.Table, *, engine: Engine) -> pa.Table:
    """`day, account_id, n, n_evidence` of the accounts in `members`, by day and account.

    `tables` holds TOKEN_USES and ACCOUNT_DAYS of the window, `members` are CAMPAIGN_MEMBERS rows. `n` counts all
    exchanges of the account. `n_evidence` is a lower bound of those inside its slices: slices of one kind of token are
    disjoint and add up, of several kinds the largest counts; kinds that only a run knows (`shingle_bundle`, `device`,
    `payment`, ...) cannot be told by day and count nothing.
    """
    mine = engine.from_arrow(CAMPAIGN_MEMBERS, members).select("account_id", "token_kind", "token")
    uses = tables[TOKEN_USES.name].semi_join(mine, ["account_id", "token_kind", "token"])
    by_kind = uses.group_by("day", "account_id", "token_kind").agg(n_kind=uses.n.sum())
    inside = by_kind.group_by("day", "account_id").agg(n_inside=by_kind.n_kind.max())
    own = tables[ACCOUNT_DAYS.name].semi_join(mine.select("account_id").distinct(), "account_id")
    both = own.select("day", "account_id", "n").left_join(inside, ["day", "account_id"])
    rows = engine.to_arrow(both.select("day", "account_id", "n", n_evidence=both.n_inside.fill_null(0)))
    return rows.sort_by([("day", "ascending"), ("account_id", "ascending")])
