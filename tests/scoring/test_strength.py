"""From values to p-values."""

import numpy as np

from stillwatch.scoring.matrix import group_matrix
from stillwatch.scoring.strength import measured, strength_of
from tests.scoring.honest import calibration, groups_table, signals_table


def planted(values, *, n_tests=1, sizes=None):
    ids = [f"g{number:03d}" for number in range(len(values))]
    groups = groups_table(ids, sizes or [50] * len(ids), ["x"] * len(ids), [0] * len(ids), n_tests=n_tests)
    return group_matrix(groups, signals_table(ids, np.array(values, dtype=float)), calibration().signals)


def test_a_missing_signal_has_no_evidence():
    strength = strength_of(planted([[9.0, np.nan, np.nan, np.nan]]), calibration())
    assert np.count_nonzero(strength.evidence.log10s) == 1


def test_taken_groups_keep_their_evidence():
    strength = strength_of(planted([[9.0, 1.0, 2.0, 3.0], [0.0] * 4], sizes=[50, 70]), calibration())
    second = strength.take(np.array([False, True]))
    assert np.array_equal(second.evidence.features(), strength.evidence.features()[1:])
    assert np.array_equal(second.residuals, strength.residuals[1:])


def test_a_family_without_a_curve_is_standardised_by_all_families():
    ids = ["a", "b"]
    groups = groups_table(ids, [50, 50], ["x", "x"], [0, 0], kinds=["skeleton", "payment"])
    matrix = group_matrix(groups, signals_table(ids, np.ones((2, 4))), calibration().signals)
    assert np.isfinite(strength_of(matrix, calibration()).residuals).all()


def test_only_signals_that_some_group_has_are_measured():
    assert measured(np.array([[np.nan, 1.0], [np.nan, np.nan]])).tolist() == [False, True]
