from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.signals.successor_handover import SIGNAL
from tests.signals.wilson import lower_log_odds
from tests.signals.worlds import END, START, Bench, Group

END_HOUR = int((END - START).total_seconds() / 3600)


def group(name: str, onsets: Sequence[float], suspended: Sequence[float | None]) -> Group:
    """A group of members who begin and are suspended at these hours; None: never suspended."""
    return Group(name, {"hour": np.ones((len(onsets), 1), np.int64)}, onsets=onsets, suspended=suspended)


def reference(onsets: Sequence[int], suspended: Sequence[int | None]) -> dict[str, float] | None:
    """The definition, hour by hour."""
    at = [lost for began, lost in zip(onsets, suspended, strict=True) if lost is not None and began <= lost < END_HOUR]
    if len(at) < 3:
        return None
    start = min(at) + 24
    covered = [any(lost <= hour < lost + 24 for lost in at) for hour in range(start, END_HOUR)]
    later = [hour for hour in onsets if hour >= start]
    if len(later) < 5 or not any(covered) or all(covered):
        return None
    share, time = np.mean([covered[hour - start] for hour in later]), np.mean(covered)
    n_days = len({(hour - start) // 24 for hour in later})
    lower = lower_log_odds(share * n_days, n_days, expected=time, deviations=2.0)
    return {"value": share - time, "conservative_value": lower - np.log(time / (1 - time)), "n": len(later)}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_agrees_with_the_definition(bench: Bench, seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = {}
    for number in range(12):
        m, latest = int(rng.integers(3, 40)), int(rng.integers(2, END_HOUR))
        onsets = rng.integers(0, latest, m).tolist()
        lost = [int(rng.integers(0, END_HOUR + 48)) if rng.random() < 0.4 else None for _ in onsets]
        drawn[f"g{number}"] = (onsets, lost)
    found = bench.answers(SIGNAL, [group(name, *hours) for name, hours in drawn.items()])
    expected = {name: row for name, hours in drawn.items() if (row := reference(*hours)) is not None}
    assert found.keys() == expected.keys()
    for name, row in expected.items():
        assert found[name] == pytest.approx(row, rel=1e-9, abs=1e-9)


def test_replaced_accounts_are_suspicious_and_a_growing_team_with_lapses_is_not(bench: Bench) -> None:
    rng = np.random.default_rng(2)
    lost = np.linspace(200, 900, 15).tolist()
    successors = [hour + float(rng.exponential(4)) for hour in lost]
    queue = group("queue", [0.0] * 15 + successors, [*lost, *[None] * 15])
    began = np.sort(rng.uniform(0, 1000, 60)).tolist()
    lapses = [hour + 300.0 if number % 6 == 0 else None for number, hour in enumerate(began)]
    rows = bench.answers(SIGNAL, [queue, group("team", began, lapses)])
    assert rows["queue"]["value"] > 0.5
    assert rows["queue"]["conservative_value"] > 1
    assert rows["team"]["conservative_value"] < 0


def test_honest_growth_is_seldom_taken_for_succession(bench: Bench) -> None:
    """Onsets that fall off from a launch, lapses at any moment: at two deviations one in forty, not one in five."""
    rng = np.random.default_rng(3)
    groups = []
    for number in range(200):
        onsets = np.minimum(rng.exponential(250, 80), END_HOUR - 1).tolist()
        lost = [float(rng.uniform(hour, END_HOUR)) if rng.random() < 0.08 else None for hour in onsets]
        groups.append(group(f"g{number}", onsets, lost))
    rows = bench.answers(SIGNAL, groups)
    assert len(rows) > 100
    assert np.mean([row["conservative_value"] > 0 for row in rows.values()]) < 0.05


def test_onsets_that_arrive_together_count_once_for_the_interval(bench: Bench) -> None:
    lost = [100.0, 300.0, 500.0]
    crowd = group("crowd", [0.0] * 3 + [301.0] * 40, [*lost, *[None] * 40])
    spread = group("spread", [0.0] * 3 + [301.0 + 5 * n % 20 + 200 * (n % 2) for n in range(40)], [*lost, *[None] * 40])
    rows = bench.answers(SIGNAL, [crowd, spread])
    assert rows["crowd"]["value"] == rows["spread"]["value"] > 0.9
    assert rows["crowd"]["conservative_value"] < rows["spread"]["conservative_value"]


def test_a_launch_at_the_first_suspension_is_no_succession(bench: Bench) -> None:
    rows = bench.answers(
        SIGNAL, [group("g", [0.0] * 3 + [101.0] * 50 + [200.0] * 5, [100.0, 400.0, 700.0, *[None] * 55])]
    )
    assert rows["g"]["n"] == 5
    assert rows["g"]["conservative_value"] < 0


def test_one_sweep_of_suspensions_is_no_evidence(bench: Bench) -> None:
    assert bench.answers(SIGNAL, [group("g", [0.0] * 9 + [300.0] * 9, [290.0] * 9 + [None] * 9)]) == {}


def test_two_suspensions_or_four_onsets_are_no_evidence(bench: Bench) -> None:
    few_lost = group("a", [0.0] * 2 + [301.0] * 20, [100.0, 300.0, *[None] * 20])
    few_onsets = group("b", [0.0] * 3 + [301.0] * 4, [100.0, 300.0, 500.0, *[None] * 4])
    assert bench.answers(SIGNAL, [few_lost, few_onsets]) == {}


def test_suspensions_before_an_account_joined_do_not_count(bench: Bench) -> None:
    """Reinstated accounts that begin soon after: nobody succeeds themselves."""
    onsets = [100.0 + 40 * number for number in range(20)]
    assert bench.answers(SIGNAL, [group("g", onsets, [hour - 3 for hour in onsets])]) == {}
