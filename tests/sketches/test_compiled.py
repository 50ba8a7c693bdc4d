"""Compilation with and without a place for the disk cache."""

from collections.abc import Callable

import numba
import pytest

from stillwatch.sketches.compiled import compiled


def test_a_process_that_can_write_no_cache_compiles_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = numba.njit

    def njit(*, nogil: bool, cache: bool = False) -> Callable[..., object]:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return genuine(nogil=nogil)

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled(lambda value: value + 1)(2) == 3
