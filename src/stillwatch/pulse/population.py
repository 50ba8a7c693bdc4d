"""What the population asked on each day: shares of accounts over topics, hours and capabilities.

Each account counts once a day, in equal parts for each distinct bin that it touched: a prompt that is sent again, by a
retry, an agent loop or a scheduler, and in however many conversations, stays in its bin and moves nothing, and a large
customer weighs no more than a small one. Bins are hashed (`micro_cell`) or coarse; no text and no id is read but to
tell accounts apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

import ibis
import numpy as np
import pyarrow as pa

from stillwatch.engines import Engine
from stillwatch.model.capability import CAPABILITIES
from stillwatch.stats.mmd import FloatArray, fourier_features

if TYPE_CHECKING:
    import ibis.expr.types as ir

UNIT: Final = 1 << 20
"""Parts that an account's day is dealt out in: whole numbers add up to the same sum in any order."""
SEED: Final = 0
N_CELL_BITS: Final = 12


@dataclass(frozen=True, slots=True)
class Aspect:
    """One way to look at a day: a column of ACCOUNT_DAYS with lists of bins, and where the bins lie, (n_bins, n_axes).

    Bins nearer than `bandwidth` count as much alike.
    """

    name: str
    column: str
    points: FloatArray
    bandwidth: float
    n_pairs: int

    def features(self) -> FloatArray:
        """Random Fourier features of the bins, the same in every run."""
        return fourier_features(self.points, n_pairs=self.n_pairs, bandwidth=self.bandwidth, seed=SEED)


def _cells() -> FloatArray:
    """Signs of the projections behind each micro cell: similar prompts agree in most."""
    return np.asarray(2.0 * (np.arange(2**N_CELL_BITS)[:, None] >> np.arange(N_CELL_BITS) & 1) - 1.0)


def _hours() -> FloatArray:
    """Hours on a circle."""
    angles = 2 * np.pi * np.arange(24) / 24
    return np.column_stack([np.cos(angles), np.sin(angles)])


ASPECTS: Final = (
    Aspect("topics", "micro_cells", _cells(), bandwidth=2.0, n_pairs=128),
    Aspect("hours", "openings", _hours(), bandwidth=0.5, n_pairs=32),
    Aspect("capabilities", "capabilities", np.eye(len(CAPABILITIES)), bandwidth=1.0, n_pairs=32),
)
"""Topics that differ in one of twelve projections, and hours two apart, are much alike; two capabilities are not."""


def day_weights(account_days: "ir.Table", aspect: Aspect, days: Sequence[date], engine: Engine) -> FloatArray:
    """Accounts of each day by bin, (n_days, n_bins): each account of a day adds up to 1, in equal parts.

    Accounts without a bin (no prompt was seen) count nowhere.
    """
    bins = account_days[aspect.column].unique()
    known = account_days.select("day", bins=bins).filter(lambda rows: rows.bins.length() > 0)
    dealt = known.select("day", part=ibis.literal(UNIT) // known.bins.length(), bin=known.bins.unnest())
    sums = engine.to_arrow(dealt.group_by("day", "bin").agg(n=dealt.part.cast("int64").sum()))
    place = {day: row for row, day in enumerate(days)}
    rows = np.array([place[day] for day in sums["day"].to_pylist()], dtype=np.int64)
    weights = np.zeros((len(days), len(aspect.points)))
    weights[rows, sums["bin"].to_numpy()] = sums["n"].to_numpy() / UNIT
    return weights


def active_accounts(account_days: "ir.Table", days: Sequence[date], engine: Engine) -> pa.Array:
    """How many accounts sent anything on each of these days."""
    counts = engine.to_arrow(account_days.group_by("day").agg(n=account_days.count()))
    by_day = dict(zip(counts["day"].to_pylist(), counts["n"].to_pylist(), strict=True))
    return pa.array([by_day.get(day, 0) for day in days], pa.int64())
