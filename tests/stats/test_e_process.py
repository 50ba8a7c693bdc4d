"""E-values from p-values, and the detector of change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from stillwatch.stats.conformal import conformal_p
from stillwatch.stats.e_process import alarms, e_values

P_VALUES = st.floats(min_value=1e-9, max_value=1.0)


def averaged_calibrator(p):
    """The definition, by numerical integration."""
    return quad(lambda k: k * p ** (k - 1), 0, 1, points=[0.01, 0.1])[0]


def first_alarm_by_definition(values, mean_blocks):
    """The sum over starts of products, without the recursion."""
    for end in range(len(values)):
        if sum(np.prod(values[start : end + 1]) for start in range(end + 1)) >= mean_blocks:
            return end
    return None


@given(P_VALUES)
def test_the_closed_form_is_the_average_of_the_calibrators(p):
    assert e_values([p])[0] == pytest.approx(averaged_calibrator(p), rel=1e-4)


@given(st.lists(P_VALUES, min_size=2))
def test_a_smaller_p_value_is_no_smaller_e_value(p):
    found = e_values(np.sort(p))
    assert np.all(np.diff(found) <= 1e-9 * found[:-1])


@pytest.mark.parametrize("n_reference", [9, 99, 1000])
def test_conformal_ranks_have_e_values_with_a_mean_of_at_most_one(n_reference):
    every_rank = np.arange(1, n_reference + 2) / (n_reference + 1)
    assert e_values(every_rank).mean() <= 1.0


def test_a_p_value_of_one_earns_half():
    assert e_values([1.0])[0] == 0.5


@pytest.mark.parametrize("p", [0.0, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(p):
    with pytest.raises(ValueError, match="above 0"):
        e_values([p])


@given(st.lists(st.integers(0, 40).map(lambda quarters: quarters / 4), max_size=12), st.integers(1, 400))
def test_the_first_alarm_is_where_the_sum_over_starts_reaches_the_threshold(values, mean_blocks):
    found = alarms(values, mean_blocks=mean_blocks)
    assert (int(found[0]) if found.size else None) == first_alarm_by_definition(values, mean_blocks)


def test_the_detector_begins_anew_after_an_alarm():
    assert alarms([10, 0.5, 10, 10], mean_blocks=10).tolist() == [0, 2, 3]


def test_quiet_days_have_an_alarm_no_more_often_than_asked_for():
    rng = np.random.default_rng(7)
    n_days, n_worlds, mean_days = 400, 300, 40
    found = sum(alarms(e_values(rng.uniform(size=n_days)), mean_blocks=mean_days).size for _ in range(n_worlds))
    expected = n_days * n_worlds / mean_days
    assert found <= expected + 3 * np.sqrt(expected)


def test_days_that_take_turns_but_stay_fair_given_the_past_keep_the_bound():
    """Each day's e-value depends on the last one and still has a conditional mean of 1."""
    rng = np.random.default_rng(8)
    n_alarms, n_days, mean_days = 0, 400, 40
    for _ in range(200):
        values, last = [], 1.0
        for _ in range(n_days):
            win = 4.0 if last < 1 else 1.5
            last = win if rng.uniform() < 1 / win else 0.0
            values.append(last)
        n_alarms += alarms(values, mean_blocks=mean_days).size
    expected = n_days * 200 / mean_days
    assert n_alarms <= expected + 3 * np.sqrt(expected)


def test_a_change_is_seen_within_days():
    rng = np.random.default_rng(9)
    quiet, loud = rng.normal(size=(2, 500))
    p = conformal_p(np.concatenate([quiet[:30], loud[:30] + 4]), rng.normal(size=1000))
    found = alarms(e_values(p), mean_blocks=365)
    assert 30 <= found[0] <= 36


def test_a_threshold_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        alarms([1.0], mean_blocks=0.5)
