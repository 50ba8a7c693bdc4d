"""Fetch what flagged groups hold, once, from the engine to the driver."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.campaigns.assemble import campaign_of_group
from stillwatch.campaigns.evidence import FAMILIES, SENT_FAMILIES, encode
from stillwatch.campaigns.misfits import misfits
from stillwatch.campaigns.settings import Settings
from stillwatch.engines import Engine
from stillwatch.model.stage import Tables

IntArray = npt.NDArray[np.int64]

EXPLAINED_SHARE: Final = 0.5
"""Of a group under review, accused accounts from which on they explain it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All flagged groups and their memberships.

    `groups` has one row a flagged group (scores joined with proposals), `links` one row a membership, both sorted;
    `group`, `account` and `campaign` are codes parallel to `links`: row of `groups`, index into `accounts`, campaign
    number 0 to `n_campaigns` - 1. `is_misfit`, also parallel to `links`, marks members of accused groups who are not
    like the group.
    """

    groups: pa.Table
    links: pa.Table
    group: IntArray
    account: IntArray
    campaign: IntArray
    is_misfit: npt.NDArray[np.bool_]
    accounts: tuple[str, ...]
    n_campaigns: int


def gather(tables: Tables, engine: Engine, settings: Settings) -> Evidence:
    """The flagged groups of a run, put together to campaigns."""
    scores = tables["group_scores"]
    flagged = scores.filter(scores.tier != "none")
    groups = engine.to_arrow(tables["groups"].join(flagged, "group_id").select(*_GROUP_COLUMNS)).sort_by("group_id")
    links = engine.to_arrow(
        tables["group_members"]
        .join(flagged.select("group_id", "tier", "score"), "group_id")
        .join(tables["slices"].drop("account_id"), "slice_id")
        .select(*_LINK_COLUMNS)
    ).sort_by([(name, "ascending") for name in ("group_id", "account_id", "token_kind", "token")])
    explained = _explained(links)
    groups, links = (
        rows.filter(pc.invert(pc.is_in(rows["group_id"], value_set=explained))) for rows in (groups, links)
    )
    group = encode(links["group_id"])
    account = encode(links["account_id"])
    is_accused = np.asarray(pc.equal(groups["tier"], "accuse").to_numpy(zero_copy_only=False), dtype=bool)
    of_group = campaign_of_group(
        group.codes, account.codes, is_accused=is_accused, n_accounts=len(account.values), settings=settings
    )
    return Evidence(
        groups=groups,
        links=links,
        group=group.codes,
        account=account.codes,
        campaign=of_group[group.codes],
        is_misfit=_marked(links, misfits(tables, engine)),
        accounts=account.values,
        n_campaigns=int(of_group.max()) + 1 if of_group.size else 0,
    )


def _explained(links: pa.Table) -> pa.Array:
    """Ids of groups under review that need no explanation of their own: at least half of their accounts are accused.

    Only groups of what accounts are and where they come from (networks, shapes of addresses, cards): the others behind
    such an exit are not suspicious for the company. Groups of what accounts send are kept.
    """
    is_accused = pc.equal(links["tier"], "accuse")
    accused = pc.unique(links.filter(is_accused)["account_id"])
    kinds = pa.array([kind for kind, family in FAMILIES.items() if family in SENT_FAMILIES])
    others = links.filter(pc.invert(pc.or_(is_accused, pc.is_in(links["token_kind"], value_set=kinds))))
    hit = pc.cast(pc.is_in(others["account_id"], value_set=accused), pa.float64())
    shares = others.select(["group_id"]).append_column("hit", hit).group_by("group_id").aggregate([("hit", "mean")])
    return shares.filter(pc.greater_equal(shares["hit_mean"], EXPLAINED_SHARE))["group_id"].combine_chunks()


def _marked(links: pa.Table, chosen: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows of `links` are among the `group_id, slice_id` of `chosen`."""
    pairs = chosen.append_column("mark", pa.array([True] * chosen.num_rows, pa.bool_()))
    numbered = links.select(["group_id", "slice_id"]).append_column("row", pa.array(np.arange(links.num_rows)))
    joined = numbered.join(pairs, ["group_id", "slice_id"]).sort_by("row")
    return np.asarray(joined["mark"].fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)


_GROUP_COLUMNS = (
    "group_id", "proposal", "token_kind", "n_accounts", "n_exchanges", "n_tests", "tier", "is_near", "is_lifted",
    "signals", "p_values", "contributions", "baseline", "score", "p_value", "q_value", "nearest_lookalike", "margin",
    "calibration_id",
)  # fmt: skip
SLICE_COLUMNS = (
    "slice_id", "account_id", "token_kind", "token", "n", "input_tokens", "output_tokens", "first_seen_at",
    "last_seen_at",
)  # fmt: skip
"""What is told of a slice that is evidence."""
_LINK_COLUMNS = ("group_id", "tier", "score", *SLICE_COLUMNS)
