"""Which rows of a lake table are stored already, by 64-bit key and day."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.ingest.keyset import Flags, Keys, KeySet
from stillwatch.model.table import Table
from stillwatch.store.lake import Snapshot

MAX_DAYS = 400
"""Days in memory at once: a file with broken clocks may name thousands."""

ReadKeys = Callable[[Sequence[str]], Keys]
"""The 64-bit keys of all rows in Parquet files."""


class KnownKeys:
    """The keys of one lake table, loaded by day when first asked for, the least recently used days dropped first.

    Keys added since the last `committed` are also held apart over all days: dropping a day forgets none of them, and
    a key that comes twice in one file is found even when its day differs.
    """

    def __init__(self, table: Table, read_keys: ReadKeys, *, snapshot: Snapshot, n_keys: int) -> None:
        self._table = table
        self._read_keys = read_keys
        self._snapshot = snapshot
        self._n_keys = n_keys
        self._days: OrderedDict[int, KeySet] = OrderedDict()
        self._uncommitted = KeySet()

    def add(self, keys: Keys, days: Keys) -> Flags:
        """Which `keys` are new, each to be stored under its day (days since 1970); they are known from now on."""
        is_new = self._uncommitted.add(keys)
        for day, rows in _rows_by_day(days):
            rows_new = rows[is_new[rows]]
            if rows_new.size:
                is_new[rows_new] = self._of_day(day).add(keys[rows_new])
        return is_new

    def committed(self, snapshot: Snapshot) -> None:
        """All that was added is in `snapshot`."""
        self._snapshot = snapshot
        self._uncommitted = KeySet()

    def _of_day(self, day: int) -> KeySet:
        if day in self._days:
            self._days.move_to_end(day)
            return self._days[day]
        stored = KeySet()
        files = self._snapshot.files(self._table, [str(np.datetime64(day, "D"))])
        if files:
            stored.add(self._read_keys(files))
        self._days[day] = stored
        self._shrink()
        return stored

    def _shrink(self) -> None:
        n_keys = sum(keys.n for keys in self._days.values())
        while len(self._days) > 1 and (n_keys > self._n_keys or len(self._days) > MAX_DAYS):
            n_keys -= self._days.popitem(last=False)[1].n


def _rows_by_day(days: Keys) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    """Every distinct day with the positions that have it, in ascending order."""
    if not days.size:
        return
    if (days == days[0]).all():
        yield int(days[0]), np.arange(days.size)
        return
    order = np.argsort(days, kind="stable")
    distinct, starts = np.unique(days[order], return_index=True)
    for day, rows in zip(distinct, np.split(order, starts[1:]), strict=True):
        yield int(day), rows


def read_column(files: Sequence[str], column: str) -> pa.Array:
    """One column of Parquet `files`, all rows in order."""
    parts = [pq.read_table(file, columns=[column], partitioning=None).column(column) for file in files]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks]).combine_chunks()


def read_int64(files: Sequence[str], column: str) -> Keys:
    """One column of 64-bit keys without nulls of Parquet `files`."""
    return np.asarray(read_column(files, column))
