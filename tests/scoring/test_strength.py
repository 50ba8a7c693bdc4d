"""From values to p-values and a sum."""

import numpy as np
import pytest

from stillwatch.scoring.matrix import group_matrix
from stillwatch.scoring.strength import measured, strength_of
from tests.scoring.honest import calibration, groups_table, signals_table


def planted(values, *, n_tests=1, sizes=None):
    ids = [f"g{number:03d}" for number in range(len(values))]
    groups = groups_table(ids, sizes or [50] * len(ids), ["x"] * len(ids), [0] * len(ids), n_tests=n_tests)
    return group_matrix(groups, signals_table(ids, np.array(values, dtype=float)), calibration().signals)


def test_context_counts_a_quarter_in_the_sum_of_the_signals_own_evidence():
    fitted = calibration()
    strength = strength_of(planted([[3.0, 4.0, 5.0, 2.0]]), fitted)
    context = fitted.signals.index("youth")
    log10s = -np.log10(strength.p_values[0])
    assert strength.scores[0] == pytest.approx(log10s.sum() - 0.75 * log10s[context])


def test_a_missing_signal_adds_nothing():
    strength = strength_of(planted([[9.0, np.nan, np.nan, np.nan]]), calibration())
    assert np.count_nonzero(strength.log10s) == 1


def test_a_higher_value_never_lowers_the_score():
    ladder = np.linspace(-5, 12, 60)
    scores = strength_of(planted([[value, 2.0, 2.0, 2.0] for value in ladder]), calibration()).scores
    assert np.all(np.diff(scores) >= 0)


def test_each_further_test_of_a_token_costs_its_logarithm():
    one, ten = (strength_of(planted([[9.0] * 4], n_tests=n), calibration()).scores[0] for n in (1, 10))
    assert one - ten == pytest.approx(1.0)


def test_a_score_is_never_negative():
    assert strength_of(planted([[-9.0] * 4], n_tests=1000), calibration()).scores.tolist() == [0.0]


def test_a_family_without_a_curve_is_standardised_by_all_families():
    ids = ["a", "b"]
    groups = groups_table(ids, [50, 50], ["x", "x"], [0, 0], kinds=["skeleton", "payment"])
    matrix = group_matrix(groups, signals_table(ids, np.ones((2, 4))), calibration().signals)
    assert np.isfinite(strength_of(matrix, calibration()).residuals).all()


def test_only_signals_that_some_group_has_are_measured():
    assert measured(np.array([[np.nan, 1.0], [np.nan, np.nan]])).tolist() == [False, True]
