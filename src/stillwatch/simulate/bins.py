"""Grouped sums and lists over one day's exchanges, vectorised."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.simulate.keyed import Ints

_N_VALUES = 1 << 15  # a list's values are below


@dataclass(frozen=True, slots=True)
class Grouping:
    """Rows put into groups: `group` of each row, and the position of the first row of each group."""

    group: Ints
    first: Ints

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(self.first)

    def count(self) -> Ints:
        """Rows of each group."""
        return np.bincount(self.group, minlength=self.n_groups)

    def total(self, values: npt.ArrayLike) -> Ints:
        """Sum of each group; exact below 2**53."""
        return np.bincount(self.group, weights=np.asarray(values), minlength=self.n_groups).astype(np.int64)

    def last(self) -> Ints:
        """Position of the last row of each group."""
        position = np.zeros(self.n_groups, dtype=np.int64)
        np.maximum.at(position, self.group, np.arange(len(self.group)))
        return position

    def lists(self, values: Ints, *, rows: npt.NDArray[np.bool_] | None = None) -> pa.Array:
        """Ascending small non-negative `values` (below 32768) of each group, of the chosen rows, as list<int16>."""
        group = self.group if rows is None else self.group[rows]
        chosen = values if rows is None else values[rows]
        packed = np.sort(group * _N_VALUES + chosen)
        offsets = np.searchsorted(packed, np.arange(self.n_groups + 1) * _N_VALUES).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array((packed & (_N_VALUES - 1)).astype(np.int16)))


def group_by(keys: npt.NDArray[np.generic]) -> Grouping:
    """Groups of equal keys, in ascending order of key."""
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    return Grouping(group=group.astype(np.int64), first=first.astype(np.int64))
