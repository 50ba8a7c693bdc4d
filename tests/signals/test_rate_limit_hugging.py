"""Members with a quota beside members with bursts and with schedules."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize

from stillwatch.signals.rate_limit_hugging import FLOOR, SIGNAL
from tests.signals.worlds import Bench, Group


def group(name: str, daily: NDArray[np.int64]) -> Group:
    return Group(name, {"hour": np.ones((len(daily), 1), np.int64)}, daily=daily)


def poisson_days(rng: np.random.Generator, *, m: int, burst: float = 0.0, n_days: int = 30) -> NDArray[np.int64]:
    """Heavy-tailed members whose days vary by a gamma factor of shape `burst`, or not at all."""
    rates = 10.0 * np.exp(1.2 * rng.standard_normal((m, 1)))
    factor = rng.gamma(burst, 1 / burst, (m, n_days)) if burst else np.ones((m, n_days))
    return rng.poisson(rates * factor)


def reference(daily: NDArray[np.int64]) -> tuple[float, float] | None:
    """Member by member from the definition."""
    rows = []
    for counts in daily:
        inner = counts[counts > 0][1:-1].astype(float)
        if len(inner) < 3 or inner.mean() < 2:
            continue
        mean, freedom = inner.mean(), len(inner) - 1
        rate = optimize.brentq(lambda r, mean=mean: r / -math.expm1(-r) - mean, 1e-6, mean + 1)
        spread = (inner.var(ddof=1) - mean * (1 + rate - mean)) / mean**2
        rows.append((freedom / (1 / mean + 0.1) ** 2, spread, 2 / mean**2 / freedom))
    if len(rows) < 3:
        return None
    weight, spread, noise = np.array(rows).T
    value = (weight * spread).sum() / weight.sum()
    error = math.sqrt((weight**2 * ((spread - value) ** 2 + noise)).sum()) / weight.sum()
    return value, -math.log(max(value, 0) + 2 * error + FLOOR)


days = st.lists(st.lists(st.integers(0, 30), min_size=9, max_size=9), min_size=2, max_size=6)


@given(days)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_agrees_with_the_definition(bench: Bench, table: list[list[int]]) -> None:
    daily = np.array(table)
    found, expected = bench.answers(SIGNAL, [group("g", daily)]), reference(daily)
    if expected is None:
        assert found == {}
    else:
        assert found["g"]["value"] == pytest.approx(expected[0], abs=1e-3)
        assert found["g"]["conservative_value"] == pytest.approx(expected[1], abs=1e-2)


def test_a_quota_is_seen_whatever_the_members_volumes_are_and_honest_bursts_are_not(bench: Bench) -> None:
    rng = np.random.default_rng(1)
    quota, people = poisson_days(rng, m=40), poisson_days(rng, m=40, burst=1.0)
    rows = bench.answers(SIGNAL, [group("quota", quota), group("people", people)])
    assert abs(rows["quota"]["value"]) < 0.03
    assert rows["people"]["value"] > 0.5
    assert rows["quota"]["conservative_value"] > 2.5 > 0.7 > rows["people"]["conservative_value"]


def test_one_heavy_member_does_not_speak_for_the_others(bench: Bench) -> None:
    daily = poisson_days(np.random.default_rng(2), m=30, burst=1.0)
    daily[0] = 5000
    row = bench.answers(SIGNAL, [group("g", daily)])["g"]
    assert row["value"] > 0.5


def test_partial_first_and_last_days_do_not_count(bench: Bench) -> None:
    daily = np.full((5, 10), 20)
    daily[:, 0], daily[:, -1] = 1, 400
    row = bench.answers(SIGNAL, [group("g", daily)])["g"]
    assert row["value"] == pytest.approx(-1 / 20, abs=1e-3)
    assert row["n"] == 5 * 8


def test_a_viral_prompt_used_once_a_day_is_no_evidence(bench: Bench) -> None:
    daily = np.ones((200, 6), np.int64)
    assert bench.answers(SIGNAL, [group("viral", daily)]) == {}


def test_few_days_are_weaker_evidence_than_many(bench: Bench) -> None:
    rng = np.random.default_rng(3)
    few, many = rng.poisson(10.0, (4, 6)), poisson_days(rng, m=80)
    rows = bench.answers(SIGNAL, [group("few", few), group("many", many)])
    assert rows["few"]["conservative_value"] < rows["many"]["conservative_value"] - 1
