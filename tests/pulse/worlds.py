"""Days of accounts for the pulse, without telemetry behind them."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa

from stillwatch.engines import Engine
from stillwatch.model.stage import Run
from stillwatch.model.tables import ACCOUNT_DAYS, PULSES
from stillwatch.model.window import Window
from stillwatch.pulse import Settings, run

START = datetime(2026, 1, 5, tzinfo=UTC)
SETTINGS = Settings()


def account_day(day: int, account: str, *, cells: list[int], hours: list[int], capabilities: list[int]) -> dict:
    """One row of ACCOUNT_DAYS."""
    at = START + timedelta(days=day, hours=hours[0] if hours else 12)
    row = dict.fromkeys(ACCOUNT_DAYS.schema.names, 0)
    lists = {"micro_cells": sorted(cells), "openings": sorted(hours), "capabilities": sorted(capabilities)}
    return row | lists | {
        "day": at.date(), "account_id": account, "n": max(len(cells), 1), "models": [], "prompts": [], "materials": [],
        "first_seen_at": at, "last_seen_at": at,
    }  # fmt: skip


def as_table(rows: list[dict]) -> pa.Table:
    """The rows as ACCOUNT_DAYS."""
    return pa.Table.from_pylist(rows, schema=ACCOUNT_DAYS.schema)


def quiet_rows(n_days: int, *, n_accounts: int = 60, seed: int = 1, favourite: int = 900) -> list[dict]:
    """Accounts that ask about a few neighbouring cells in office hours, fewer and elsewhere at weekends."""
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(n_days):
        is_weekend = (START + timedelta(days=day)).weekday() >= 5
        for account in range(n_accounts // 3 if is_weekend else n_accounts):
            cells = rng.integers(0, 4096 if is_weekend else favourite, 3).tolist()
            hours = rng.integers(8, 18, 2).tolist()
            rows.append(account_day(day, f"a{account}", cells=cells, hours=hours, capabilities=[account % 3]))
    return rows


def campaign_rows(first: int, last: int, *, n_accounts: int = 30) -> list[dict]:
    """Accounts that all ask about other cells, around the clock, of one capability."""
    rng = np.random.default_rng(2)
    return [
        account_day(
            day, f"c{account}", cells=rng.integers(3000, 3200, 8).tolist(), hours=rng.integers(0, 24, 6).tolist(),
            capabilities=[6],
        )
        for day in range(first, last)
        for account in range(n_accounts)
    ]  # fmt: skip


def pulse(engine: Engine, rows: pa.Table, *, first: int, last: float, settings: Settings = SETTINGS) -> pa.Table:
    """PULSES of the window from day `first` up to `last`, which may be within a day."""
    window = Window(START + timedelta(days=first), START + timedelta(days=last))
    with engine.scope():
        tables = {ACCOUNT_DAYS.name: engine.from_arrow(ACCOUNT_DAYS, rows)}
        made = run(tables, Run("test", window), engine=engine, settings=settings)
        return engine.to_arrow(made[PULSES.name]).sort_by("day")


def date_of(day: int) -> date:
    """The date of a day by number."""
    return (START + timedelta(days=day)).date()
