"""The features stage: exchanges and their sketches in, daily aggregates out."""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import ibis

from stillwatch.engines import Engine
from stillwatch.features.account_days import account_days
from stillwatch.features.exchange_tokens import exchange_tokens
from stillwatch.features.settings import Settings
from stillwatch.features.token_uses import shared_shingles, token_uses
from stillwatch.model.stage import Run, Tables
from stillwatch.model.tables import ACCOUNT_DAYS, EXCHANGES, PROMPT_SKETCHES, TOKEN_USES

if TYPE_CHECKING:
    import ibis.expr.types as ir

READS = (EXCHANGES, PROMPT_SKETCHES)
WRITES = (TOKEN_USES, ACCOUNT_DAYS)


def run(tables: Tables, run: Run, *, engine: Engine, settings: Settings) -> Tables:
    """`token_uses` and `account_days` of every UTC day that `run.window` touches.

    `prompt_sketches` must hold at most one row per exchange. Exchanges outside of the window, or without an identity
    at level `run.by`, are left out. Days never look at each other: running days apart and appending their rows equals
    one run over all of them, so memory is bounded by working through a few days at a time.
    """
    exchanges = engine.materialize(exchange_tokens(tables["exchanges"], tables["prompt_sketches"], run))
    uses, days = [], []
    for first, last in _spans(exchanges, engine, settings.exchanges_at_once):
        span = exchanges.filter(exchanges.day >= first, exchanges.day <= last)
        shared = engine.materialize(shared_shingles(span))
        uses.append(engine.materialize(token_uses(span, shared, settings.token_kinds)))
        days.append(engine.materialize(account_days(span)))
    return {
        TOKEN_USES.name: _together(uses) if uses else engine.from_arrow(TOKEN_USES, TOKEN_USES.empty()),
        ACCOUNT_DAYS.name: _together(days) if days else engine.from_arrow(ACCOUNT_DAYS, ACCOUNT_DAYS.empty()),
    }


def _spans(exchanges: "ir.Table", engine: Engine, exchanges_at_once: int) -> Iterator[tuple[date, date]]:
    """First and last day of runs of days, in order, of at most `exchanges_at_once` rows unless one day has more."""
    counts = engine.to_arrow(exchanges.group_by("day").aggregate(n=exchanges.count()).order_by("day"))
    days, sizes = counts.column("day").to_pylist(), counts.column("n").to_pylist()
    start, held = 0, 0
    for position, size in enumerate(sizes):
        if held and held + size > exchanges_at_once:
            yield days[start], days[position - 1]
            start, held = position, 0
        held += size
    if days:
        yield days[start], days[-1]


def _together(parts: "list[ir.Table]") -> "ir.Table":
    return ibis.union(*parts, distinct=False) if len(parts) > 1 else parts[0]
