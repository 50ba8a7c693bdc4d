"""A set of 64-bit keys that says of each key whether it is new."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba
import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

P = ParamSpec("P")
R = TypeVar("R")

SMALLEST = 16
"""Slots of an empty set: a file with broken clocks touches thousands of days."""


def _compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code, cached on disk where a disk can be written; numba raises where none can."""
    try:
        kept: Callable[P, R] = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        kept = numba.njit(nogil=True)(function)
    return kept


@_compiled
def _insert(slots: Keys, keys: Keys, is_new: Flags) -> int:
    """How many of `keys` were not in the open-addressed table `slots`; marks them and puts them in. 0 is empty.

    References:
        Knuth (1998), The Art of Computer Programming 3, section 6.4: linear probing, multiplicative hashing by
        2**64 divided by the golden ratio.
    """
    mask = np.uint64(slots.size - 1)
    n_new = 0
    for at in range(keys.size):
        slot = ((np.uint64(keys[at]) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(24)) & mask
        while slots[slot] != 0 and slots[slot] != keys[at]:
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] == 0:
            slots[slot] = keys[at]
            is_new[at] = True
            n_new += 1
    return n_new


class KeySet:
    """Keys seen so far, 16 to 32 bytes a key. Key 0 is kept as 1: a false duplicate has probability 2**-64 a pair."""

    def __init__(self) -> None:
        self.n = 0
        self._slots: Keys = np.zeros(SMALLEST, dtype=np.int64)

    def add(self, keys: Keys) -> Flags:
        """Put `keys` in, and say which of them are here for the first time, in the order given."""
        self._reserve(keys.size)
        is_new = np.zeros(keys.size, dtype=np.bool_)
        self.n += _insert(self._slots, np.where(keys == 0, np.int64(1), keys), is_new)
        return is_new

    def _reserve(self, n_more: int) -> None:
        """Keep the table at most half full, so that a look-up takes two probes or so."""
        n_slots = self._slots.size
        while n_slots < 2 * (self.n + n_more):
            n_slots *= 2
        if n_slots == self._slots.size:
            return
        old = self._slots[self._slots != 0]
        self._slots = np.zeros(n_slots, dtype=np.int64)
        _insert(self._slots, old, np.zeros(old.size, dtype=np.bool_))
