"""The table `account_days`."""

from typing import TYPE_CHECKING

from stillwatch.features.volumes import or_empty, volumes
from stillwatch.model.tables import ACCOUNT_DAYS

if TYPE_CHECKING:
    import ibis.expr.types as ir


def account_days(exchanges: "ir.Table") -> "ir.Table":
    """One row per (day, account) of thinned `exchanges`."""
    rows = exchanges.group_by("day", "account_id").aggregate(
        **volumes(exchanges),
        n_errors=exchanges.is_error.cast("int64").sum(),
        n_rate_limited=exchanges.is_rate_limited.cast("int64").sum(),
        models=or_empty(exchanges.request_model.collect(distinct=True)).sort(),
    )
    return rows.select(ACCOUNT_DAYS.schema.names)
