"""Numba compilation that keeps its result on disk where some disk can be written."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code, cached beside its source or in the user's cache folder.

    NOTE: numba raises while decorating when neither place can be written (a read-only image without a home); such a
    process compiles in memory instead. The cache is keyed by processor and by the file of the function only, so a
    compiled function calls compiled functions of its own file and of no other, and constants that it takes from
    elsewhere need a touch of its file when they change (an installation writes all files anew).
    """
    try:
        kept: Callable[P, R] = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        kept = numba.njit(nogil=True)(function)
    return kept
