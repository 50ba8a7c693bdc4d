"""Small groups of slices in the shape that signals read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch.engines import Settings, open_engine
from stillwatch.model.stage import Tables
from stillwatch.model.tables import ACCOUNT_DAYS, ACCOUNT_EVENTS, GROUP_MEMBERS, SLICE_BINS, SLICES
from stillwatch.signals import READS

START = datetime(2026, 4, 22, tzinfo=UTC)
END = START + timedelta(days=45)
RELEASE_DAY = 10
AXES = {"cell": 256, "hour": 24, "day": 45, "moment": 24 * 45, "capability": 8, "prompt": 32768, "material": 4096}


@dataclass(frozen=True)
class Group:
    """One group: `counts[axis]` has the shape (members, bins); `ages` in days, None unknown.

    `turned` says of each member who was active on the day of a release whether it used the new model. `onsets`,
    `lasts` and `suspended` are in hours after START, None never. `daily` has the exchanges of members' days, shape
    (members, days).
    """

    name: str
    counts: Mapping[str, NDArray[np.int64]]
    ages: Sequence[float | None] = field(default=())
    volumes: Sequence[int] | None = None
    turned: Sequence[bool] = ()
    onsets: Sequence[float] = ()
    suspended: Sequence[float | None] = ()
    daily: NDArray[np.int64] | None = None
    lasts: Sequence[float] = ()

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

    return Group(name, _drawn(rng, volumes, law), (5.0,) * m, turned=(True,) * m, **_replaced(m))


def _replaced(m: int) -> dict[str, list[float | None]]:
    """Half of the members is suspended in four waves, each followed by one of the other half within hours."""
    lost = [100.0 + 216.0 * (4 * member // m) + 10.0 * member / m for member in range(m // 2)]
    successors = [lost[member % len(lost)] + 1.0 + member % 5 for member in range(m - len(lost))]
    return {"onsets": [0.0] * len(lost) + successors, "suspended": [*lost, *[None] * len(successors)]}


def honest(name: str, rng: np.random.Generator, *, m: int, mean: float) -> Group:
    """An honest group: heavy-tailed volumes, and each member with topics, hours and days of its own."""
    volumes = rng.lognormal(np.log(mean), 1.0, m).astype(np.int64).clip(1)
    return Group(
        name,
        _drawn(rng, volumes, lambda _axis, k: rng.dirichlet(np.full(k, 0.5 / k))),
        (400.0,) * m,
        turned=[member % 10 == 0 for member in range(m)],
        onsets=[1000.0 * member / m for member in range(m)],
        suspended=[1000.0 * member / m + 24.5 if member % 5 == 0 else None for member in range(m)],
    )


def sampled(name: str, rng: np.random.Generator, *, m: int) -> Group:
    """A planted group: each prompt goes to three members, and each member sends as much every day."""
    senders = np.stack([rng.permutation(m)[:3] for _ in range(20 * m)])
    prompt = np.zeros((m, AXES["prompt"]), np.int64)
    prompt[senders, rng.integers(AXES["prompt"], size=len(senders))[:, None]] = 1
    return Group(name, {"prompt": prompt}, (5.0,) * m, daily=rng.poisson(8.0, (m, 12)))


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
    """The tables that signals read; `shuffle` reorders every table's rows."""
    slices, bins, members, days, events = [], [], [], [], []
    for group in groups:
        for member in range(group.n_members):
            slice_id = len(slices)
            slices.append(_slice_row(group, member, slice_id, f"{rename}-{slice_id}"))
            members.append({"group_id": group.name, "slice_id": slice_id, "account_id": f"{rename}-{slice_id}"})
            days.extend(_day_rows(group, member, f"{rename}-{slice_id}"))
            events.extend(_event_rows(group, member, f"{rename}-{slice_id}"))
            for axis, counts in group.counts.items():
                bins.extend(
                    {"slice_id": slice_id, "axis": axis, "bin": int(place), "n": int(counts[member][place])}
                    for place in np.flatnonzero(counts[member])
                )
    made = {
        "slices": pa.Table.from_pylist(slices, schema=SLICES.schema),
        "slice_bins": pa.Table.from_pylist(bins, schema=SLICE_BINS.schema),
        "group_members": pa.Table.from_pylist(members, schema=GROUP_MEMBERS.schema),
        "account_days": pa.Table.from_pylist(days, schema=ACCOUNT_DAYS.schema),
        "account_events": pa.Table.from_pylist(events, schema=ACCOUNT_EVENTS.schema),
    }
    if shuffle is None:
        return made
    rng = np.random.default_rng(shuffle)
    return {name: rows.take(rng.permutation(len(rows))) for name, rows in made.items()}


def _last_seen(group: Group, member: int) -> datetime:
    if group.lasts:
        return START + timedelta(hours=group.lasts[member])
    return END if group.suspended else START


def _slice_row(group: Group, member: int, slice_id: int, account_id: str) -> dict[str, object]:
    return {
        "slice_id": slice_id, "account_id": account_id, "token_kind": "skeleton", "token": 1,
        "n": group.volume(member), "input_tokens": 1, "output_tokens": 1,
        "first_seen_at": START + timedelta(hours=group.onsets[member]) if group.onsets else START,
        "last_seen_at": _last_seen(group, member),
        "age_days": group.ages[member] if group.ages else None,
    }  # fmt: skip


def _day_rows(group: Group, member: int, account_id: str) -> list[dict[str, object]]:
    """The account's days with exchanges; or its first, and that of the release if the group says what it did then."""
    if group.daily is not None:
        counts = group.daily[member]
        return [day_row(account_id, int(day), []) | {"n": int(counts[day])} for day in np.flatnonzero(counts)]
    if not group.turned:
        return []
    models = ["new", "old"] if group.turned[member] else ["old"]
    return [day_row(account_id, 0, ["old"]), day_row(account_id, RELEASE_DAY, models)]


def day_row(account_id: str, day: int, models: list[str]) -> dict[str, object]:
    """An account's day, counted from START, with the models that it used and nothing else."""
    blank = {column.name: [] if pa.types.is_list(column.type) else 0 for column in ACCOUNT_DAYS.schema}
    times = {"day": (START + timedelta(days=day)).date(), "first_seen_at": START, "last_seen_at": START}
    return blank | times | {"account_id": account_id, "models": models}


def _event_rows(group: Group, member: int, account_id: str) -> list[dict[str, object]]:
    if not group.suspended or group.suspended[member] is None:
        return []
    at = START + timedelta(hours=group.suspended[member])
    return [
        {"day": at.date(), "event_id": f"ev-{account_id}", "account_id": account_id, "event_time": at,
         "event_name": "suspended", "ingest_batch_id": "b", "ingested_at": END}
    ]  # fmt: skip


class Bench:
    """An engine, and short words for putting tables into it."""

    def __init__(self, spec: str = "duckdb") -> None:
        self.engine = open_engine(spec, Settings(threads=2))

    def load(self, arrow: Mapping[str, pa.Table]) -> Tables:
        shapes = {table.name: table for table in READS}
        return {name: self.engine.from_arrow(shapes[name], rows) for name, rows in arrow.items()}

    def answers(self, signal, groups: Sequence[Group], **options) -> dict[str, dict[str, float]]:
        """Rows of one signal by group."""
        tables = self.load(tables_of(groups, **options))
        rows = self.engine.to_arrow(signal.compute({table.name: tables[table.name] for table in signal.reads}))
        return {row.pop("group_id"): row for row in rows.to_pylist()}
