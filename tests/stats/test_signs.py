import math

import pytest

from stillwatch.stats.signs import sign_power, sign_test


def test_the_p_value_is_the_binomial_tail() -> None:
    expected = sum(math.comb(10, k) for k in (8, 9, 10)) / 2**10
    assert sign_test(8, 2).p_value == pytest.approx(expected)


def test_ties_say_nothing() -> None:
    assert sign_test(8, 2, n_ties=500).p_value == sign_test(8, 2).p_value


def test_no_decided_pair_is_no_evidence() -> None:
    signs = sign_test(0, 0, n_ties=3)
    assert (signs.p_value, signs.interval) == (1.0, (0.0, 1.0))


def test_power_under_the_null_stays_below_the_level() -> None:
    assert sign_power(500, 0.5, 0.01) <= 0.01


def test_power_grows_with_the_share() -> None:
    assert sign_power(500, 0.6, 1e-3) > 0.9 > sign_power(500, 0.52, 1e-3)
