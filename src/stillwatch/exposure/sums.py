"""Flagged exchanges added up by account and by day, and the grid of what could be asked."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import ibis

from stillwatch.model.stage import Run
from stillwatch.model.tables import EXPOSURE_ACCOUNTS, EXPOSURE_DAYS

if TYPE_CHECKING:
    import ibis.expr.types as ir


def _n(claim: "ir.BooleanValue") -> "ir.IntegerScalar":
    return claim.cast("int64").sum()


def _of(values: "ir.IntegerValue", claim: "ir.BooleanValue") -> "ir.IntegerScalar":
    return claim.ifelse(values, 0).sum()


def by_account(rows: "ir.Table", run: Run) -> "ir.Table":
    """EXPOSURE_ACCOUNTS rows."""
    sums = rows.group_by("campaign_id", "account_id", "capability", "tier", "is_core", "q_value").agg(
        n_all=rows.count(),
        all_input_tokens=rows.input_tokens.sum(),
        all_output_tokens=rows.output_tokens.sum(),
        n_flagged=_n(rows.is_flagged),
        input_tokens=_of(rows.input_tokens, rows.is_flagged),
        output_tokens=_of(rows.output_tokens, rows.is_flagged),
        n_strong=_n(rows.is_strong),
        strong_input_tokens=_of(rows.input_tokens, rows.is_strong),
        strong_output_tokens=_of(rows.output_tokens, rows.is_strong),
        n_strong_useful=_n(rows.is_useful & rows.is_strong),
        strong_useful_output_tokens=_of(rows.output_tokens, rows.is_useful & rows.is_strong),
        n_prompt=_n(rows.is_prompt),
        n_frame=_n(rows.is_frame),
        n_both=_n(rows.is_prompt & rows.is_frame),
        n_refused=_n(rows.is_refused),
        n_failed=_n(rows.is_failed),
        n_repeats=_n(rows.is_repeat),
        n_useful=_n(rows.is_useful),
        useful_output_tokens=_of(rows.output_tokens, rows.is_useful),
        n_traces=_n(rows.is_trace),
        trace_tokens=_of(rows.output_tokens, rows.is_trace),
    )
    return sums.mutate(run_id=ibis.literal(run.run_id)).select(*EXPOSURE_ACCOUNTS.schema.names)


def by_day(rows: "ir.Table", run: Run) -> "ir.Table":
    """EXPOSURE_DAYS rows, of core members only.

    A grid cell is new on the first day on which one of their slices reached it.
    """
    inside = rows.filter(rows.is_flagged & rows.is_core)
    before = (inside.start_time < inside.alarm_at).fill_null(True)
    key = ["campaign_id", "capability", "day"]
    sums = inside.group_by(*key).agg(
        n_flagged=inside.count(),
        input_tokens=inside.input_tokens.sum(),
        output_tokens=inside.output_tokens.sum(),
        n_useful=_n(inside.is_useful),
        n_before_alarm=_n(before),
        output_tokens_before_alarm=_of(inside.output_tokens, before),
    )
    reached = inside.filter(inside.micro_cell.notnull())
    first = reached.group_by("campaign_id", "capability", "micro_cell").agg(day=reached.day.min())
    new = first.group_by(*key).agg(n_new_cells=first.count())
    both = sums.left_join(new, key).drop(*(f"{name}_right" for name in key))
    filled = both.mutate(n_new_cells=both.n_new_cells.fill_null(0), run_id=ibis.literal(run.run_id))
    return filled.select(*EXPOSURE_DAYS.schema.names)


def grid(sketches: "ir.Table", run: Run, capability: "Callable[[ir.IntegerValue], ir.StringValue]") -> "ir.Table":
    """`capability, n_cells`: how many micro-cells all traffic of the window's days reached with each capability."""
    days = list(run.window.days())
    inside = sketches.filter(sketches.micro_cell.notnull(), sketches.day >= days[0], sketches.day <= days[-1])
    cells = inside.select("micro_cell", capability=capability(inside.capability)).distinct()
    return cells.group_by("capability").agg(n_cells=cells.count())
