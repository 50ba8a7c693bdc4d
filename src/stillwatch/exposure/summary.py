"""What each campaign took in sum, with intervals: arithmetic on the stage's own sums, without an engine.

The intervals are about *membership*, given that the campaign is real: whether each account belongs to it, and which of
a member's exchanges the flagged slices miss. They say nothing about a campaign that is no campaign; its q-value does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import ceil, floor, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from stillwatch.exposure.settings import Settings
from stillwatch.model.tables import EXPOSURES
from stillwatch.model.window import Window
from stillwatch.stats.recapture import Missed, missed_by_both

ALL: Final = "all"
"""Capability of the row that adds up all others."""
COUNTED: Final = {
    "exchanges": ("n_strong", "n_flagged", "n_all"),
    "input_tokens": ("strong_input_tokens", "input_tokens", "all_input_tokens"),
    "output_tokens": ("strong_output_tokens", "output_tokens", "all_output_tokens"),
    "useful_exchanges": ("n_strong_useful", "n_useful", "n_all"),
    "useful_output_tokens": ("strong_useful_output_tokens", "useful_output_tokens", "all_output_tokens"),
}
"""Columns of EXPOSURE_ACCOUNTS behind each quantity: by tokens of many, in flagged slices, of whole accounts."""
_PLAIN: Final = ("n_refused", "n_failed", "n_repeats", "n_traces", "trace_tokens")

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Interval:
    """A count with the two ends of its interval."""

    low: int
    value: int
    high: int


def summarise(
    accounts: pa.Table, days: pa.Table, *, grid: pa.Table, alarms: pa.Table, window: Window, settings: Settings
) -> pa.Table:
    """EXPOSURES rows from EXPOSURE_ACCOUNTS and EXPOSURE_DAYS rows of one run.

    `grid` has `capability, n_cells`, `alarms` has `campaign_id, alarm_at`.
    """
    n_cells = dict(zip(grid["capability"].to_pylist(), grid["n_cells"].to_pylist(), strict=True))
    alarm_at = dict(zip(alarms["campaign_id"].to_pylist(), alarms["alarm_at"].to_pylist(), strict=True))
    rows = [
        row
        for campaign_id in sorted(set(accounts["campaign_id"].to_pylist()))
        for row in _campaign_rows(
            *(part.filter(pc.equal(part["campaign_id"], campaign_id)) for part in (accounts, days)),
            n_cells=n_cells, alarm_at=alarm_at.get(campaign_id), window=window, settings=settings,
        )
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=EXPOSURES.schema)


def _campaign_rows(
    accounts: pa.Table, days: pa.Table, *, n_cells: dict[str, int], alarm_at: datetime | None, window: Window,
    settings: Settings,
) -> Iterator[dict[str, object]]:  # fmt: skip
    """One row for each capability that the campaign's accounts asked for, and one for all."""
    members = Accounts.of(accounts)
    missed = members.missed(settings.confidence)
    for capability in [*sorted(set(accounts["capability"].to_pylist())), ALL]:
        is_chosen = _is(accounts, capability)
        chosen, rows = members.where(is_chosen), accounts.filter(pa.array(is_chosen))
        daily = days if capability == ALL else days.filter(pc.equal(days["capability"], capability))
        inside = rows.filter(rows["is_core"])
        counted: dict[str, object] = {}
        for name in COUNTED:
            interval = chosen.interval(name, missed, settings.confidence)
            counted |= {f"{name}_low": interval.low, name: interval.value, f"{name}_high": interval.high}
        yield {
            "run_id": accounts["run_id"][0].as_py(),
            "campaign_id": accounts["campaign_id"][0].as_py(),
            "capability": capability,
            "n_accounts": len(set(inside.filter(pc.greater(inside["n_flagged"], 0))["account_id"].to_pylist())),
            **counted,
            "is_bounded_by_slices": missed is not None,
            **{name: _sum(inside[name]) for name in _PLAIN},
            **_coverage(daily, sum(n_cells.values()) if capability == ALL else n_cells.get(capability, 0), window),
            "alarm_at": alarm_at,
            "n_before_alarm": _sum(daily["n_before_alarm"]),
            "output_tokens_before_alarm": _sum(daily["output_tokens_before_alarm"]),
            **_pace(daily, settings.pace_days),
        }


def _is(accounts: pa.Table, capability: str) -> Flags:
    every = np.ones(accounts.num_rows, dtype=bool)
    return every if capability == ALL else np.asarray(pc.equal(accounts["capability"], capability), dtype=bool)


def _sum(values: pa.ChunkedArray) -> int:
    return int(pc.sum(values).as_py() or 0)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Rows of EXPOSURE_ACCOUNTS of one campaign as arrays, one entry a row.

    `is_core`: the campaign rests on the account; `is_sent`: something that the account *sent* is the campaign's own, in
    any capability; `account` is its code; `certainty` is the probability that it is no honest account; `columns` are
    the counts.
    """

    is_core: Flags
    is_sent: Flags
    account: npt.NDArray[np.int64]
    certainty: Reals
    columns: dict[str, Reals]

    @classmethod
    def of(cls, rows: pa.Table) -> "Accounts":
        """The arrays of these rows."""
        _, account = np.unique(
            np.asarray(rows["account_id"].to_pylist(), dtype=object).astype(str), return_inverse=True
        )
        names = {name for columns in COUNTED.values() for name in columns} | {"n_prompt", "n_frame", "n_both"}
        columns = {name: rows[name].to_numpy().astype(np.float64) for name in sorted(names)}
        sent = np.bincount(account, columns["n_prompt"] + columns["n_frame"])
        return cls(
            is_core=np.asarray(rows["is_core"], dtype=bool),
            is_sent=(sent > 0)[account],
            account=account.astype(np.int64),
            certainty=1.0 - np.clip(rows["q_value"].to_numpy(), 0.0, 1.0),
            columns=columns,
        )

    def where(self, chosen: Flags) -> "Accounts":
        """Only the rows that are marked."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Accounts(
            self.is_core[chosen], self.is_sent[chosen], self.account[chosen], self.certainty[chosen], columns
        )

    def missed(self, confidence: float) -> Missed | None:
        """Core members' exchanges that neither prompt nor frame gave away, as shares of those that either did."""
        n_prompt, n_frame, n_both = (
            int(self.columns[name][self.is_core].sum()) for name in ("n_prompt", "n_frame", "n_both")
        )
        found = missed_by_both(n_prompt, n_frame, n_both, confidence=confidence)
        caught = n_prompt + n_frame - n_both
        return None if found is None else Missed(found.estimate / caught, found.upper / caught)

    def interval(self, name: str, missed: Missed | None, confidence: float) -> Interval:
        """The quantity `name` of core members inside flagged slices, and what it may be.

        Low: each of them may be an honest account with its q-value's probability, independently of the others (normal
        approximation of the Poisson binomial), and only exchanges with a token that many of them *sent* count. High:
        what slices missed by the upper bound of capture and recapture, whole accounts where nothing they sent is known,
        never more than their whole accounts, and besides flagged exchanges of everybody else: members under review, and
        others who sent what is the campaign's own.
        """
        strong, inside, whole = (self.columns[column] for column in COUNTED[name])
        is_sent = self.is_core & self.is_sent
        x = np.bincount(self.account, np.where(is_sent, strong, 0.0)) if self.account.size else np.zeros(0)
        p = np.zeros_like(x)
        p[self.account] = self.certainty
        z = float(stats.norm.isf((1 - confidence) / 2))
        low = float(x @ p) - z * sqrt(float((p * (1 - p)) @ (x * x)))
        value = int(inside[self.is_core].sum())
        ceiling = float(whole[self.is_core].sum())
        widened = ceiling
        if missed is not None:
            widened = float(inside[is_sent].sum()) * (1 + missed.upper) + float(
                whole[self.is_core & ~self.is_sent].sum()
            )
        outside = float(inside[~self.is_core].sum())
        return Interval(min(max(floor(low), 0), value), value, max(ceil(min(widened, ceiling) + outside), value))


def _coverage(days: pa.Table, n_cells: int, window: Window) -> dict[str, object]:
    """Cells covered by the end of each day of the window, as shares of `n_cells`."""
    new: dict[date, int] = {}
    for day, n in zip(days["day"].to_pylist(), days["n_new_cells"].to_pylist(), strict=True):
        new[day] = new.get(day, 0) + n
    covered = np.cumsum([new.get(day, 0) for day in window.days()])
    return {
        "n_cells": n_cells,
        "n_cells_covered": int(covered[-1]),
        "coverage_by_day": [float(n) / n_cells if n_cells else 0.0 for n in covered],
    }


def _pace(days: pa.Table, n_days: int) -> dict[str, object]:
    """Least, median and most output tokens of the last `n_days` days on which the campaign was active."""
    by_day = days.group_by("day").aggregate([("output_tokens", "sum")]).sort_by("day")
    recent: Sequence[int] = by_day["output_tokens_sum"].to_pylist()[-n_days:] or [0]
    return {
        "daily_output_tokens_low": min(recent),
        "daily_output_tokens": int(np.median(recent)),
        "daily_output_tokens_high": max(recent),
    }
