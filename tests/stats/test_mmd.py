"""Random Fourier features, distances to the past, and ranks in it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.stats.mmd import distances_to_past, fourier_features, mean_features, ranks_in_past

N_PAIRS = 4000


def kernel(left, right, bandwidth):
    gaps = ((left[:, None, :] - right[None, :, :]) ** 2).sum(axis=2)
    return np.exp(-gaps / (2 * bandwidth**2))


def exact_squared_mmd(left, right, bandwidth):
    """The definition: mean kernel within each sample less twice that between them (biased form)."""
    within = kernel(left, left, bandwidth).mean() + kernel(right, right, bandwidth).mean()
    return within - 2 * kernel(left, right, bandwidth).mean()


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("bandwidth", [0.7, 2.0])
def test_the_distance_of_means_estimates_the_exact_mmd(shift, bandwidth):
    rng = np.random.default_rng(3)
    left, right = rng.normal(size=(40, 3)), rng.normal(size=(50, 3)) + shift
    features = fourier_features(np.vstack([left, right]), n_pairs=N_PAIRS, bandwidth=bandwidth, seed=1)
    weights = np.zeros((2, 90))
    weights[0, :40] = weights[1, 40:] = 1
    means = mean_features(weights, features)
    estimate = np.sum((means[0] - means[1]) ** 2)
    assert estimate == pytest.approx(exact_squared_mmd(left, right, bandwidth), abs=0.03)


def test_products_of_features_estimate_the_kernel_within_their_error():
    points = np.random.default_rng(4).normal(size=(30, 5))
    features = fourier_features(points, n_pairs=N_PAIRS, bandwidth=1.5, seed=2)
    errors = features @ features.T - kernel(points, points, 1.5)
    assert np.abs(errors).max() < 5 * np.sqrt(1 / (2 * N_PAIRS))


def test_equal_seeds_give_equal_features():
    points = np.eye(4)
    assert np.array_equal(*(fourier_features(points, n_pairs=8, bandwidth=1, seed=5) for _ in range(2)))


@given(st.lists(st.integers(1, 9), min_size=4, max_size=4))
def test_a_mean_does_not_depend_on_the_scale_of_its_weights(weights):
    features = fourier_features(np.eye(4), n_pairs=8, bandwidth=1, seed=5)
    one, ten = mean_features([weights, [10 * w for w in weights]], features)
    assert one == pytest.approx(ten)


def test_a_sample_without_weight_has_no_mean():
    features = fourier_features(np.eye(2), n_pairs=4, bandwidth=1, seed=5)
    assert np.isnan(mean_features([[0, 0]], features)).all()


def slow_distance(means, sizes, day, period, n_back):
    past = [day - period * back for back in range(1, n_back + 1)]
    if past[-1] < 0 or sizes[day] == 0 or any(sizes[place] == 0 for place in past):
        return np.nan
    usual = sum(sizes[place] * means[place] for place in past) / sum(sizes[place] for place in past)
    return ((means[day] - usual) ** 2).sum() / (1 / sizes[day] + 1 / sum(sizes[place] for place in past))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(1, 3), st.integers(1, 3))
def test_each_day_is_compared_with_the_same_days_of_periods_before(sizes, period, n_back):
    means = np.random.default_rng(6).normal(size=(len(sizes), 3))
    found = distances_to_past(means, sizes, period=period, n_back=n_back)
    wanted = [slow_distance(means, sizes, day, period, n_back) for day in range(len(sizes))]
    assert found == pytest.approx(np.array(wanted), nan_ok=True)


@given(st.lists(st.one_of(st.just(float("nan")), st.integers(0, 5).map(float)), max_size=12), st.integers(1, 6))
def test_a_day_is_ranked_among_the_known_days_before_it(values, n_back):
    p, n = ranks_in_past(values, n_back=n_back)
    for day, value in enumerate(values):
        past = [other for other in values[max(0, day - n_back) : day] if other == other]
        assert n[day] == len(past)
        wanted = (1 + sum(other >= value for other in past)) / (1 + len(past)) if value == value else np.nan
        assert p[day] == pytest.approx(wanted, nan_ok=True)


def test_sampling_noise_alone_has_a_distance_near_one_whatever_the_size_of_the_day():
    rng = np.random.default_rng(7)
    features = fourier_features(np.eye(8), n_pairs=32, bandwidth=1, seed=5)
    for size in (50, 5000):
        days = mean_features(rng.multinomial(size, np.full(8, 1 / 8), size=400), features)
        found = distances_to_past(days, np.full(400, size), period=7, n_back=3)
        assert 0.4 < np.nanmean(found) < 1.2
