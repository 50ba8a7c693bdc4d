"""Boosted trees as they are stored."""

from functools import cache

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from stillwatch.scoring import boosting
from stillwatch.scoring.boosting import FALLING_OR_RISING, LEAF, RISING, Boosting, Tree, fit_boosting

NAMES = ("one", "two", "scale")
DIRECTIONS = (RISING, RISING, FALLING_OR_RISING)


@cache
def sample(seed=0, n=6000):
    """Rows of which campaigns are strong in the first two features at once, and more frequent at a middle scale."""
    rng = np.random.default_rng(seed)
    rows = np.round(rng.exponential(1.0, (n, 3)), 2)
    odds = np.minimum(rows[:, 0], rows[:, 1]) * 2 - np.abs(rows[:, 2] - 1) - 2
    labels = rng.uniform(size=n) < 1 / (1 + np.exp(-odds))
    return rows, labels, np.where(labels, 0.5, 1.0)


@cache
def fitted():
    return fit_boosting(*sample(), names=NAMES, directions=DIRECTIONS)


def test_stored_trees_decide_as_the_library_does_to_the_rounding():
    rows, labels, weights = sample()
    model = HistGradientBoostingClassifier(
        monotonic_cst=list(DIRECTIONS), max_iter=boosting.N_TREES, learning_rate=boosting.LEARNING_RATE,
        max_leaf_nodes=boosting.MAX_LEAVES, min_samples_leaf=boosting.MIN_GROUPS_IN_LEAF,
        l2_regularization=boosting.RIDGE, early_stopping=False, random_state=0,
    ).fit(rows, labels, sample_weight=weights)  # fmt: skip
    fresh = sample(seed=1)[0]
    assert fitted().decision(fresh) == pytest.approx(model.decision_function(fresh), abs=2e-3)
    assert np.ptp(fitted().decision(fresh)) > 3


def test_baseline_and_contributions_sum_to_the_decision():
    fresh = sample(seed=1)[0]
    total = fitted().baseline + fitted().contributions(fresh).sum(axis=1)
    assert total == pytest.approx(fitted().decision(fresh), abs=1e-9)


def test_a_strong_feature_contributes_to_its_own_column():
    weak, strong = fitted().contributions(np.array([[0.0, 2.0, 1.0], [4.0, 2.0, 1.0]]))
    assert strong[0] > 1 > 0 > weak[0]


@settings(max_examples=200)
@given(
    st.lists(st.floats(0, 6), min_size=3, max_size=3),
    st.integers(0, 1),
    st.floats(0, 6),
)
def test_a_larger_value_of_a_rising_feature_never_lowers_the_decision(row, place, more):
    raised = [value + more * (number == place) for number, value in enumerate(row)]
    before, after = fitted().decision(np.array([row, raised]))
    assert after >= before


def test_a_feature_that_may_do_either_does_both():
    scales = np.array([[2.0, 2.0, scale] for scale in (0.0, 1.0, 4.0)])
    low, middle, high = fitted().decision(scales)
    assert middle > low
    assert middle > high


def test_fitting_twice_gives_equal_trees():
    assert fit_boosting(*sample(), names=NAMES, directions=DIRECTIONS) == fitted()


def test_it_survives_its_json_and_stays_small():
    body = msgspec.json.encode(fitted())
    assert msgspec.json.decode(body, type=Boosting) == fitted()
    assert len(body) < 200_000


def test_gains_are_shares():
    assert sum(fitted().gains) == pytest.approx(1.0, abs=1e-3)
    assert min(fitted().gains[:2]) > 0.1


def test_no_rows_have_no_decisions():
    assert fitted().decision(np.zeros((0, 3))).shape == (0,)
    assert fitted().contributions(np.zeros((0, 3))).shape == (0, 3)


SOUND = Tree((0, LEAF, LEAF), (1.0, 0.0, 0.0), (1, 0, 0), (2, 0, 0), (0.0, -1.0, 1.0))


@pytest.mark.parametrize(
    "damage",
    [
        {"features": (3, LEAF, LEAF)},
        {"features": (-2, LEAF, LEAF)},
        {"features": (0, LEAF)},
        {"left": (0, 0, 0)},
        {"right": (3, 0, 0)},
        {"features": (), "thresholds": (), "left": (), "right": (), "values": ()},
    ],
)
def test_a_tree_that_cannot_be_walked_is_not_sound(damage):
    assert SOUND.is_sound(3)
    assert not msgspec.structs.replace(SOUND, **damage).is_sound(3)
