"""Small worlds in the shape that grouping reads: what each account sent, token by token."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from stillwatch.engines import Settings as EngineSettings
from stillwatch.engines import open_engine
from stillwatch.grouping import Settings, run
from stillwatch.model.stage import Run
from stillwatch.model.tables import ACCOUNT_DAYS, ACCOUNTS, GROUP_MEMBERS, GROUPS, SLICE_BINS, SLICES, TOKEN_USES
from stillwatch.model.window import Window

START = datetime(2026, 4, 22, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=45))
SHAPES = {table.name: table for table in (TOKEN_USES, ACCOUNT_DAYS, ACCOUNTS)}
OUTPUTS = {table.name: table for table in (SLICES, SLICE_BINS, GROUPS, GROUP_MEMBERS)}
Row = Mapping[str, object]


def use(
    account: str, kind: str, token: int, *, day: int = 0, hours: Sequence[int] = (9,), cell: int = 0, code: int = 0
) -> Row:
    """What one account sent with one token on one day: a conversation of one exchange at each of `hours`."""
    return {"token_kind": kind, "token": token, **_day(account, day, hours, cell, code)}


def account_day(account: str, *, day: int = 0, hours: Sequence[int] = (9,), cell: int = 0, code: int = 0) -> Row:
    return {**_day(account, day, hours, cell, code), "n_errors": 0, "n_rate_limited": 0, "models": ["m"]}


def snapshot(account: str, *, as_of: int = 0, age_days: float | None = None, **fields: object) -> Row:
    """A row of `accounts`, `as_of` days after the window's start; created `age_days` before it."""
    created = None if age_days is None else START - timedelta(days=age_days)
    at = START + timedelta(days=as_of)
    blank = dict.fromkeys(ACCOUNTS.schema.names)
    return {
        **blank,
        "account_id": account,
        "as_of": at,
        "ingest_batch_id": "b",
        "ingested_at": at,
        "created_at": created,
        **fields,
    }


def _day(account: str, day: int, hours: Sequence[int], cell: int, code: int) -> dict[str, object]:
    at = START + timedelta(days=day)
    return {
        "day": at.date(), "account_id": account, "n": len(hours), "input_tokens": 10 * len(hours),
        "output_tokens": 20 * len(hours), "openings": sorted(hours), "micro_cells": [cell] * len(hours),
        "capabilities": [code] * len(hours), "prompts": [cell] * len(hours), "materials": [cell + 1],
        "first_seen_at": at + timedelta(hours=min(hours)), "last_seen_at": at + timedelta(hours=max(hours)),
    }  # fmt: skip


@dataclass(frozen=True)
class Grouped:
    """Rows of the four tables that a run of grouping wrote."""

    slices: list[dict[str, object]]
    slice_bins: list[dict[str, object]]
    groups: list[dict[str, object]]
    group_members: list[dict[str, object]]
    arrow: dict[str, pa.Table] = field(default_factory=dict)

    def members(self, group: Mapping[str, object]) -> set[str]:
        return {row["account_id"] for row in self.group_members if row["group_id"] == group["group_id"]}

    def of(self, proposal: str) -> list[dict[str, object]]:
        return [group for group in self.groups if group["proposal"] == proposal]


class Bench:
    """An engine that groups small worlds."""

    def __init__(self, spec: str = "duckdb") -> None:
        self.engine = open_engine(spec, EngineSettings(threads=2))

    def group(
        self,
        uses: Iterable[Row],
        *,
        days: Iterable[Row] | None = None,
        accounts: Iterable[Row] = (),
        settings: Settings | None = None,
        by: str = "account",
        shuffle: int | None = None,
    ) -> Grouped:
        uses = list(uses)
        if days is None:
            days = [account_day(account) for account in sorted({str(row["account_id"]) for row in uses})]
        given = {"token_uses": uses, "account_days": list(days), "accounts": list(accounts)}
        tables = {name: self._load(name, rows, shuffle) for name, rows in given.items()}
        made = run(tables, Run("r", WINDOW, by=by), engine=self.engine, settings=settings or Settings())
        arrow = {
            name: self.engine.to_arrow(rows).sort_by([(key, "ascending") for key in OUTPUTS[name].key])
            for name, rows in made.items()
        }
        return Grouped(**{name: rows.to_pylist() for name, rows in arrow.items()}, arrow=arrow)

    def _load(self, name: str, rows: list[Row], shuffle: int | None):
        arrow = pa.Table.from_pylist(rows, schema=SHAPES[name].schema)
        if shuffle is not None:
            arrow = arrow.take(np.random.default_rng(shuffle).permutation(len(arrow)))
        return self.engine.from_arrow(SHAPES[name], arrow)


def names(n: int, prefix: str = "a") -> list[str]:
    return [f"{prefix}{number:04d}" for number in range(n)]
