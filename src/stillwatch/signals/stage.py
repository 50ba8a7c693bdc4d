"""The signals stage: every signal of every group, in one table."""

from typing import TYPE_CHECKING

import ibis

from stillwatch.engines import Engine
from stillwatch.errors import ConfigError
from stillwatch.model.signal import Signal
from stillwatch.model.stage import Run, Tables
from stillwatch.model.tables import ACCOUNT_DAYS, ACCOUNT_EVENTS, GROUP_MEMBERS, GROUP_SIGNALS, SLICE_BINS, SLICES
from stillwatch.signals import homogeneity
from stillwatch.signals.catalog import catalog
from stillwatch.signals.settings import Settings

if TYPE_CHECKING:
    import ibis.expr.operations as ops
    import ibis.expr.types as ir

READS = (ACCOUNT_DAYS, ACCOUNT_EVENTS, SLICES, SLICE_BINS, GROUP_MEMBERS)
WRITES = (GROUP_SIGNALS,)


def run(tables: Tables, run: Run, *, engine: Engine, settings: Settings) -> Tables:  # noqa: ARG001 - shape of a stage
    """`group_signals`: one row for each group and each signal that has evidence on it.

    Raises:
        ConfigError: `settings.exclude` names a signal that does not exist.
    """
    found = {signal.name: signal for signal in catalog()}
    unknown = sorted(set(settings.exclude) - set(found))
    if unknown:
        raise ConfigError(f"signals.exclude names {unknown}: known signals are {sorted(found)}")
    chosen = [signal for name, signal in found.items() if name not in settings.exclude]
    if not chosen:
        return {"group_signals": engine.from_arrow(GROUP_SIGNALS, GROUP_SIGNALS.empty())}
    numbers = engine.materialize(_group_numbers(tables["group_members"]))
    numbered = {**tables, "group_members": engine.materialize(_numbered(tables["group_members"], numbers))}
    rows = ibis.union(*_shared(numbered, [_rows(signal, numbered) for signal in chosen], engine))
    named = rows.rename(group_no="group_id").inner_join(numbers.rename(group_id="group_name"), "group_no")
    return {"group_signals": engine.materialize(named.select(*GROUP_SIGNALS.schema.names))}


def _group_numbers(members: "ir.Table") -> "ir.Table":
    """`group_name, group_no`: a dense integer for each group, since every signal joins and adds up by group."""
    names = members.select(group_name="group_id").distinct()
    return names.mutate(group_no=ibis.row_number().over(order_by=names.group_name).cast("int32"))


def _numbered(members: "ir.Table", numbers: "ir.Table") -> "ir.Table":
    """`group_members` with the number of the group as `group_id`."""
    rows = members.inner_join(numbers, members.group_id == numbers.group_name)
    return rows.select(**{name: rows["group_no" if name == "group_id" else name] for name in members.columns})


def _rows(signal: Signal, tables: Tables) -> "ir.Table":
    computed = signal.compute({table.name: tables[table.name] for table in signal.reads})
    return computed.select(
        group_id=computed.group_id,
        signal=ibis.literal(signal.name),
        value=_finite(computed.value),
        conservative_value=_finite(computed.conservative_value),
        n=computed.n.cast("int64"),
    )


def _finite(value: "ir.FloatingValue") -> "ir.FloatingValue":
    """`value` as a float, null in place of NaN and infinity, which engines treat differently."""
    real = value.cast("float64")
    return (real.isnan() | real.isinf()).ifelse(ibis.null("float64"), real)


def _shared(tables: Tables, expressions: list["ir.Table"], engine: Engine) -> list["ir.Table"]:
    """`expressions` with the sums that signals have in common evaluated once.

    A signal names only the tables that it reads. Sums over them are built by functions, so two signals that need the
    same sum hold equal sub-expressions; these are found and replaced by their evaluated tables. A later sum is built on
    the evaluated earlier ones, so the steps are applied in order.
    """
    replaced: list[tuple[ops.Node, ops.Node]] = []
    for build in homogeneity.SHARED:
        common = _replace(build(tables), replaced)
        step = (common.op(), engine.materialize(common).op())
        expressions = [_replace(rows, [step]) for rows in expressions]
        replaced.append(step)
    return expressions


def _replace(expression: "ir.Table", steps: "list[tuple[ops.Node, ops.Node]]") -> "ir.Table":
    node = expression.op()
    for old, new in steps:
        node = node.replace({old: new})
    return node.to_expr()
