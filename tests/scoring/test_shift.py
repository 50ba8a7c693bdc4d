"""A run whose whole population lies above the calibration's is centred on itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.scoring.shift import TOLERATED_CENTRE, TOLERATED_SPREAD, population_shifts, settle
from stillwatch.scoring.strength import run_shifts, strength_of
from tests.scoring.honest import calibration, honest_groups

SIGNALS = ("one", "two")


def population(n=4000, *, seed=0, shift=0.0, spread=1.0):
    residuals = np.random.default_rng(seed).normal(shift, spread, (n, 2))
    return residuals, np.array(["content"] * n), np.zeros(n, dtype=np.int64)


def settled(residuals, families, windows):
    return settle(residuals, families, SIGNALS, windows, np.ones(len(residuals), dtype=bool))


def test_a_shift_and_a_wider_spread_of_everybody_are_taken_off_down_to_the_tolerance():
    found = settled(*population(4000, shift=2.0, spread=3.0))
    low, middle, high = np.quantile(found, (0.1587, 0.5, 0.8413))
    assert middle <= TOLERATED_CENTRE + 0.1
    assert high - middle == pytest.approx(TOLERATED_SPREAD, abs=0.1)
    assert low < middle


def test_a_population_like_that_of_honest_windows_is_left_alone():
    residuals, families, windows = population(4000, shift=0.15, spread=1.1)
    assert np.array_equal(settled(residuals, families, windows), residuals)


@given(st.floats(-3, 3), st.floats(0.2, 4), st.integers(0, 50))
def test_no_residual_is_ever_raised(shift, spread, seed):
    residuals, families, windows = population(1200, seed=seed, shift=shift, spread=spread)
    assert np.all(settled(residuals, families, windows) <= residuals)


def test_a_population_below_the_calibrations_is_left_alone():
    residuals, families, windows = population(shift=-1.0, spread=0.5)
    assert np.array_equal(settled(residuals, families, windows), residuals)


def test_a_tenth_of_campaign_groups_hardly_moves_anything():
    residuals, families, windows = population()
    residuals[:400] = 5.0
    assert settled(residuals, families, windows) == pytest.approx(residuals, abs=0.1)


def test_too_few_groups_are_not_corrected():
    residuals, families, windows = population(999, shift=5.0)
    assert np.array_equal(settled(residuals, families, windows), residuals)


def test_a_small_family_is_corrected_by_all_families():
    residuals, families, windows = population(4000, shift=2.0)
    families[:50] = "network"
    assert np.median(settled(residuals, families, windows)[:50]) < 1.0


def test_each_family_is_centred_on_itself():
    residuals, families, windows = population(4000)
    families[:2000] = "network"
    residuals[:2000] += 3.0
    found = settled(residuals, families, windows)
    assert np.median(found[:2000]) == pytest.approx(TOLERATED_CENTRE, abs=0.3)
    assert np.array_equal(found[2000:], residuals[2000:])


def test_windows_are_settled_one_by_one():
    one, two = population(1200, seed=1, shift=2.0), population(1200, seed=2)
    both = [np.concatenate(columns) for columns in zip(one, two, strict=True)]
    both[2][1200:] = 1
    assert np.array_equal(settled(*both), np.concatenate([settled(*one), settled(*two)]))


def test_missing_values_stay_missing_and_do_not_count():
    residuals, families, windows = population(4000, shift=2.0)
    residuals[:3500, 0] = np.nan
    found = settled(residuals, families, windows)
    assert np.isnan(found[:3500, 0]).all()
    assert np.array_equal(found[3500:, 0], residuals[3500:, 0])
    assert not np.array_equal(found[:, 1], residuals[:, 1])


def test_a_shift_names_its_signal_and_family_and_says_whether_it_is_corrected():
    residuals, families, _ = population(4000)
    residuals[:, 1] += 2.0
    by_signal = {one.signal: one for one in population_shifts(residuals, families, SIGNALS) if one.family == "content"}
    assert by_signal["two"].centre == pytest.approx(2.0, abs=0.3)
    assert (by_signal["one"].is_corrected, by_signal["two"].is_corrected) == (False, True)
    assert by_signal["two"].n_groups == 4000


def test_the_evidence_of_a_shifted_run_is_that_of_an_unshifted_one():
    matrix = honest_groups(90).matrix(calibration().signals)
    shifted = honest_groups(90).matrix(calibration().signals)
    shifted.values[:, 1] += 4.0
    plain, moved = (strength_of(one, calibration()).evidence.log10s[:, 1] for one in (matrix, shifted))
    assert np.mean(moved >= 2) < np.mean(plain >= 2) + 0.03
    assert max(shift.centre for shift in run_shifts(shifted, calibration())) > 2


def test_what_is_drawn_from_the_population_is_settled_by_it_and_does_not_move_it():
    residuals, families, windows = population(4000)
    is_counted = np.arange(4000) < 3000
    residuals[~is_counted] += 5.0
    found = settle(residuals, families, SIGNALS, windows, is_counted)
    assert np.array_equal(found, residuals)
