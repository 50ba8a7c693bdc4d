from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.stats.random_sums import bernoulli_sum, uniform_choice_sum


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(-5, 5), min_size=3, max_size=3), min_size=1, max_size=5), st.integers(-20, 20))
def test_choice_sums_are_those_of_all_choices(rows: list[list[int]], steps: int) -> None:
    sums = np.array([sum(choice) for choice in product(*rows)])
    assert uniform_choice_sum(np.array(rows)).at_least(steps) == pytest.approx(np.mean(sums >= steps))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.floats(0.05, 0.95), st.integers(-2, 50))
def test_mark_sums_are_those_of_all_marks(weights: list[int], chance: float, steps: int) -> None:
    tail = 0.0
    for marks in product((0, 1), repeat=len(weights)):
        probability = np.prod([chance if mark else 1 - chance for mark in marks])
        tail += probability * (np.dot(marks, weights) >= steps)
    assert bernoulli_sum(np.array(weights), chance).at_least(steps) == pytest.approx(tail, abs=1e-12)


def test_small_tails_of_choices_keep_their_precision() -> None:
    tables = np.tile([1, 0, 0, 0, 0, 0, 0, 0], (40, 1))
    assert uniform_choice_sum(tables).at_least(40) == pytest.approx(8.0**-40, rel=1e-9)


def test_moments_are_those_of_the_binomial() -> None:
    null = bernoulli_sum(np.full(400, 3), 0.25)
    assert (null.mean, null.deviation) == (pytest.approx(300), pytest.approx(3 * np.sqrt(75)))
