"""Adjusted p-values against slow references straight from their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.stats.multiple_testing import benjamini_hochberg, benjamini_yekutieli, holm, monotone_q

p_lists = st.lists(st.floats(0, 1), min_size=0, max_size=30)


def slow_step_up(p, factor):
    """Least level q at which the step-up procedure rejects hypothesis i."""
    n = len(p)
    candidates = [min(1.0, n * factor * value / sum(other <= value for other in p)) for value in p]
    return [min(q for q, value in zip(candidates, p, strict=True) if value >= own) for own in p]


def slow_holm(p):
    n = len(p)
    order = sorted(range(n), key=lambda i: (p[i], i))
    return [min(1.0, max((n - k) * p[order[k]] for k in range(order.index(i) + 1))) for i in range(n)]


@given(p_lists)
def test_benjamini_hochberg_equals_the_step_up_definition(p):
    assert benjamini_hochberg(p) == pytest.approx(slow_step_up(p, 1.0))


@given(p_lists)
def test_benjamini_yekutieli_equals_the_step_up_definition_with_the_harmonic_factor(p):
    harmonic = sum(1 / k for k in range(1, len(p) + 1))
    assert benjamini_yekutieli(p) == pytest.approx(slow_step_up(p, harmonic))


@given(p_lists)
def test_holm_equals_its_definition(p):
    assert holm(p) == pytest.approx(slow_holm(p))


@given(p_lists)
def test_holm_is_never_less_strict_than_benjamini_hochberg(p):
    assert np.all(holm(p) >= benjamini_hochberg(p) - 1e-12)


@given(st.lists(st.floats(0, 3), max_size=30))
def test_monotone_q_is_the_least_estimate_from_each_finding_on(estimates):
    expected = [min(1.0, *estimates[i:], 1.0) for i in range(len(estimates))]
    assert monotone_q(estimates).tolist() == expected


def test_false_discovery_rate_is_kept_under_the_null_with_a_fixed_seed():
    rng = np.random.default_rng(5)
    families = rng.uniform(size=(2000, 20))
    false_rejections = sum(bool((benjamini_hochberg(p) <= 0.1).any()) for p in families)
    assert 140 <= false_rejections <= 260  # mean 200, sd 13.4: more than four sd either side


def test_a_p_value_outside_the_unit_interval_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, 1.5])
