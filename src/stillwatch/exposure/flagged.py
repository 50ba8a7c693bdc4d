"""Which exchanges lie inside a campaign's flagged slices, by what they carry."""

from typing import TYPE_CHECKING, Final

import ibis

from stillwatch.engines import Engine
from stillwatch.exposure.settings import Settings
from stillwatch.model.stage import Run, Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

IDENTITY_COLUMNS: Final = {"account": "account_id", "org": "org_id", "end_user": "end_user_id"}
SENT_COLUMNS: Final = {"skeleton": "skeleton_hash", "system": "system_hash", "tools": "tools_hash"}
"""Kinds of tokens that a prompt sketch holds one of, with its column; `shingle` is the one it holds many of."""
NETWORK_COLUMNS: Final = {"address": "client_address", "prefix": "client_prefix", "ja4": "tls_client_ja4_hash"}
SHINGLE: Final = "shingle"
BUNDLE: Final = "shingle_bundle"
"""Kind of the slices that stand for shingles which the same accounts sent."""
PROMPT, FRAME, NETWORK = "prompt", "frame", "network"
FAMILIES: Final = {
    "skeleton": PROMPT, SHINGLE: PROMPT, "system": FRAME, "tools": FRAME, **dict.fromkeys(NETWORK_COLUMNS, NETWORK),
}  # fmt: skip
"""What each kind rests on. Kinds that are not named (cards, devices, links) say nothing about single exchanges."""
_TOKEN = ("token_kind", "token")
_KEY = ("campaign_id", "exchange_key")


def slice_tokens(members: "ir.Table") -> "ir.Table":
    """`campaign_id, account_id, token_kind, token` of the slices that single exchanges can be tested for."""
    kind = members.token_kind.replace(BUNDLE, SHINGLE)
    named = members.select("campaign_id", "account_id", "token", token_kind=kind)
    return named.filter(named.token_kind.isin(list(FAMILIES))).distinct()


def core_members(tables: Tables) -> "ir.Table":
    """`campaign_id, account_id` of those that a campaign rests on: accused members, or all where none is accused."""
    findings = tables["account_findings"]
    flagged = findings.filter(findings.campaign_id.notnull(), findings.tier != "none")
    rows = flagged.select("campaign_id", "account_id", is_accused=(flagged.tier == "accuse").cast("int64"))
    known = rows.mutate(best=rows.is_accused.max().over(group_by=rows.campaign_id))
    return known.filter(known.is_accused == known.best).select("campaign_id", "account_id")


def own_tokens(tables: Tables, tokens: "ir.Table", *, engine: Engine, settings: Settings) -> "ir.Table":
    """`campaign_id, token_kind, token, is_strong`: what a campaign's core members send and hardly anybody else.

    `is_strong` is 1 where a good part of the core sends it, else 0.
    """
    sent = tokens.filter(tokens.token_kind.isin([kind for kind, family in FAMILIES.items() if family != NETWORK]))
    chosen = sent.select("campaign_id", *_TOKEN).distinct()
    uses = tables["token_uses"]
    adopters = engine.materialize(uses.semi_join(chosen, _TOKEN).select(*_TOKEN, "account_id").distinct())
    core = core_members(tables)
    inside = adopters.inner_join(core, "account_id").group_by("campaign_id", *_TOKEN).agg(n_inside=ibis._.count())
    sizes = core.group_by("campaign_id").agg(n_core=core.count())
    both = inside.inner_join(adopters.group_by(*_TOKEN).agg(n_adopters=ibis._.count()), _TOKEN)
    both = both.semi_join(chosen, ["campaign_id", *_TOKEN])
    own = both.filter(both.n_inside >= both.n_adopters * settings.min_own_share)
    sized = own.inner_join(sizes, "campaign_id")
    is_strong = (sized.n_inside >= sized.n_core * settings.min_core_share).cast("int64")
    return engine.materialize(sized.select("campaign_id", *_TOKEN, is_strong=is_strong))


def carriers(tables: Tables, own: "ir.Table") -> "ir.Table":
    """`campaign_id, account_id` of members and of everybody else who sent one of the campaign's own tokens."""
    members = tables["campaign_members"].select("campaign_id", "account_id")
    others = tables["token_uses"].inner_join(own, _TOKEN).select("campaign_id", "account_id")
    return members.union(others).distinct()


def carried_exchanges(tables: Tables, who: "ir.Table", run: Run) -> "ir.Table":
    """Every exchange of the window by a carrier, once for each campaign, with its sketch and what became of it."""
    exchanges = tables["exchanges"]
    known = exchanges.mutate(account_id=exchanges[IDENTITY_COLUMNS[run.by]])
    inside = known.filter(
        known.account_id.notnull(), known.start_time >= run.window.start, known.start_time < run.window.end
    )
    rows = inside.inner_join(who, "account_id")
    sketches = tables["prompt_sketches"].select(
        "exchange_key", *SENT_COLUMNS.values(), "shingles", "prompt_hash", "micro_cell", "capability", "asks_reasoning"
    )
    sketched = rows.left_join(sketches, "exchange_key").drop("exchange_key_right")
    outcomes = _outcomes(tables["exchange_records"], rows)
    return sketched.left_join(outcomes, "exchange_key").drop("exchange_key_right")


def _outcomes(records: "ir.Table", rows: "ir.Table") -> "ir.Table":
    """`exchange_key, is_filtered, reasoning_tokens` over the records of each of the exchanges in `rows`."""
    own = records.semi_join(rows, "exchange_key")
    filtered = own.finish_reasons.contains("content_filter").fill_null(False)
    return own.group_by("exchange_key").agg(
        is_filtered=filtered.cast("int64").max() > 0,
        reasoning_tokens=own.reasoning_output_tokens.max().fill_null(0),
    )


def marks(rows: "ir.Table", tokens: "ir.Table", own: "ir.Table") -> "ir.Table":
    """`campaign_id, exchange_key, prompt, frame, network, strong` of exchanges that carry a token; 1 or 0.

    Prompt and frame count for own tokens, whoever sends them, strong for those of many members; network counts inside
    of a member's own slices only.
    """
    hits = [_sent(rows.select(*_KEY, token=rows[column]), own, kind) for kind, column in SENT_COLUMNS.items()]
    hits.append(_sent(rows.select(*_KEY, token=rows.shingles.unnest()), own, SHINGLE))
    hits.extend(_networked(rows, tokens, kind, column) for kind, column in NETWORK_COLUMNS.items())
    every = ibis.union(*hits, distinct=False)
    return every.group_by(*_KEY).agg(
        **{family: (every.family == family).cast("int64").max() for family in (PROMPT, FRAME, NETWORK)},
        strong=every.is_strong.max(),
    )


def _sent(rows: "ir.Table", own: "ir.Table", kind: str) -> "ir.Table":
    chosen = own.filter(own.token_kind == kind).select("campaign_id", "token", "is_strong")
    hits = rows.inner_join(chosen, ["campaign_id", "token"])
    return hits.select(*_KEY, "is_strong", family=ibis.literal(FAMILIES[kind]))


def _networked(rows: "ir.Table", tokens: "ir.Table", kind: str, column: str) -> "ir.Table":
    chosen = tokens.filter(tokens.token_kind == kind).select("campaign_id", "account_id", "token")
    known = rows.select(*_KEY, "account_id", token=rows[column])
    hits = known.semi_join(chosen, ["campaign_id", "account_id", "token"])
    return hits.select(*_KEY, is_strong=ibis.literal(0, "int64"), family=ibis.literal(NETWORK))
