"""What proposed groups really are, by the majority of their members."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ORDINARY: Final = "ordinary"
"""Honest accounts without a class, and groups in which no class has a majority."""
MAJORITY: Final = 0.5
"""Share of a group's members that names the group."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the accounts of a simulated world are.

    `memberships`: account_id, honest_class: one row for each class that an account belongs to (an account may take part
    in several). `campaigns`: account_id, campaign: accounts of campaigns. `managed`: account_id of accounts with a
    verified owner or a contract.
    """

    memberships: pa.Table
    campaigns: pa.Table
    managed: pa.Table


def label_groups(members: pa.Table, truth: Truth) -> pa.Table:
    """One row for each group of `members` (group_id, account_id), ordered by group id.

    Columns: group_id, n_accounts, honest_class (of the majority; `ordinary` when no class has one), campaign (of the
    majority, else null), campaign_share and managed_share (of members, 0 to 1).
    """
    pairs = members.select(["group_id", "account_id"]).group_by(["group_id", "account_id"]).aggregate([])
    sizes = pairs.group_by("group_id").aggregate([([], "count_all")]).rename_columns(["group_id", "n_accounts"])
    sizes = sizes.sort_by("group_id")
    known = truth.memberships.filter(pc.not_equal(truth.memberships["honest_class"], ORDINARY))
    honest = _majority(pairs, known, "honest_class", sizes)
    campaign = _majority(pairs, truth.campaigns, "campaign", sizes)
    return pa.table(
        {
            "group_id": sizes["group_id"],
            "n_accounts": sizes["n_accounts"],
            "honest_class": pc.fill_null(honest, ORDINARY),
            "campaign": campaign,
            "campaign_share": _share(pairs, truth.campaigns, sizes),
            "managed_share": _share(pairs, truth.managed, sizes),
        }
    )


def _majority(pairs: pa.Table, labels: pa.Table, name: str, sizes: pa.Table) -> pa.ChunkedArray:
    """The label that most members of each group of `sizes` have, null unless it is a majority."""
    counted = pairs.join(labels, "account_id", join_type="inner").group_by(["group_id", name])
    counted = counted.aggregate([([], "count_all")]).join(sizes, "group_id", join_type="inner")
    share = pc.divide(pc.cast(counted["count_all"], pa.float64()), counted["n_accounts"])
    top = counted.append_column("share", share).filter(pc.greater(share, MAJORITY))
    top = top.sort_by([("group_id", "ascending"), ("share", "descending"), (name, "ascending")])
    first = top.group_by("group_id", use_threads=False).aggregate([(name, "first")])
    at = pc.index_in(sizes["group_id"], value_set=first["group_id"].combine_chunks())
    return first[f"{name}_first"].take(at)


def _share(pairs: pa.Table, labels: pa.Table, sizes: pa.Table) -> pa.Array:
    """Share of each group's members that `labels` knows."""
    accounts = pc.unique(labels["account_id"])
    found = pairs.filter(pc.is_in(pairs["account_id"], value_set=accounts))
    counts = found.group_by("group_id").aggregate([([], "count_all")])
    at = pc.index_in(sizes["group_id"], value_set=counts["group_id"].combine_chunks())
    n_found = pc.fill_null(counts["count_all"].take(at), 0).to_numpy()
    return pa.array(n_found / np.maximum(sizes["n_accounts"].to_numpy(), 1))
