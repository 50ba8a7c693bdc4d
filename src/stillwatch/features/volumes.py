"""The aggregates that account days and token uses share."""

from typing import TYPE_CHECKING

import ibis

if TYPE_CHECKING:
    import ibis.expr.types as ir


def volumes(rows: "ir.Table") -> "dict[str, ir.Value]":
    """Counts, tokens, openings, cells and first and last time of a group of exchanges, by column name.

    Lists ascend; a list without values is empty, never null.
    """
    return {
        "n": rows.count(),
        "input_tokens": rows.input_tokens.sum(),
        "output_tokens": rows.output_tokens.sum(),
        "openings": or_empty(rows.opening.collect()).sort(),
        "micro_cells": or_empty(rows.micro_cell.collect()).sort(),
        "capabilities": or_empty(rows.capability.collect()).sort(),
        "prompts": or_empty(rows.prompt.collect()).sort(),
        "materials": or_empty(rows.materials.collect().flatten()).sort(),
        "first_seen_at": rows.start_time.min(),
        "last_seen_at": rows.start_time.max(),
    }


def or_empty(values: "ir.ArrayValue") -> "ir.ArrayValue":
    """The collected `values`, empty where a group had none: Ibis collects nothing to null."""
    return ibis.coalesce(values, ibis.literal([], type=values.type()))
