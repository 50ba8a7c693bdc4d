"""Places on a plane: nothing overlaps, nothing depends on chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.stats.layout import pack_circles, sunflower


@given(st.lists(st.floats(0.5, 40.0), min_size=1, max_size=40), st.integers(0, 2**32 - 1))
def test_no_two_circles_overlap_whatever_pulls_them(radii: list[float], seed: int) -> None:
    sizes = np.sort(np.array(radii))[::-1]
    pull = np.random.default_rng(seed).integers(0, 3, (sizes.size, sizes.size)).astype(np.float64)
    centres = pack_circles(sizes, pull)
    gaps = np.hypot(*(centres[:, None] - centres[None]).transpose(2, 0, 1)) - sizes[:, None] - sizes[None]
    assert (gaps[~np.eye(sizes.size, dtype=bool)] >= -1e-6).all()
    assert (pack_circles(sizes, pull) == centres).all()


def test_a_circle_lies_beside_the_one_that_pulls_it() -> None:
    radii = np.full(9, 1.0)
    pull = np.zeros((9, 9))
    pull[8, 7] = 1.0
    centres = pack_circles(radii, pull)
    assert np.hypot(*(centres[8] - centres[7])) == pytest.approx(2.0)


@pytest.mark.parametrize("n", [0, 1, 2, 10, 1000])
def test_a_sunflower_is_evenly_dense_and_within_its_circle(n: int) -> None:
    places = sunflower(n)
    assert places.shape == (n, 2)
    if n > 1:
        away = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) + 10 * np.eye(n)
        assert np.hypot(*places.T).max() <= np.sqrt(n)
        assert away.min() > 0.8
