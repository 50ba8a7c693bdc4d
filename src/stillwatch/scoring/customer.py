"""Which groups are one customer: accounts of one organisation are no crowd of strangers."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ibis.expr.types as ir

CUSTOMER_SHARE: Final = 0.9
"""Share of a group's accounts in one organisation from which the group is one customer (as for verified owners)."""
EVERYBODY_SHARE: Final = 0.5
"""An organisation that holds more of all accounts than this is a deployment's default and distinguishes nobody."""


def single_customer_groups(members: "ir.Table", accounts: "ir.Table") -> "ir.Table":
    """`group_id` of the groups whose accounts belong to one organisation, to nine tenths or more.

    The honest fleet of one owner is a campaign in all that can be measured: one queue, dealt evenly, around the clock.
    What a campaign is *not* is one organisation with its name on the contract; the provider can see such a group's
    whole traffic under that name (`detect --by org`), so it is for a person to review and never accused.
    """
    known = accounts.filter(accounts.org_id.notnull()).select("account_id", "org_id").distinct()
    orgs = known.group_by("org_id").agg(n_org=known.count())
    n_all = accounts.aggregate(n_all=accounts.account_id.nunique())
    orgs = orgs.cross_join(n_all)
    real = orgs.filter(orgs.n_org <= EVERYBODY_SHARE * orgs.n_all).select("org_id")
    pairs = members.select("group_id", "account_id").distinct()
    sizes = pairs.group_by("group_id").agg(n_group=pairs.count())
    placed = pairs.inner_join(known.semi_join(real, "org_id"), "account_id")
    counts = placed.group_by("group_id", "org_id").agg(n_in=placed.count()).inner_join(sizes, "group_id")
    return counts.filter(counts.n_in >= CUSTOMER_SHARE * counts.n_group).select("group_id").distinct()
