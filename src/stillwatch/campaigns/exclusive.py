"""Tokens that only a campaign uses, and the accounts that they bring in."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from stillwatch.campaigns.evidence import FAMILIES
from stillwatch.campaigns.gather import SLICE_COLUMNS, Evidence
from stillwatch.campaigns.membership import ACCUSE, REVIEW, Members
from stillwatch.campaigns.settings import Settings
from stillwatch.engines import Engine
from stillwatch.model.stage import Tables
from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables import COUNT, TEXT

if TYPE_CHECKING:
    import ibis.expr.types as ir

WORKING_MEMBERS = Table(
    name="working_members",
    made_by="campaigns",
    key=("campaign", "account_id"),
    home=Home.RUN,
    schema=pa.schema([column("campaign", COUNT, required=True), column("account_id", TEXT, required=True)]),
)
"""Members of this run's campaigns by campaign number, so that the engine can compare them with everybody's slices."""


def joiners(tables: Tables, engine: Engine, evidence: Evidence, members: Members, settings: Settings) -> pa.Table:
    """Slices by which accounts outside of a campaign carry one of its exclusive tokens.

    A token is exclusive when nearly all of its adopters are members of the campaign; only such a token brings in
    accounts that no group accused, so a campaign that borrows an honest crowd's token does not take the crowd with it.
    Of a campaign with accused members only these count: the crowd is under review, and its own tokens are not the
    campaign's. Columns `campaign` and SLICE_COLUMNS, sorted.
    """
    is_accused = members.tier == ACCUSE
    core = members.where(is_accused | ~np.isin(members.campaign, members.campaign[is_accused]))
    working, every = (_working(some, evidence, engine) for some in (core, members))
    slices = tables["slices"]
    adopters = slices.group_by("token_kind", "token").agg(n_adopters=slices.count())
    by_campaign = slices.join(working, "account_id")
    by_campaign = by_campaign.group_by("campaign", "token_kind", "token").agg(n_inside=by_campaign.count())
    both = by_campaign.join(adopters, ["token_kind", "token"])
    exclusive = both.filter(
        (both.n_adopters >= settings.min_exclusive_adopters)
        & (both.n_inside >= both.n_adopters * settings.min_exclusive_share)
    )
    carriers = slices.join(exclusive.select("campaign", "token_kind", "token"), ["token_kind", "token"])
    outside = carriers.anti_join(every, ["campaign", "account_id"])
    return engine.to_arrow(outside.select("campaign", *SLICE_COLUMNS)).sort_by(
        [(name, "ascending") for name in ("campaign", "account_id", "token_kind", "token")]
    )


def _working(members: Members, evidence: Evidence, engine: Engine) -> "ir.Table":
    rows = {"campaign": members.campaign, "account_id": [evidence.accounts[code] for code in members.account]}
    return engine.from_arrow(WORKING_MEMBERS, pa.table(rows, schema=WORKING_MEMBERS.schema))


def joiner_tiers(joined: pa.Table, members: Members) -> dict[tuple[int, str], int]:
    """Tier of each (campaign, account) that exclusive tokens bring in.

    One independent family of tokens is enough for review; two take over the campaign's own tier.
    """
    families: dict[tuple[int, str], set[str]] = {}
    rows = zip(
        joined["campaign"].to_pylist(), joined["account_id"].to_pylist(), joined["token_kind"].to_pylist(), strict=True
    )
    for campaign, account_id, kind in rows:
        families.setdefault((campaign, account_id), set()).add(FAMILIES.get(kind, kind))
    accused = set(np.unique(members.campaign[members.tier == ACCUSE]).tolist())
    return {key: ACCUSE if len(found) > 1 and key[0] in accused else REVIEW for key, found in families.items()}
