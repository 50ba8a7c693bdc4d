"""A stage: one room's work, from tables to tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from stillwatch.model.table import Table
from stillwatch.model.window import Window

if TYPE_CHECKING:
    import ibis.expr.types as ir

Tables = Mapping[str, "ir.Table"]
"""Ibis expressions by table name."""


@dataclass(frozen=True, slots=True)
class Run:
    """What every stage of one detection run may know beside its tables.

    `by` is the identity level (`account`, `org` or `end_user`); `known_at` is None for "all that is stored".
    """

    run_id: str
    window: Window
    by: str = "account"
    known_at: datetime | None = None
    alpha: float = 1e-4
    stale_days: tuple[date, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Stage:
    """One room of the pipeline: it reads tables that earlier stages wrote and writes its own.

    `run` receives the declared reads only and returns one expression for each table in `writes`.
    """

    room: str
    reads: tuple[Table, ...]
    writes: tuple[Table, ...]
    run: Callable[["Tables", Run], "Tables"]
