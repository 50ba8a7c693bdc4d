"""What is left of a token's adopters without those who are accused.

Two campaigns that use one template, or a campaign in a crowd, make its token's adopters two kinds of account: unlike
each other, and the whole is not accused. Where other tokens give one kind away, the other stands alone without it. A
remainder is a group like any other of its token's family: where nobody is accused there is none, so the honest groups
that set thresholds need none either. Innocent cause: the crowd whose template a campaign borrows; it is judged as it
would have been before the campaign came.
"""

from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.grouping.settings import Settings
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, GROUP_SCORES, GROUPS, SLICES
from stillwatch.model.tier import Tier

if TYPE_CHECKING:
    import ibis.expr.types as ir

REMAINDER_READS: Final = (SLICES, GROUPS, GROUP_MEMBERS, GROUP_SCORES)
"""Beside what grouping wrote, the verdicts on it."""
N_LOOKS: Final = 2
"""A token whose remainder is judged was judged whole before."""
SUFFIX: Final = "-rest"
REMAINDER: Final = "remainder"


def remainders(tables: Tables, settings: Settings) -> dict[str, "ir.Table"]:
    """Further rows of GROUPS and GROUP_MEMBERS: whole tokens without the accounts of accused groups.

    A token has a remainder when it is not accused itself, at least `remainder_share` of its adopters and `min_accounts`
    are in accused groups, and at least `remainder_share` and `remainder_accounts` are not: a few who happen on a
    campaign's phrase are no second kind of account.
    """
    scores, members = tables["group_scores"], tables["group_members"]
    is_accused = scores.filter(scores.tier == Tier.ACCUSE.value).select("group_id")
    accused = members.semi_join(is_accused, "group_id").select("account_id").distinct()
    whole = tables["groups"].filter(tables["groups"].proposal == "token").anti_join(is_accused, "group_id")
    inside = members.semi_join(whole, "group_id")
    sizes = inside.group_by("group_id").agg(size=inside.count())
    left = inside.anti_join(accused, "account_id")
    rest = left.join(tables["slices"].drop("account_id"), "slice_id")
    sums = rest.group_by("group_id").agg(
        n_left=rest.count(),
        n_left_exchanges=rest.n.sum(),
        first_left_at=rest.first_seen_at.min(),
        last_left_at=rest.last_seen_at.max(),
    )
    counted = whole.join(sizes, "group_id").join(sums, "group_id")
    n_gone = counted["size"] - counted.n_left
    wanted = counted["size"].cast("float64") * settings.remainder_share
    is_parted = ibis.least(n_gone, counted.n_left).cast("float64") >= wanted
    are_many = (n_gone >= settings.min_accounts) & (counted.n_left >= settings.remainder_accounts)
    kept = counted.filter(is_parted & are_many)
    groups = kept.mutate(
        group_id=kept.group_id + SUFFIX,
        proposal=ibis.literal(REMAINDER),
        n_accounts=kept.n_left,
        n_exchanges=kept.n_left_exchanges,
        first_seen_at=kept.first_left_at,
        last_seen_at=kept.last_left_at,
        n_tests=kept.n_tests * N_LOOKS,
    )
    named = left.semi_join(kept, "group_id").mutate(group_id=lambda rows: rows.group_id + SUFFIX)
    return {
        GROUPS.name: groups.select(*GROUPS.schema.names),
        GROUP_MEMBERS.name: named.select(*GROUP_MEMBERS.schema.names),
    }
