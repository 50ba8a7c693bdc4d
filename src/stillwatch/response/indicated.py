"""Tokens that indicators of peers name, as far as they may recognise an account that nobody knew."""

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engines import Engine
from stillwatch.model.decision import PEER_INDICATORS
from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables import HASH, TEXT
from stillwatch.model.tier import Tier
from stillwatch.response.rules import Case
from stillwatch.response.settings import Settings

if TYPE_CHECKING:
    import ibis.expr.types as ir

PEER_TOKENS = Table(
    name="peer_tokens",
    made_by="response",
    key=("token_kind", "token"),
    home=Home.RUN,
    schema=pa.schema([column("token_kind", TEXT, required=True), column("token", HASH, required=True)]),
)
"""What peers name, so that the engine can compare it with everybody's tokens."""

FLAGGED = Table(
    name="flagged_accounts",
    made_by="response",
    key=("account_id",),
    home=Home.RUN,
    schema=pa.schema([column("account_id", TEXT, required=True)]),
)

PEER_CASE = Case(None, PEER_INDICATORS, Tier.REVIEW, 1, reasons=("peer_indicator",))
"""The case of an unknown account that carries what a peer's indicator names."""


def peer_tokens(
    indicators: pa.Table, token_uses: "ir.Table", findings: pa.Table, *, engine: Engine, settings: Settings
) -> frozenset[tuple[str, int]]:
    """The (kind, token) of INDICATORS that may recognise a first request.

    Left out is what more than `max_peer_token_adopters` accounts of the window carry without a finding: a common client
    or the exit of a large company, whoever names it. `findings` are ACCOUNT_FINDINGS of the latest run.
    """
    named = indicators.filter(pc.is_valid(indicators["token"])).group_by(["token_kind", "token"]).aggregate([])
    told = engine.from_arrow(PEER_TOKENS, named.cast(PEER_TOKENS.schema))
    flagged = findings.filter(pc.not_equal(findings["tier"], Tier.NONE.value)).select(["account_id"])
    others = token_uses.semi_join(told, ["token_kind", "token"]).anti_join(
        engine.from_arrow(FLAGGED, flagged.cast(FLAGGED.schema)), "account_id"
    )
    counted = others.group_by("token_kind", "token").agg(n=others.account_id.nunique())
    common = engine.to_arrow(counted.filter(counted.n > settings.max_peer_token_adopters).drop("n"))
    return _pairs(named) - _pairs(common)


def _pairs(rows: pa.Table) -> frozenset[tuple[str, int]]:
    return frozenset(zip(rows["token_kind"].to_pylist(), rows["token"].to_pylist(), strict=True))
