"""Accounts, groups and streams of a world as columns: what both levels of simulation draw their exchanges from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stillwatch.simulate.keyed import Ints

Column = npt.NDArray[Any]

REGION_HOURS = 0
ALWAYS_HOURS = 1
SCHEDULED_HOURS = 2
PROVIDER_HOURS = 3
FIRST_FIXED_REGION = 10

# Column: (type, default). Days are real numbers from the start of the window; ids are counted from 1, 0 is none.
# A stream's `material_base` is the stock of material that it shares with others; 0 is the account's own.
_ACCOUNT_COLUMNS: dict[str, tuple[str, float]] = {
    "label": ("int32", 0),
    "created_day": ("float64", -100.0),
    "region": ("int8", 0),
    "language": ("int8", 0),
    "address_base": ("int64", 0),
    "address_width": ("int32", 1),
    "address_period": ("float32", 30.0),
    "second_base": ("int64", 0),
    "p_second": ("float32", 0.0),
    "stack": ("int16", 0),
    "org": ("int64", 0),
    "payment": ("int64", 0),
    "device": ("int64", 0),
    "email_kind": ("int8", 0),
    "owner": ("int64", 0),
    "tag": ("int32", 0),
    "suspended_day": ("float64", np.nan),
}
_STREAM_COLUMNS: dict[str, tuple[str, float]] = {
    "account": ("int32", 0),
    "group": ("int32", 0),
    "start_day": ("float64", 0.0),
    "end_day": ("float64", 1e9),
    "ramp_days": ("float32", 0.0),
    "p_active": ("float32", 1.0),
    "weekend": ("float32", 1.0),
    "rate": ("float64", 1.0),
    "burst": ("float32", 0.0),
    "hours": ("int8", REGION_HOURS),
    "topic_start": ("int64", 0),
    "topic_len": ("int32", 1),
    "skew": ("float32", 1.0),
    "p_template": ("float32", 0.0),
    "template_base": ("int64", 0),
    "n_templates": ("int32", 0),
    "masked": ("float32", 0.5),
    "targets": ("float32", 0.15),
    "system": ("int64", 0),
    "tools": ("int64", 0),
    "p_system": ("float32", 1.0),
    "pool": ("int64", 0),
    "samples": ("int32", 1),
    "item_base": ("int64", 0),
    "from_queue": ("bool", 0),
    "n_entities": ("int32", 1),
    "material_base": ("int64", 0),
    "loop": ("float32", 1.0),
    "session": ("float32", 3.0),
    "model": ("int8", -1),
    "pivots": ("bool", 0),
}


@dataclass(frozen=True, slots=True)
class Label:
    """What a group or an account really is. `campaign_name` is empty for honest ones."""

    honest_class: str
    campaign_name: str = ""


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody in a world.

    `accounts` and `streams` map column names to arrays of equal length; an account's `label` and a stream's `group`
    index `labels` and `groups`. `topics` is the flat list that streams point into.
    """

    accounts: Mapping[str, Column]
    streams: Mapping[str, Column]
    labels: tuple[Label, ...]
    groups: tuple[Label, ...]
    topics: Ints
    n_ids: int

    @property
    def n_accounts(self) -> int:
        """How many accounts, honest and not."""
        return len(self.accounts["label"])


@dataclass(slots=True)
class _Columns:
    """Columns that grow by blocks; scalars are broadcast to the block."""

    spec: dict[str, tuple[str, float]]
    n_rows: int = 0
    blocks: dict[str, list[Column]] = field(default_factory=dict)

    def add(self, n: int, values: Mapping[str, npt.ArrayLike]) -> None:
        unknown = set(values) - set(self.spec)
        if unknown:
            raise ValueError(f"unknown columns {sorted(unknown)}")
        for name, (kind, default) in self.spec.items():
            block = np.broadcast_to(np.asarray(values.get(name, default)).astype(kind), (n,))
            self.blocks.setdefault(name, []).append(block)
        self.n_rows += n

    def column(self, name: str) -> Column:
        blocks = self.blocks.get(name, [])
        if len(blocks) > 1:
            self.blocks[name] = [np.concatenate(blocks)]
        return self.blocks[name][0] if blocks else np.zeros(0, dtype=self.spec[name][0])

    def finish(self) -> dict[str, Column]:
        return {name: np.ascontiguousarray(self.column(name)) for name in self.spec}


class PopulationBuilder:
    """Collects accounts, groups and streams; ids of templates, systems, tools, cards, ... come from one counter."""

    def __init__(self) -> None:
        self._accounts = _Columns(_ACCOUNT_COLUMNS)
        self._streams = _Columns(_STREAM_COLUMNS)
        self._labels: list[Label] = []
        self._groups: list[Label] = []
        self._topics: list[Ints] = []
        self._n_topics = 0
        self._n_ids = 1

    def new_ids(self, n: int = 1) -> int:
        """First of `n` fresh ids."""
        first = self._n_ids
        self._n_ids += n
        return first

    def label(self, label: Label) -> int:
        """Index of `label` among the labels of accounts."""
        if label not in self._labels:
            self._labels.append(label)
        return self._labels.index(label)

    def group(self, label: Label) -> int:
        """Index of a new group of streams."""
        self._groups.append(label)
        return len(self._groups) - 1

    def topics(self, topics: npt.ArrayLike) -> int:
        """Where the flattened `topics` start in the flat list."""
        flat = np.asarray(topics, dtype=np.int64).ravel()
        start = self._n_topics
        self._topics.append(flat)
        self._n_topics += len(flat)
        return start

    def add_accounts(self, n: int, **values: npt.ArrayLike) -> Ints:
        """Indices of `n` new accounts."""
        first = self._accounts.n_rows
        self._accounts.add(n, values)
        return np.arange(first, first + n, dtype=np.int64)

    def add_streams(self, account: Ints, **values: npt.ArrayLike) -> None:
        """One stream for each entry of `account`."""
        self._streams.add(len(account), {"account": account, **values})

    def account_column(self, name: str) -> Column:
        """A column of the accounts so far."""
        return self._accounts.column(name)

    def finish(self) -> Population:
        """The population; the builder must not be used afterwards."""
        return Population(
            accounts=self._accounts.finish(),
            streams=self._streams.finish(),
            labels=tuple(self._labels),
            groups=tuple(self._groups),
            topics=np.concatenate(self._topics) if self._topics else np.zeros(0, dtype=np.int64),
            n_ids=self._n_ids,
        )
