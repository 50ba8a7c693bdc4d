"""Every account seen in a window beside what was found against it."""

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.tables import SEEN_ACCOUNTS


def seen_accounts(findings: pa.Table, seen: pa.Table) -> pa.Table:
    """SEEN_ACCOUNTS rows: accused accounts first, then those to review, best score first.

    `findings` are ACCOUNT_FINDINGS without `run_id` and `n_exchanges`, `seen` has `account_id, n_exchanges`.
    """
    findings = findings.cast(pa.schema([field.with_nullable(True) for field in findings.schema]))
    found = findings.take(pc.index_in(seen["account_id"], value_set=findings["account_id"].combine_chunks()))
    joined = found.set_column(0, "account_id", seen["account_id"]).append_column("n_exchanges", seen["n_exchanges"])
    tier = joined.column_names.index("tier")
    joined = joined.set_column(tier, "tier", pc.fill_null(joined["tier"], "none"))
    joined = joined.append_column("has_finding", pc.is_valid(joined["campaign_id"]))
    order = (
        ("has_finding", "descending"),
        ("tier", "ascending"),
        ("score", "descending"),
        ("account_id", "ascending"),
    )
    return joined.sort_by(list(order)).select(SEEN_ACCOUNTS.names)
