"""Counter-based randomness."""

import numpy as np
import pytest

from stillwatch.simulate.keyed import choose, generator, mix, normal, uniform


def test_keys_are_the_same_on_every_machine() -> None:
    assert int(mix(1, 2)) == 13608149317741381227
    assert mix([1, 2], 3).tolist() == [9716232063330790915, 13066309581097501094]


def test_a_key_does_not_depend_on_its_neighbours() -> None:
    whole = mix(np.arange(1000), 7)
    assert whole[500] == mix(np.arange(500, 501), 7)[0]


def test_the_order_of_the_parts_matters() -> None:
    assert mix(1, 2) != mix(2, 1)


def test_draws_are_uniform_and_normal() -> None:
    keys = np.arange(200_000)
    assert uniform(keys, 1).mean() == pytest.approx(0.5, abs=0.003)
    assert np.bincount(choose(10, keys, 2)) == pytest.approx(20_000, rel=0.03)
    values = normal(keys, 3)
    assert (values.mean(), values.std()) == (pytest.approx(0.0, abs=0.01), pytest.approx(1.0, abs=0.01))


def test_parts_of_a_seed_are_unrelated() -> None:
    assert generator(1, 2).random() != generator(1, 3).random()
    assert generator(1, 2).random() == generator(1, 2).random()
