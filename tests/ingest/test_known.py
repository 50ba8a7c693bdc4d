import numpy as np
import pytest

from stillwatch.ingest.known import KnownKeys
from stillwatch.model.tables import EXCHANGE_RECORDS


class Stored:
    """A snapshot whose files are named after their day, and how often each was read."""

    def __init__(self, days: dict[str, list[int]]) -> None:
        self.days, self.reads = days, []

    def files(self, table, partitions):
        return [day for day in partitions if day in self.days]

    def read(self, files):
        self.reads += files
        return np.array([key for file in files for key in self.days[file]], dtype=np.int64)


def known(stored: Stored, n_keys: int = 1000) -> KnownKeys:
    return KnownKeys(EXCHANGE_RECORDS, stored.read, snapshot=stored, n_keys=n_keys)


def array(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_keys_of_the_lake_are_known_on_their_day_which_is_read_once():
    stored = Stored({"1970-01-02": [5, 6]})
    keys = known(stored)
    assert keys.add(array(5, 7, 5), array(1, 1, 2)).tolist() == [False, True, False]
    assert keys.add(array(6, 7, 8), array(1, 1, 1)).tolist() == [False, False, True]
    assert stored.reads == ["1970-01-02"]


def test_dropping_days_from_memory_forgets_nothing():
    stored = Stored({"1970-01-02": [1, 2, 3]})
    keys = known(stored, n_keys=1)
    assert keys.add(array(4), array(1)).all()
    assert keys.add(array(9), array(2)).all()
    assert keys.add(array(4, 3, 9), array(1, 1, 2)).tolist() == [False, False, False]


def test_after_a_commit_keys_come_from_the_new_snapshot():
    keys = known(Stored({}), n_keys=1)
    assert keys.add(array(4), array(1)).all()
    keys.committed(Stored({"1970-01-02": [4]}))
    assert keys.add(array(9), array(2)).all()
    keys._read_keys = Stored({"1970-01-02": [4]}).read
    assert keys.add(array(4), array(1)).tolist() == [False]


@pytest.mark.parametrize("n", [0, 1])
def test_few_keys_are_no_special_case(n):
    assert known(Stored({})).add(array(*range(1, n + 1)), array(*[1] * n)).tolist() == [True] * n


def test_thousands_of_days_in_one_chunk_are_told_apart():
    days = np.arange(3000, dtype=np.int64)
    keys = known(Stored({}))
    assert keys.add(days + 1, days).all()
    assert not keys.add(days + 1, days).any()
