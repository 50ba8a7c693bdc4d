"""Groups that begin together beside groups that were always there or enrol one by one."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stillwatch.signals.onset_synchrony import SIGNAL
from tests.signals.worlds import Bench, Group


def group(name: str, onsets: NDArray[np.float64] | list[float], ages: float = 400.0) -> Group:
    """Members that begin so many days after START and are seen on one day."""
    hours = [24.0 * float(day) for day in onsets]
    return Group(name, {"day": np.ones((len(hours), 1), np.int64)}, (ages,) * len(hours), onsets=hours)


def rolling(rng: np.random.Generator, m: int = 300) -> Group:
    return group("rolling", np.r_[0.0, rng.uniform(0, 45, m - 1)])


def reference(groups: list[list[float]], of: int) -> tuple[float, float] | None:
    """Pairs of members counted one by one."""
    start = min(min(days) for days in groups)
    began = [[int(day) for day in days if day - start >= 1] for days in groups]
    everybody = [day for days in began for day in days]
    mine = began[of]
    m = len(mine)
    if m < 5:
        return None
    together = np.mean([mine[i] == mine[j] for i in range(m) for j in range(m) if i != j])
    chance = np.mean([everybody.count(day) / len(everybody) for day in mine])
    if chance >= 1:
        return None
    share = np.array([mine.count(day) / m for day in set(mine)])
    error = math.sqrt(4 * max((share**3).sum() - (share**2).sum() ** 2, 0) / m + 2 / (m * (m - 1)))
    value = (together - chance) / (1 - chance)
    return value, value - 2 * error / (1 - chance)


days = st.lists(st.integers(0, 180).map(lambda quarter: quarter / 4), min_size=1, max_size=12)


@given(days, days)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_agrees_with_counting_pairs_one_by_one(bench: Bench, first: list[float], second: list[float]) -> None:
    rows = bench.answers(SIGNAL, [group("g0", first), group("g1", second)])
    for number in range(2):
        expected = reference([first, second], number)
        if expected is None:
            assert f"g{number}" not in rows
        else:
            assert rows[f"g{number}"]["value"] == pytest.approx(expected[0], abs=1e-4)
            assert rows[f"g{number}"]["conservative_value"] == pytest.approx(expected[1], abs=1e-4)


def test_old_accounts_that_begin_together_are_seen_and_rolling_enrolment_is_not(bench: Bench) -> None:
    rng = np.random.default_rng(1)
    planted = group("planted", 15 + rng.exponential(1.0, 60), ages=900.0)
    rows = bench.answers(SIGNAL, [rolling(rng), planted])
    assert rows["planted"]["conservative_value"] > 0.2
    assert abs(rows["rolling"]["value"]) < 0.03
    assert rows["rolling"]["conservative_value"] < 0


def test_who_was_active_when_the_window_began_does_not_count(bench: Bench) -> None:
    rng = np.random.default_rng(2)
    there = group("there", rng.uniform(0, 0.9, 200))
    assert set(bench.answers(SIGNAL, [rolling(rng), there])) == {"rolling"}


def test_steady_use_with_gaps_is_no_onset(bench: Bench) -> None:
    """Seen on the third day for the first time, and every second day from then on."""
    rng = np.random.default_rng(3)
    onsets = rng.uniform(1, 4, 80)
    lasting = np.zeros((80, 45), np.int64)
    lasting[:, 4:44:2] = 1
    there = replace(group("there", onsets), counts={"day": lasting}, lasts=[24.0 * 42.5] * 80)
    assert "there" not in bench.answers(SIGNAL, [rolling(rng), there])


def test_a_day_on_which_everybody_begins_counts_less(bench: Bench) -> None:
    rng = np.random.default_rng(4)
    launch = [group(f"launch{number}", [20.5] * 30) for number in range(5)]
    alone = bench.answers(SIGNAL, [rolling(rng), launch[0]])["launch0"]
    crowd = bench.answers(SIGNAL, [rolling(rng, 30), *launch, group("mixed", [20.5] * 15 + list(range(2, 17)))])
    mixed = bench.answers(SIGNAL, [rolling(rng), group("mixed", [20.5] * 15 + list(range(2, 17)))])["mixed"]
    assert alone["value"] == pytest.approx(1)
    assert crowd["mixed"]["value"] < mixed["value"] - 0.1


def test_a_handful_on_one_day_stays_uncertain_and_fewer_are_no_evidence(bench: Bench) -> None:
    rng = np.random.default_rng(5)
    rows = bench.answers(
        SIGNAL, [rolling(rng), group("five", [9.5] * 5), group("many", [9.5] * 80), group("four", [9.5] * 4)]
    )
    assert rows["five"]["conservative_value"] < 0.5 < 0.9 < rows["many"]["conservative_value"]
    assert "four" not in rows
