"""How accounts reach the service: exchanges by country, network and channel, from the stored records."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ibis.expr.types as ir

DOORS: Final = (
    "org_id", "client_asn", "client_geo_country", "cloud_region", "access_channel", "provider_name",
)  # fmt: skip
"""Columns of a record that say how an exchange came in."""


def account_uses(records: "ir.Table", *, with_address: bool = False) -> "ir.Table":
    """Exchanges of each account by the columns of DOORS (and `client_address`), as `n_exchanges`.

    Records of one call count once; where one of them is silent, the other's word counts. Records without an account
    are left out.
    """
    columns = [*DOORS, *(["client_address"] if with_address else [])]
    known = records.filter(records.account_id.notnull())
    folded = known.group_by("exchange_key").aggregate(
        account_id=known.account_id.min(), **{name: known[name].min() for name in columns}
    )
    return folded.group_by(["account_id", *columns]).aggregate(n_exchanges=folded.count())
