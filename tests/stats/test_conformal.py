"""Conformal ranks and size curves against slow references."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.stats.conformal import conformal_p, fit_scale_curve, reduce_reference

# few distinct values, so that ties are common
values = st.integers(-4, 4).map(float)
samples = st.lists(values, min_size=0, max_size=40)


def slow_p(value, reference):
    return (1 + sum(other >= value for other in reference)) / (1 + len(reference))


@given(samples, samples)
def test_conformal_p_counts_ties_against_the_value(queries, reference):
    assert conformal_p(queries, reference).tolist() == [slow_p(value, reference) for value in queries]


@given(samples, samples, st.integers(1, 10), st.integers(1, 10))
def test_a_reduced_reference_never_gives_a_smaller_p(queries, reference, n_top, n_body):
    reduced = reduce_reference(reference, n_top=n_top, n_body=n_body)
    assert np.all(reduced.p_values(queries) >= conformal_p(queries, reference))


@given(samples, samples, st.integers(1, 10))
def test_a_reduced_reference_is_exact_among_its_top(queries, reference, n_top):
    reduced = reduce_reference(reference, n_top=n_top, n_body=3)
    top = [value for value in queries if sum(other >= value for other in reference) <= n_top]
    assert reduced.p_values(top).tolist() == conformal_p(top, reference).tolist()


@given(samples)
def test_a_value_below_the_whole_reference_has_p_one(reference):
    assert reduce_reference(reference).p_values([-9.0]).tolist() == [1.0]


def test_a_missing_value_is_no_evidence():
    assert conformal_p([np.nan], [1.0, 2.0]).tolist() == [1.0]
    assert reduce_reference([1.0, np.nan, 2.0]).p_values([np.nan, 1.5]).tolist() == [1.0, 2 / 3]


def test_conformal_p_is_valid_under_the_null_with_a_fixed_seed():
    rng = np.random.default_rng(3)
    p = np.array([conformal_p(sample[:1], sample[1:])[0] for sample in rng.normal(size=(4000, 100))])
    for level in (0.01, 0.05, 0.5):
        assert np.mean(p <= level) <= level + 4 * np.sqrt(level * (1 - level) / 4000)


def test_a_scale_curve_takes_trend_and_spread_away():
    rng = np.random.default_rng(7)
    sizes = np.exp(rng.uniform(np.log(5), np.log(5000), 6000))
    values = 2 * np.log(sizes) + rng.normal(size=6000) * (1 + 3 / np.sqrt(sizes))
    residual = fit_scale_curve(values, sizes).standardise(values, sizes)
    for low, high in ((8, 40), (40, 400), (400, 3000)):
        band = residual[(sizes >= low) & (sizes < high)]
        assert abs(np.mean(band)) < 0.12
        assert np.std(band) == pytest.approx(1, abs=0.15)


def test_a_scale_curve_is_constant_outside_the_sizes_it_saw():
    curve = fit_scale_curve(np.arange(600.0), np.arange(10, 610))
    far = curve.standardise([100.0, 100.0], [10_000, 1_000_000])
    assert far[0] == far[1]


def test_a_scale_curve_of_equal_values_still_has_a_spread():
    assert np.isfinite(fit_scale_curve([3.0] * 200, range(200)).standardise([4.0], [20])).all()


def test_a_scale_curve_does_not_depend_on_the_order_of_groups():
    rng = np.random.default_rng(11)
    values, sizes = rng.normal(size=500), rng.integers(5, 200, 500)
    shuffle = rng.permutation(500)
    one, other = fit_scale_curve(values, sizes), fit_scale_curve(values[shuffle], sizes[shuffle])
    assert one.centres.tolist() == other.centres.tolist()
    assert one.spreads.tolist() == other.spreads.tolist()


def test_a_scale_curve_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one value"):
        fit_scale_curve([np.nan], [5])
