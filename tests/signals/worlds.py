"""Small groups of slices in the shape that signals read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch.engines import Settings, open_engine
from stillwatch.model.stage import Tables
from stillwatch.model.tables import GROUP_MEMBERS, GROUPS, SLICE_BINS, SLICES

START = datetime(2026, 4, 22, tzinfo=UTC)
AXES = {"cell": 256, "hour": 24, "day": 45, "capability": 8, "prompt": 32768, "material": 4096}


@dataclass(frozen=True)
class Group:
    """One group: `counts[axis]` has the shape (members, bins); `ages` in days, None unknown."""

    name: str
    counts: Mapping[str, NDArray[np.int64]]
    ages: Sequence[float | None] = field(default=())
    volumes: Sequence[int] | None = None
    is_whole_popular: bool = False

    @property
    def n_members(self) -> int:
        return len(next(iter(self.counts.values())))

    def volume(self, member: int) -> int:
        if self.volumes is not None:
            return int(self.volumes[member])
        axis = "hour" if "hour" in self.counts else next(iter(self.counts))
        return int(self.counts[axis][member].sum())


def dealt(name: str, rng: np.random.Generator, *, m: int, mean: float, n_bins: int = 64) -> Group:
    """A planted group: a queue dealt to members at random, so that they are copies of each other."""
    volumes = rng.poisson(mean, m).clip(1)
    n_own = {"prompt": AXES["prompt"], "material": 1000}

    def law(axis: str, k: int) -> NDArray[np.float64]:
        n = min(k, n_own.get(axis, n_bins))
        return np.full(n, 1 / n)

    return Group(name, _drawn(rng, volumes, law), (5.0,) * m)


def honest(name: str, rng: np.random.Generator, *, m: int, mean: float) -> Group:
    """An honest group: heavy-tailed volumes, and each member with topics, hours and days of its own."""
    volumes = rng.lognormal(np.log(mean), 1.0, m).astype(np.int64).clip(1)
    return Group(name, _drawn(rng, volumes, lambda _axis, k: rng.dirichlet(np.full(k, 0.5 / k))), (400.0,) * m)


def single_use(name: str, rng: np.random.Generator, *, m: int) -> Group:
    """A viral prompt: strangers who use one token once each."""
    return Group(name, _drawn(rng, np.ones(m, np.int64), lambda _axis, k: np.full(k, 1 / k)), (100.0,) * m)


def _drawn(rng, volumes, law) -> dict[str, NDArray[np.int64]]:
    return {
        axis: np.stack([rng.multinomial(volume, _law(law, axis, k)) for volume in volumes]) for axis, k in AXES.items()
    }


def _law(law, axis: str, k: int) -> NDArray[np.float64]:
    share = law(axis, k)
    return np.pad(share, (0, k - len(share)))


def tables_of(groups: Sequence[Group], *, rename: str = "account", shuffle: int | None = None) -> dict[str, pa.Table]:
    """The four tables that signals read; `shuffle` reorders every table's rows."""
    slices, bins, proposed, members = [], [], [], []
    for group in groups:
        proposed.append(_group_row(group))
        for member in range(group.n_members):
            slice_id = len(slices)
            slices.append(_slice_row(group, member, slice_id, f"{rename}-{slice_id}"))
            members.append({"group_id": group.name, "slice_id": slice_id, "account_id": f"{rename}-{slice_id}"})
            for axis, counts in group.counts.items():
                bins.extend(
                    {"slice_id": slice_id, "axis": axis, "bin": int(place), "n": int(counts[member][place])}
                    for place in np.flatnonzero(counts[member])
                )
    made = {
        "slices": pa.Table.from_pylist(slices, schema=SLICES.schema),
        "slice_bins": pa.Table.from_pylist(bins, schema=SLICE_BINS.schema),
        "groups": pa.Table.from_pylist(proposed, schema=GROUPS.schema),
        "group_members": pa.Table.from_pylist(members, schema=GROUP_MEMBERS.schema),
    }
    if shuffle is None:
        return made
    rng = np.random.default_rng(shuffle)
    return {name: rows.take(rng.permutation(len(rows))) for name, rows in made.items()}


def _slice_row(group: Group, member: int, slice_id: int, account_id: str) -> dict[str, object]:
    return {
        "slice_id": slice_id, "account_id": account_id, "token_kind": "skeleton", "token": 1,
        "n": group.volume(member), "input_tokens": 1, "output_tokens": 1, "first_seen_at": START,
        "last_seen_at": START, "age_days": group.ages[member] if group.ages else None,
    }  # fmt: skip


def _group_row(group: Group) -> dict[str, object]:
    return {
        "group_id": group.name, "proposal": "token", "token_kind": "skeleton", "token": 1, "stratum": None,
        "is_whole_popular": group.is_whole_popular, "n_accounts": group.n_members, "n_exchanges": 1,
        "first_seen_at": START, "last_seen_at": START, "n_tests": 1,
    }  # fmt: skip


class Bench:
    """An engine, and short words for putting tables into it."""

    def __init__(self, spec: str = "duckdb") -> None:
        self.engine = open_engine(spec, Settings(threads=2))

    def load(self, arrow: Mapping[str, pa.Table]) -> Tables:
        shapes = {table.name: table for table in (SLICES, SLICE_BINS, GROUPS, GROUP_MEMBERS)}
        return {name: self.engine.from_arrow(shapes[name], rows) for name, rows in arrow.items()}

    def answers(self, signal, groups: Sequence[Group], **options) -> dict[str, dict[str, float]]:
        """Rows of one signal by group."""
        tables = self.load(tables_of(groups, **options))
        rows = self.engine.to_arrow(signal.compute({table.name: tables[table.name] for table in signal.reads}))
        return {row.pop("group_id"): row for row in rows.to_pylist()}
