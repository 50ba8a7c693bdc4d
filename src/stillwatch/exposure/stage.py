"""The exposure stage: campaign members and the exchanges of the window in, what was taken out."""

from typing import TYPE_CHECKING

import ibis

from stillwatch.engines import Engine
from stillwatch.exposure.flagged import carried_exchanges, carriers, core_members, marks, own_tokens, slice_tokens
from stillwatch.exposure.models import exposure_models
from stillwatch.exposure.settings import Settings
from stillwatch.exposure.summary import summarise
from stillwatch.exposure.sums import by_account, by_day, grid
from stillwatch.model.capability import CAPABILITIES
from stillwatch.model.stage import Run, Tables
from stillwatch.model.table import Table
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_FINDINGS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    EXCHANGE_RECORDS,
    EXCHANGES,
    EXPOSURE_ACCOUNTS,
    EXPOSURE_DAYS,
    EXPOSURE_MODELS,
    EXPOSURES,
    PROMPT_SKETCHES,
    TOKEN_USES,
)

if TYPE_CHECKING:
    import ibis.expr.types as ir

READS: tuple[Table, ...] = (
    EXCHANGES, EXCHANGE_RECORDS, PROMPT_SKETCHES, TOKEN_USES, ACCOUNT_DAYS, CAMPAIGNS, CAMPAIGN_MEMBERS,
    ACCOUNT_FINDINGS,
)  # fmt: skip
WRITES: tuple[Table, ...] = (EXPOSURE_ACCOUNTS, EXPOSURE_DAYS, EXPOSURE_MODELS, EXPOSURES)
UNKNOWN = "unknown"
"""Capability of an exchange without a sketch."""


def run(tables: Tables, run: Run, *, engine: Engine, settings: Settings) -> Tables:
    """What the campaigns of one detection run took, by account, day and model, and in sum with intervals.

    CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS and CAMPAIGNS must hold the rows of this run alone, `prompt_sketches` at most
    one row an exchange.
    """
    tokens = engine.materialize(slice_tokens(tables["campaign_members"]))
    own = own_tokens(tables, tokens, engine=engine, settings=settings)
    who = engine.materialize(carriers(tables, own))
    rows = engine.materialize(carried_exchanges(tables, who, run))
    alarms = first_alarms(tables)
    flagged = engine.materialize(_flagged(rows, marks(rows, tokens, own), alarms, tables))
    accounts, days, models = (
        engine.to_arrow(made)
        for made in (by_account(flagged, run), by_day(flagged, run), exposure_models(flagged, tables, run, settings))
    )
    cells = engine.to_arrow(grid(tables["prompt_sketches"], run, _capability))
    rows_by_table = {
        EXPOSURE_ACCOUNTS: accounts.sort_by(_order(EXPOSURE_ACCOUNTS)),
        EXPOSURE_DAYS: days.sort_by(_order(EXPOSURE_DAYS)),
        EXPOSURE_MODELS: models.sort_by(_order(EXPOSURE_MODELS)),
    }
    rows_by_table[EXPOSURES] = summarise(
        rows_by_table[EXPOSURE_ACCOUNTS], rows_by_table[EXPOSURE_DAYS], grid=cells, alarms=engine.to_arrow(alarms),
        window=run.window, settings=settings,
    )  # fmt: skip
    return {table.name: engine.from_arrow(table, content) for table, content in rows_by_table.items()}


def _order(table: Table) -> list[tuple[str, str]]:
    return [(name, "ascending") for name in table.key]


def wanted_accounts(tables: Tables, *, engine: Engine, settings: Settings) -> "ir.Table":
    """`account_id` of every account whose exchanges the stage looks at: a caller may leave out those of others."""
    tokens = slice_tokens(tables["campaign_members"])
    return (
        carriers(tables, own_tokens(tables, tokens, engine=engine, settings=settings)).select("account_id").distinct()
    )


def _flagged(rows: "ir.Table", marked: "ir.Table", alarms: "ir.Table", tables: Tables) -> "ir.Table":
    """`rows` with what is known of their account, whether they are flagged, and whether their answer was of use."""
    findings = tables["account_findings"].select("account_id", "campaign_id", "tier", "q_value")
    joined = rows.left_join(marked, ["campaign_id", "exchange_key"]).drop("campaign_id_right", "exchange_key_right")
    joined = joined.left_join(findings, ["campaign_id", "account_id"]).drop("campaign_id_right", "account_id_right")
    joined = joined.left_join(alarms, "campaign_id").drop("campaign_id_right")
    core = core_members(tables).mutate(core=ibis.literal(1))
    joined = joined.left_join(core, ["campaign_id", "account_id"]).drop("campaign_id_right", "account_id_right")
    certain = tables["campaigns"].select("campaign_id", campaign_q=tables["campaigns"].q_value)
    joined = joined.inner_join(certain, "campaign_id")
    known = joined.mutate(
        capability=_capability(joined.capability),
        is_prompt=(joined.prompt == 1).fill_null(False),
        is_frame=(joined.frame == 1).fill_null(False),
        is_network=(joined.network == 1).fill_null(False),
        is_member=joined.tier.notnull(),
        is_core=joined.core.notnull(),
        is_strong=(joined.strong == 1).fill_null(False),
        tier=joined.tier.fill_null("none"),
        q_value=ibis.coalesce(joined.q_value, joined.campaign_q),
        input_tokens=joined.input_tokens.fill_null(0),
        has_output=(joined.output_tokens > 0).fill_null(True),
        output_tokens=joined.output_tokens.fill_null(0),
        is_filtered=joined.is_filtered.fill_null(False),
        asks_reasoning=joined.asks_reasoning.fill_null(False),
        reasoning_tokens=joined.reasoning_tokens.fill_null(0),
    )
    is_sent = known.is_prompt | known.is_frame
    n_sent = is_sent.cast("int64").sum().over(group_by=[known.campaign_id, known.account_id])
    told = known.mutate(is_flagged=is_sent | (known.is_network & known.is_member & (n_sent == 0)))
    return _with_use(told)


def _with_use(rows: "ir.Table") -> "ir.Table":
    """`rows` with `is_refused`, `is_failed`, `is_repeat`, `is_useful` and `is_trace`, all false where not flagged.

    Of equal prompts of one campaign the first answer is useful and the others are repeats.
    """
    is_refused = rows.is_flagged & ((rows.status == "blocked") | rows.is_filtered)
    is_failed = rows.is_flagged & ~is_refused & ((rows.status != "ok") | ~rows.has_output)
    answered = rows.mutate(is_refused=is_refused, is_failed=is_failed)
    counts = answered.is_flagged & ~answered.is_refused & ~answered.is_failed
    place = ibis.row_number().over(
        group_by=[answered.campaign_id, answered.prompt_hash, counts],
        order_by=[answered.start_time, answered.exchange_key],
    )
    ranked = answered.mutate(is_answered=counts, is_later=(place > 0) & answered.prompt_hash.notnull())
    useful = ranked.mutate(
        is_repeat=ranked.is_answered & ranked.is_later, is_useful=ranked.is_answered & ~ranked.is_later
    )
    return useful.mutate(is_trace=useful.is_useful & (useful.asks_reasoning | (useful.reasoning_tokens > 0)))


def _capability(code: "ir.IntegerValue") -> "ir.StringValue":
    return ibis.cases(*((code == tag.code, tag.value) for tag in CAPABILITIES), else_=UNKNOWN)


def first_alarms(tables: Tables) -> "ir.Table":
    """`campaign_id, alarm_at`: when a member was first accused; campaigns without an accused member have no row."""
    findings = tables["account_findings"]
    accused = findings.filter(findings.tier == "accuse")
    return accused.group_by("campaign_id").agg(alarm_at=accused.first_flagged_at.min())
