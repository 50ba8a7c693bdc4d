"""The tokens that hold a campaign together: who else carries them, and a stored text that shows them."""

from typing import TYPE_CHECKING, Final

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.campaigns import Settings as CampaignSettings
from stillwatch.engines import Engine
from stillwatch.exposure.flagged import BUNDLE, SENT_COLUMNS, SHINGLE
from stillwatch.model.stage import Run
from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables import (
    ACCOUNT_FINDINGS,
    CAMPAIGN_MEMBERS,
    CONTENTS,
    EXCHANGE_RECORDS,
    HASH,
    PROMPT_SKETCHES,
    REAL,
    TEXT,
    TOKEN_USES,
)
from stillwatch.model.tables.views import CAMPAIGN_TOKENS, LINKING_TOKENS, SHARED_TOKENS, TOKEN_HOLDERS
from stillwatch.pipeline.detection import window_tables
from stillwatch.pipeline.views.shelf import Shelf

if TYPE_CHECKING:
    import ibis.expr.types as ir

WANTED: Final = Table(
    name="wanted_tokens",
    made_by="pipeline",
    key=("token_kind", "token"),
    home=Home.RUN,
    schema=pa.schema([column("token_kind", TEXT, required=True), column("token", HASH, required=True)]),
)
MEMBERS: Final = Table(
    name="wanted_members",
    made_by="pipeline",
    key=("account_id",),
    home=Home.RUN,
    schema=pa.schema([column("account_id", TEXT, required=True)]),
)
_TOKEN: Final = ("token_kind", "token")
_REFS: Final = {
    "skeleton": "input_messages_ref", SHINGLE: "input_messages_ref", "system": "system_instructions_ref",
    "tools": "tool_definitions_ref",
}  # fmt: skip


def campaign_tokens(shelf: Shelf, run: Run, members: pa.Table) -> pa.Table:
    """CAMPAIGN_TOKENS, most members first; `members` are the CAMPAIGN_MEMBERS of one campaign of the run."""
    groups = members.group_by(list(_TOKEN), use_threads=False).aggregate(
        [("account_id", "count_distinct"), ("n", "sum"), ("first_seen_at", "min"), ("last_seen_at", "max")]
    )
    wanted = pa.table([_as_used(groups["token_kind"]), groups["token"]], schema=WANTED.schema)
    with shelf.engine() as engine:
        tokens = engine.from_arrow(WANTED, wanted)
        who = engine.from_arrow(MEMBERS, members.select(["account_id"]).group_by("account_id").aggregate([]))
        adopters = engine.to_arrow(_adopters(shelf, run, tokens, who, engine))
        shown = _exemplars(shelf, run, tokens, who, engine)
    at = _places(wanted, adopters)
    n_adopters, n_honest = (adopters[name].combine_chunks().take(at) for name in ("n_adopters", "n_honest"))
    shares = pc.divide(adopters["n_inside"].combine_chunks().take(at).cast(REAL), n_adopters.cast(REAL))
    columns = [
        groups["token_kind"], groups["token"].cast(TEXT), groups["account_id_count_distinct"],
        groups["n_sum"], n_adopters, n_honest, shares,
        _is_exclusive(n_adopters, shares, shelf.config.campaigns), groups["first_seen_at_min"],
        groups["last_seen_at_max"], shown["content_ref"].combine_chunks().take(_places(wanted, shown)),
    ]  # fmt: skip
    rows = pa.Table.from_arrays(columns, schema=CAMPAIGN_TOKENS)
    return rows.sort_by([("n_members", "descending"), ("token_kind", "ascending"), ("token", "ascending")])


def shared_tokens(shelf: Shelf, run: Run, members: pa.Table, first: str, second: str) -> pa.Table:
    """SHARED_TOKENS of two accounts, the most exclusive first; `members` are those of one campaign of the run."""
    held = [members.filter(pc.equal(members["account_id"], name)).select([*_TOKEN, "n"]) for name in (first, second)]
    both = held[0].join(held[1], list(_TOKEN), join_type="inner", right_suffix="_second")
    named = members.join(both, list(_TOKEN), join_type="inner", right_suffix="_first")
    known = campaign_tokens(shelf, run, named.select(members.column_names))
    at = pc.index_in(_names(both), value_set=_names(known).combine_chunks())
    rows = known.take(at).select(["token_kind", "token", "n_members", "n_honest", "exclusivity"])
    rows = rows.add_column(2, "n_first", both["n"]).add_column(3, "n_second", both["n_second"])
    order = [("exclusivity", "descending"), ("token_kind", "ascending"), ("token", "ascending")]
    return rows.cast(SHARED_TOKENS).sort_by(order)


def token_holders(shelf: Shelf, run: Run, token_kind: str, token: int) -> pa.Table:
    """TOKEN_HOLDERS: every account of the run's window that carries a token, most exchanges first."""
    wanted = pa.table([_as_used(pa.chunked_array([[token_kind]])), [token]], schema=WANTED.schema)
    with shelf.engine() as engine:
        snapshot = shelf.workspace.lake.snapshot()
        uses = window_tables(snapshot, run, engine=engine, config=shelf.config)[TOKEN_USES.name]
        mine = uses.semi_join(engine.from_arrow(WANTED, wanted), _TOKEN)
        held = mine.group_by("account_id").agg(
            n=mine.n.sum(), first_seen_at=mine.first_seen_at.min(), last_seen_at=mine.last_seen_at.max()
        )
        findings = engine.read(ACCOUNT_FINDINGS, snapshot.files(ACCOUNT_FINDINGS, [run.run_id]))
        known = held.left_join(findings.select("account_id", "tier", "campaign_id"), "account_id")
        known = known.mutate(tier=known.tier.fill_null("none"))
        rows = engine.to_arrow(known.select(*TOKEN_HOLDERS.names))
    return rows.cast(TOKEN_HOLDERS).sort_by([("n", "descending"), ("account_id", "ascending")])


def linking_tokens(shelf: Shelf, run: Run) -> pa.Table:
    """LINKING_TOKENS of every campaign of the run, most members first."""
    members = shelf.rows(CAMPAIGN_MEMBERS, [run.run_id])
    groups = members.group_by([*_TOKEN, "campaign_id"], use_threads=False).aggregate([("account_id", "count_distinct")])
    columns = [groups["token_kind"], groups["token"].cast(TEXT), groups["campaign_id"],
               groups["account_id_count_distinct"]]  # fmt: skip
    order = [("n_members", "descending"), *((name, "ascending") for name in ("token_kind", "token", "campaign_id"))]
    return pa.Table.from_arrays(columns, schema=LINKING_TOKENS).sort_by(order)


def _as_used(kinds: pa.ChunkedArray) -> pa.ChunkedArray:
    """Kinds of slices as TOKEN_USES names them: a bundle is named by one of its shingles."""
    return pc.if_else(pc.equal(kinds, BUNDLE), SHINGLE, kinds)


def _adopters(shelf: Shelf, run: Run, tokens: "ir.Table", who: "ir.Table", engine: Engine) -> "ir.Table":
    """`token_kind, token, n_adopters, n_inside, n_honest` of tokens that TOKEN_USES knows; inside: among `who`."""
    snapshot = shelf.workspace.lake.snapshot()
    uses = window_tables(snapshot, run, engine=engine, config=shelf.config)[TOKEN_USES.name]
    held = engine.materialize(uses.semi_join(tokens, _TOKEN).select(*_TOKEN, "account_id").distinct())
    findings = engine.read(ACCOUNT_FINDINGS, snapshot.files(ACCOUNT_FINDINGS, [run.run_id]))
    flagged = findings.filter(findings.tier != "none").select("account_id", is_flagged=ibis.literal(1))
    inside = who.select("account_id", is_inside=ibis.literal(1))
    known = held.left_join(flagged, "account_id").drop("account_id_right").left_join(inside, "account_id")
    return known.group_by(*_TOKEN).agg(
        n_adopters=known.count(), n_inside=known.is_inside.count(), n_honest=known.is_flagged.isnull().sum()
    )


def _exemplars(shelf: Shelf, run: Run, tokens: "ir.Table", who: "ir.Table", engine: Engine) -> pa.Table:
    """`token_kind, token, content_ref`: the first reference, in order, to a text by which a member sent the token."""
    snapshot = shelf.workspace.lake.snapshot()
    days = [str(day) for day in run.window.days()]
    if not snapshot.partitions(CONTENTS):
        return pa.table([[], [], []], schema=pa.schema([*WANTED.schema, pa.field("content_ref", TEXT)]))
    records = engine.read(EXCHANGE_RECORDS, snapshot.files(EXCHANGE_RECORDS, days)).semi_join(who, "account_id")
    sketches = engine.read(PROMPT_SKETCHES, snapshot.files(PROMPT_SKETCHES, days))
    refs = records.select("record_key", *sorted(set(_REFS.values())))
    own = engine.materialize(
        sketches.select("record_key", "shingles", *SENT_COLUMNS.values()).inner_join(refs, "record_key")
    )
    found = [_shown(own, kind, own[column]) for kind, column in SENT_COLUMNS.items()]
    found.append(_shown(own, SHINGLE, own.shingles.unnest()))
    every = ibis.union(*found, distinct=False)
    kept = every.filter(every.content_ref.notnull()).semi_join(tokens, _TOKEN)
    return engine.to_arrow(kept.group_by(*_TOKEN).agg(content_ref=kept.content_ref.min()))


def _shown(own: "ir.Table", kind: str, token: "ir.Value") -> "ir.Table":
    return own.select(token_kind=ibis.literal(kind), token=token, content_ref=own[_REFS[kind]])


def _places(wanted: pa.Table, rows: pa.Table) -> pa.Array:
    """Where each wanted token stands in `rows`; null where it does not."""
    return pc.index_in(_names(wanted), value_set=_names(rows).combine_chunks())


def _names(rows: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(rows["token_kind"], rows["token"].cast(TEXT), ":")


def _is_exclusive(n_adopters: pa.Array, shares: pa.Array, settings: CampaignSettings) -> pa.Array:
    """As the campaigns stage holds a token to be exclusive."""
    many = pc.greater_equal(n_adopters, settings.min_exclusive_adopters)
    return pc.fill_null(pc.and_(many, pc.greater_equal(shares, settings.min_exclusive_share)), False)
