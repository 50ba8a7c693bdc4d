import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from stillwatch.signals.volume_dispersion import SIGNAL
from tests.signals.worlds import Bench, Group


def group(name: str, volumes: list[int]) -> Group:
    return Group(name, {"day": np.array(volumes, np.int64)[:, None]})


def reference(volumes: list[int]) -> tuple[float, float] | None:
    """Log ratio and conservative value by summing the zero-truncated Poisson over its support."""
    n = np.array(volumes, float)
    mean, m = n.mean(), len(n)
    if m < 3 or mean < 2:
        return None
    rate = optimize.brentq(lambda r: r / -math.expm1(-r) - mean, 1e-6, mean + 1)
    support = np.arange(1, int(mean + 40 * math.sqrt(mean)) + 40)
    law = stats.poisson.pmf(support, rate) / -math.expm1(-rate)
    variance = (law * (support - mean) ** 2).sum()
    kurtosis = (law * (support - mean) ** 4).sum() / variance**2
    value = math.log(n.var(ddof=1) / variance + 0.05)
    return value, -(value + 2 * math.sqrt((kurtosis - 1) / (m - 1)))


@given(st.lists(st.integers(1, 300), min_size=2, max_size=20))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_agrees_with_the_definition(bench: Bench, volumes: list[int]) -> None:
    found, expected = bench.answers(SIGNAL, [group("g", volumes)]), reference(volumes)
    if expected is None:
        assert found == {}
    else:
        assert found["g"]["value"] == pytest.approx(expected[0], abs=1e-3)
        assert found["g"]["conservative_value"] == pytest.approx(expected[1], abs=1e-3)


def test_large_volumes_keep_their_precision(bench: Bench) -> None:
    volumes = np.random.default_rng(1).poisson(2e6, 60).tolist()
    row = bench.answers(SIGNAL, [group("g", volumes)])["g"]
    expected = math.log(np.var(volumes, ddof=1) / 2e6 + 0.05)
    assert row["value"] == pytest.approx(expected, abs=1e-2)
    assert row["conservative_value"] == pytest.approx(-(expected + 2 * math.sqrt(2 / 59)), abs=2e-2)


def test_dealt_volumes_are_suspicious_and_heavy_tails_are_not(bench: Bench) -> None:
    rng = np.random.default_rng(2)
    planted = group("planted", rng.poisson(20, 80).clip(1).tolist())
    honest = group("honest", rng.lognormal(3, 1, 80).astype(int).clip(1).tolist())
    rows = bench.answers(SIGNAL, [planted, honest])
    assert rows["planted"]["conservative_value"] > -1
    assert rows["honest"]["conservative_value"] < -2


def test_a_viral_prompt_used_once_or_twice_is_no_evidence(bench: Bench) -> None:
    volumes = np.random.default_rng(3).integers(1, 3, 500).tolist()
    assert bench.answers(SIGNAL, [group("viral", volumes)]) == {}


def test_small_means_are_compared_with_the_truncated_law(bench: Bench) -> None:
    draws = np.random.default_rng(4).poisson(1.9, 4000)
    row = bench.answers(SIGNAL, [group("dealt", draws[draws > 0].tolist())])["dealt"]
    assert row["value"] == pytest.approx(math.log(1.05), abs=0.1)
