"""Tokens of requests that only one campaign sends."""

from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from stillwatch.engines import Engine
from stillwatch.model.decision import token_family
from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables import TEXT
from stillwatch.response.settings import Settings

if TYPE_CHECKING:
    import ibis.expr.types as ir

CAMPAIGN_ACCOUNTS = Table(
    name="campaign_accounts",
    made_by="response",
    key=("campaign_id", "account_id"),
    home=Home.RUN,
    schema=pa.schema([column("campaign_id", TEXT, required=True), column("account_id", TEXT, required=True)]),
)
"""Who is in which campaign, so that the engine can compare them with everybody's tokens."""

_TOKEN = ("token_kind", "token")
_KEY = ("campaign_id", *_TOKEN)


def exclusive_tokens(
    token_uses: "ir.Table", members: pa.Table, *, engine: Engine, settings: Settings
) -> dict[tuple[str, int], str]:
    """The campaign of each (kind, token) that is exclusive to one; of two campaigns the one with more adopters.

    `members` has `campaign_id, account_id`. A token that an honest crowd sends too is not exclusive, so a campaign that
    borrows one does not make that crowd its own.
    """
    inside = engine.from_arrow(CAMPAIGN_ACCOUNTS, members.select(CAMPAIGN_ACCOUNTS.schema.names))
    own = token_uses.semi_join(inside, "account_id").select(*_TOKEN).distinct()
    pairs = engine.materialize(token_uses.semi_join(own, _TOKEN).select(*_TOKEN, "account_id").distinct())
    adopters = pairs.group_by(*_TOKEN).agg(n_adopters=pairs.count())
    joined = pairs.inner_join(inside, "account_id")
    by_campaign = joined.group_by("campaign_id", *_TOKEN).agg(n_inside=joined.count())
    both = by_campaign.inner_join(adopters, _TOKEN)
    exclusive = both.filter(
        (both.n_adopters >= settings.min_exclusive_adopters)
        & (both.n_inside >= both.n_adopters * settings.min_exclusive_share)
    )
    place = ibis.row_number().over(
        group_by=[exclusive.campaign_id, exclusive.token_kind],
        order_by=[exclusive.n_adopters - exclusive.n_inside, exclusive.n_inside.desc(), exclusive.token],
    )
    ranked = exclusive.mutate(place=place)
    kept = engine.materialize(ranked.filter(ranked.place < settings.max_tokens_per_kind))
    outside = pairs.inner_join(kept.select("campaign_id", *_TOKEN), _TOKEN).anti_join(
        inside, ["campaign_id", "account_id"]
    )
    rows = engine.to_arrow(kept.select("campaign_id", *_TOKEN, "n_adopters", "n_inside"))
    return _together_exclusive(rows, engine.to_arrow(outside.select(*_KEY, "account_id")), settings)


def _together_exclusive(tokens: pa.Table, outsiders: pa.Table, settings: Settings) -> dict[tuple[str, int], str]:
    """Those of the exclusive tokens that are so together, with their campaign.

    Any one of a family's tokens recognises an account, so it is the accounts outside of the campaign that send *any* of
    them who must be few: 64 shingles with a few honest adopters each would reach hundreds of honest customers. Tokens
    with the fewest outsiders come first; one that would bring in too many is left out.
    """
    sent_by: dict[tuple[str, str, int], set[str]] = {}
    for campaign_id, kind, token, account_id in zip(
        *(outsiders[c].to_pylist() for c in (*_KEY, "account_id")), strict=True
    ):
        sent_by.setdefault((campaign_id, kind, token), set()).add(account_id)
    ordered = sorted(
        tokens.to_pylist(), key=lambda row: (row["n_adopters"] - row["n_inside"], -row["n_inside"], row["token"])
    )
    most_inside: dict[str, int] = {}
    for row in ordered:
        most_inside[row["campaign_id"]] = max(most_inside.get(row["campaign_id"], 0), row["n_inside"])
    odds = (1 - settings.min_exclusive_share) / settings.min_exclusive_share
    reached: dict[tuple[str, str], set[str]] = {}
    chosen: dict[tuple[str, int], str] = {}
    for row in ordered:
        campaign_id, kind, token = (row[name] for name in _KEY)
        family = (campaign_id, token_family(kind))
        union = reached.get(family, set()) | sent_by.get((campaign_id, kind, token), set())
        if len(union) <= odds * most_inside[campaign_id] and (kind, token) not in chosen:
            reached[family] = union
            chosen[kind, token] = campaign_id
    return chosen
