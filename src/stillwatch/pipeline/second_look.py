"""Judging again what is left of a token when those who are accused are taken away."""

from typing import TYPE_CHECKING

from stillwatch import grouping
from stillwatch.config import Config
from stillwatch.engines import Engine
from stillwatch.model.stage import Run, Stage, Tables
from stillwatch.model.tables import GROUP_MEMBERS, GROUPS, SLICE_BINS

if TYPE_CHECKING:
    import ibis.expr.types as ir


def look_again(
    tables: Tables, run: Run, signals: Stage, scoring: Stage, *, engine: Engine, config: Config
) -> dict[str, "ir.Table"]:
    """GROUPS, GROUP_MEMBERS, GROUP_SIGNALS and GROUP_SCORES with the remainders beside all other groups.

    Nothing where no token has a remainder. Remainders are judged once: what is left of a remainder is not.
    """
    read = {table.name: tables[table.name] for table in grouping.REMAINDER_READS}
    left = {name: engine.materialize(rows) for name, rows in grouping.remainders(read, config.grouping).items()}
    groups, members = left[GROUPS.name], left[GROUP_MEMBERS.name]
    if not engine.to_arrow(groups.aggregate(n=groups.count()))["n"][0].as_py():
        return {}
    bins = engine.materialize(tables[SLICE_BINS.name].semi_join(members, "slice_id"))
    given = {**tables, **left, SLICE_BINS.name: bins}
    left |= signals.run({table.name: given[table.name] for table in signals.reads}, run)
    both = {name: tables[name].union(rows) for name, rows in left.items()}
    every = {**tables, **both}
    return both | dict(scoring.run({table.name: every[table.name] for table in scoring.reads}, run))
