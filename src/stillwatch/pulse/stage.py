"""The pulse stage: daily aggregates in, how unusual each day of the window is out."""

from datetime import date, timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from stillwatch.engines import Engine
from stillwatch.model.stage import Run, Tables
from stillwatch.model.tables import ACCOUNT_DAYS, PULSES
from stillwatch.pulse.population import ASPECTS, active_accounts, day_weights
from stillwatch.pulse.settings import Settings
from stillwatch.stats.mmd import FloatArray, distances_to_past, mean_features, ranks_in_past

READS = (ACCOUNT_DAYS,)
WRITES = (PULSES,)
WEEK: Final = 7
"""Days after which a population repeats itself: weekdays are compared with the same weekday."""


def run(tables: Tables, run: Run, *, engine: Engine, settings: Settings) -> Tables:
    """One row for each whole day of `run.window`, compared with the days before it that `account_days` holds.

    The statistic adds up the squared MMD of each aspect of the day (topics, hours, capabilities) from the same weekdays
    before, in units of sampling noise; see `stats.mmd` for the null hypothesis. A day lacks a p-value where a day that
    it is compared with is missing; it is unusual where p is at or below `settings.level`.
    """
    days = _days(run, settings)
    inside = tables["account_days"]
    inside = inside.filter(inside.day >= days[0], inside.day <= days[-1])
    weights = [(aspect, day_weights(inside, aspect, days, engine)) for aspect in ASPECTS]
    distances = np.column_stack(
        [
            distances_to_past(
                mean_features(known, aspect.features()), known.sum(axis=1), period=WEEK, n_back=settings.n_weeks
            )
            for aspect, known in weights
        ]
    )
    rows = _rows(days, distances, active_accounts(inside, days, engine), settings)
    judged = rows.slice(settings.days_before)
    return {PULSES.name: engine.from_arrow(PULSES, judged)}


def _days(run: Run, settings: Settings) -> list[date]:
    """Every day from the first that the window's first day looks back to, until the last whole one of the window."""
    first = run.window.start.date() - timedelta(days=settings.days_before)
    n_days = (run.window.end.date() - first).days
    return [first + timedelta(days=day) for day in range(n_days)]


def _rows(days: list[date], distances: FloatArray, n_accounts: pa.Array, settings: Settings) -> pa.Table:
    """PULSES rows; a day is ranked only among days of which the same aspects are known."""
    known = ~np.isnan(distances)
    p, n_ranked, total = np.full(len(days), np.nan), np.zeros(len(days), dtype=np.int64), np.full(len(days), np.nan)
    for pattern in np.unique(known[known.any(axis=1)], axis=0):
        alike = (known == pattern).all(axis=1)
        series = np.where(alike, distances[:, pattern].sum(axis=1), np.nan)
        ranks, n_past = ranks_in_past(series, n_back=settings.n_days)
        p[alike], n_ranked[alike], total[alike] = ranks[alike], n_past[alike], series[alike]
    names = np.array([aspect.name for aspect in ASPECTS])
    most = names[np.argmax(np.where(known, distances, -np.inf), axis=1)]
    columns = {
        "day": pa.array(days, pa.date32()),
        "n_accounts": n_accounts,
        "statistic": pa.array(total, from_pandas=True),
        "p_value": pa.array(p, from_pandas=True),
        "n_ranked": pa.array(n_ranked),
        "is_unusual": pa.array(np.nan_to_num(p, nan=1.0) <= settings.level),
        "moved_most": pa.array(most.tolist(), mask=~known.any(axis=1)),
    }
    return pa.table(columns, schema=PULSES.schema)
