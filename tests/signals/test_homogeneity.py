import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillwatch.signals import amnesia, cell_homogeneity, day_homogeneity, hour_homogeneity
from stillwatch.signals.homogeneity import FLOOR
from tests.signals.worlds import Bench, Group, dealt, honest, single_use

AXES = {"cell": cell_homogeneity, "hour": hour_homogeneity, "day": day_homogeneity, "material": amnesia}


def reference(counts: np.ndarray) -> tuple[float, float] | None:
    """Correlation and conservative value, cell by cell from the definition."""
    table = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0].astype(float)
    m, k = table.shape
    n = table.sum()
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    repeats = n - m + 1 - (rows**2).sum() / n if n else 0
    if m < 2 or k < 2 or n < 4 or repeats <= 0:
        return None
    expected_cells = np.outer(rows, columns) / n
    x2 = ((table - expected_cells) ** 2 / expected_cells).sum()
    mean = (m - 1) * (k - 1) * n / (n - 1)
    v1, v2 = (m - 1) * (n - m) / (n - 1), (k - 1) * (n - k) / (n - 1)
    w1, w2 = ((n / rows).sum() - m**2) / (n - 2), ((n / columns).sum() - k**2) / (n - 2)
    variance = max(2 * n / (n - 3) * (v1 - w1) * (v2 - w2) + n**2 / (n - 1) * w1 * w2, 0)
    rho = (x2 - mean) / ((k - 1) * repeats)
    error = math.sqrt(variance) / ((k - 1) * repeats)
    return rho, -math.log(max(rho, 0) + 2 * error + FLOOR)


tables = st.lists(st.lists(st.integers(0, 6), min_size=4, max_size=4), min_size=2, max_size=7)


@given(tables)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_agrees_with_the_definition(bench: Bench, table: list[list[int]]) -> None:
    counts = np.array(table)
    found = bench.answers(cell_homogeneity.SIGNAL, [Group("g", {"cell": counts})])
    expected = reference(counts)
    if expected is None:
        assert found == {}
    else:
        assert found["g"]["value"] == pytest.approx(expected[0], abs=1e-4)
        if expected[1] < 4:  # near the floor the log magnifies the 2**-21 steps of the sums
            assert found["g"]["conservative_value"] == pytest.approx(expected[1], abs=2e-2)


def test_conditional_moments_are_those_of_random_assignment() -> None:
    """The reference above, and with it the signal, is only right if Dawson's moments are: deal 4,000 times and look."""
    rng = np.random.default_rng(5)
    volumes, bins = np.repeat(np.arange(6), [1, 1, 2, 4, 6, 10]), np.repeat(np.arange(4), [9, 8, 5, 2])
    deals = []
    for _ in range(4000):
        counts = np.zeros((6, 4))
        np.add.at(counts, (volumes, rng.permutation(bins)), 1)
        expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
        deals.append(((counts - expected) ** 2 / expected).sum())
    n, m, k = 24, 6, 4
    v1, v2 = (m - 1) * (n - m) / (n - 1), (k - 1) * (n - k) / (n - 1)
    rows, columns = np.bincount(volumes), np.bincount(bins)
    w1, w2 = ((n / rows).sum() - m**2) / (n - 2), ((n / columns).sum() - k**2) / (n - 2)
    variance = 2 * n / (n - 3) * (v1 - w1) * (v2 - w2) + n**2 / (n - 1) * w1 * w2
    assert np.mean(deals) == pytest.approx((m - 1) * (k - 1) * n / (n - 1), rel=0.02)
    assert np.var(deals) == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize("axis", AXES)
def test_a_dealt_queue_is_alike_and_honest_members_are_not(bench: Bench, axis: str) -> None:
    rng = np.random.default_rng(6)
    rows = bench.answers(
        AXES[axis].SIGNAL, [dealt("planted", rng, m=50, mean=15), honest("honest", rng, m=50, mean=15)]
    )
    assert abs(rows["planted"]["value"]) < 0.02
    assert rows["honest"]["value"] > 0.2
    assert rows["planted"]["conservative_value"] > 3 > rows["honest"]["conservative_value"]


@pytest.mark.parametrize("axis", AXES)
def test_single_uses_are_no_evidence_of_likeness(bench: Bench, axis: str) -> None:
    assert bench.answers(AXES[axis].SIGNAL, [single_use("viral", np.random.default_rng(7), m=200)]) == {}


def test_few_repeats_are_weak_evidence(bench: Bench) -> None:
    counts = np.eye(64, dtype=np.int64)
    counts[0, 1] = 1
    row = bench.answers(cell_homogeneity.SIGNAL, [Group("g", {"cell": counts})])["g"]
    planted = bench.answers(cell_homogeneity.SIGNAL, [dealt("g", np.random.default_rng(8), m=64, mean=10)])["g"]
    assert row["conservative_value"] < planted["conservative_value"] - 2


def test_more_members_of_the_same_kind_narrow_the_interval(bench: Bench) -> None:
    rng = np.random.default_rng(9)
    rows = bench.answers(cell_homogeneity.SIGNAL, [dealt(f"g{m}", rng, m=m, mean=10) for m in (8, 80, 800)])
    assert rows["g8"]["conservative_value"] < rows["g80"]["conservative_value"] < rows["g800"]["conservative_value"]
