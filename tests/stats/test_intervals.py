"""Interval bounds against the definitions they invert."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stillwatch.stats.intervals import clopper_pearson, poisson_upper, wilson

counts = st.integers(0, 200)


def test_zero_events_bound_the_mean_at_three():
    assert poisson_upper(0) == pytest.approx(2.9957, abs=1e-4)


@given(counts)
def test_poisson_bound_is_the_mean_at_which_so_few_events_have_the_error_probability(n):
    assert stats.poisson.cdf(n, poisson_upper(n, confidence=0.9)) == pytest.approx(0.1, abs=1e-9)


@given(counts, st.integers(1, 200))
def test_clopper_pearson_ends_invert_the_binomial_tails(hits, misses):
    low, high = clopper_pearson(hits, hits + misses)
    assert stats.binom.cdf(hits, hits + misses, high) == pytest.approx(0.025, abs=1e-9)
    if hits:
        assert stats.binom.sf(hits - 1, hits + misses, low) == pytest.approx(0.025, abs=1e-9)
    else:
        assert low == 0


def test_clopper_pearson_of_all_hits_reaches_one():
    low, high = clopper_pearson(10, 10)
    assert high == 1
    assert low == pytest.approx(0.6915, abs=1e-4)


@given(counts, counts)
def test_wilson_contains_the_share_and_stays_inside_the_unit_interval(hits, misses):
    low, high = wilson(hits, hits + misses)
    assert 0 <= low <= high <= 1
    if hits + misses:
        assert low <= hits / (hits + misses) <= high


@given(st.integers(1, 200), st.integers(1, 200))
def test_wilson_ends_are_the_shares_whose_score_test_is_just_at_its_level(hits, misses):
    n = hits + misses
    for end in wilson(hits, n):
        z = (hits / n - end) / (end * (1 - end) / n) ** 0.5
        assert abs(z) == pytest.approx(1.959964, abs=1e-5)


@pytest.mark.parametrize("interval", [clopper_pearson, wilson])
def test_no_trials_leave_the_share_open(interval):
    assert interval(0, 0) == (0, 1)


@pytest.mark.parametrize("interval", [clopper_pearson, wilson])
def test_more_hits_than_trials_are_refused(interval):
    with pytest.raises(ValueError, match="3 of 2"):
        interval(3, 2)


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="-1"):
        poisson_upper(-1)
