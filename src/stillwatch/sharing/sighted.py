"""Which indicators of peers are seen here: tokens and networks that they name, in the traffic of a window."""

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engines import Engine
from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables import COUNT, HASH, INDICATORS, TEXT, TIME

if TYPE_CHECKING:
    import ibis.expr.types as ir

NAMED = Table(
    name="named_tokens",
    made_by="sharing",
    key=("indicator_id", "kind", "value"),
    home=Home.RUN,
    schema=pa.schema(
        [
            *(column(name, TEXT, required=True) for name in ("indicator_id", "peer", "kind", "value")),
            column("token", HASH, required=True),
        ]
    ),
)
"""What indicators name, so that the engine can compare it with everybody's traffic; of a network, its number."""

SIGHTED = pa.schema(
    [
        *(column(name, TEXT, required=True) for name in ("indicator_id", "peer", "kind", "value")),
        column("n_accounts", COUNT, unit="accounts", required=True),
        column("n_exchanges", COUNT, unit="exchanges", required=True),
        column("first_seen_at", TIME, required=True),
        column("last_seen_at", TIME, required=True),
    ]
)
"""One row for each thing that an indicator names and that was seen."""


def sighted(indicators: pa.Table, token_uses: "ir.Table", records: "ir.Table", *, engine: Engine) -> pa.Table:
    """Indicators that were seen, as SIGHTED, most accounts first.

    `indicators` are rows of INDICATORS, `token_uses` and `records` the traffic. Being seen is no finding: an address or
    network that a peer names may carry honest customers here.
    """
    by_token = token_uses.group_by(token_uses.token_kind, token_uses.token, token_uses.account_id).agg(
        n=token_uses.n.sum(), first=token_uses.first_seen_at.min(), last=token_uses.last_seen_at.max()
    )
    networks = records.filter(records.account_id.notnull(), records.client_asn.notnull())
    by_network = networks.group_by(token=networks.client_asn, account_id=networks.account_id).agg(
        n=networks.count(), first=networks.start_time.min(), last=networks.start_time.max()
    )
    tokens = indicators.filter(pc.is_valid(indicators["token"]))
    found = [
        _joined(
            _named(tokens.filter(pc.equal(tokens["kind"], kind))), by_token.filter(by_token.token_kind == kind), engine
        )
        for kind in sorted(set(tokens["kind"].to_pylist()))
    ]
    asns = indicators.filter(pc.equal(indicators["kind"], "asn"))
    numbered = asns.set_column(
        asns.column_names.index("token"), INDICATORS.schema.field("token"), asns["value"].cast(pa.int64())
    )
    found.append(_joined(_named(numbered), by_network, engine))
    order = [("n_accounts", "descending"), ("indicator_id", "ascending"), ("kind", "ascending"), ("value", "ascending")]
    return pa.concat_tables(found).sort_by(order)


def _named(rows: pa.Table) -> pa.Table:
    return rows.select(NAMED.schema.names).cast(NAMED.schema)


def _joined(named: pa.Table, uses: "ir.Table", engine: Engine) -> pa.Table:
    joined = engine.from_arrow(NAMED, named).inner_join(uses, "token")
    counted = joined.group_by("indicator_id", "peer", "kind", "value").agg(
        n_accounts=joined.account_id.nunique(), n_exchanges=joined.n.sum(), first_seen_at=joined["first"].min(),
        last_seen_at=joined["last"].max(),
    )  # fmt: skip
    return engine.to_arrow(counted).select(SIGHTED.names).cast(SIGHTED)
