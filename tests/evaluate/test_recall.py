"""Recall over seeds: worlds that hold several cases, intervals, and what fails."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stillwatch.evaluate.outcomes import Fate, Part
from stillwatch.evaluate.recall import (
    Case,
    bootstrap_interval,
    judged_cases,
    pieces_of,
    purity_of,
    recall_failures,
    recall_table,
    shape_failures,
    world_seed,
    worlds_of,
)
from stillwatch.simulate import Campaign

SHARES = st.lists(st.floats(0, 1), min_size=2, max_size=8)


def case(name, n_accounts=100, wanted=0.9):
    return Case(Campaign(name=name, n_accounts=n_accounts), wanted)


def part(seed, n_accused, **changes):
    fate = Fate(case="a", n_accounts=100, n_accused=n_accused, n_flagged=n_accused, **changes)
    return Part(seed=seed, fates=(fate,))


@given(st.lists(st.integers(1, 3_000), max_size=12))
def test_every_case_is_in_one_world_and_worlds_are_not_overfull(sizes):
    cases = [case(str(number), size) for number, size in enumerate(sizes)]
    worlds = list(worlds_of(cases, max_planted=2_000))
    assert [one for world in worlds for one in world] == cases
    assert all(len(world) == 1 or sum(one.campaign.n_accounts for one in world) <= 2_000 for world in worlds)


@given(SHARES)
def test_the_interval_holds_the_mean_and_lies_within_the_shares(values):
    low, high = bootstrap_interval(values)
    assert min(values) - 1e-9 <= low <= np.mean(values) + 1e-9
    assert np.mean(values) - 1e-9 <= high <= max(values) + 1e-9


def test_one_seed_says_nothing_about_others():
    assert bootstrap_interval([0.7]) == (0.0, 1.0)


def test_the_interval_is_the_same_each_time():
    assert bootstrap_interval([0.1, 0.9, 0.4]) == bootstrap_interval([0.1, 0.9, 0.4])


def test_the_mean_over_seeds_is_held_against_the_goal():
    assert recall_failures([case("a")], [part(1, 100), part(2, 70)]) == ["a: mean recall 0.850 is below 0.9"]
    assert recall_failures([case("a")], [part(1, 100), part(2, 80)]) == []


def test_a_case_without_a_goal_never_fails():
    assert recall_failures([case("a", wanted=None)], [part(1, 0)]) == []


def test_a_row_has_mean_worst_seed_and_seeds_at_goal():
    row = recall_table("Recall", [case("a")], [part(1, 100), part(2, 50)]).rows[0]
    assert row[:3] == ("a", 100, 0.75)
    assert row[4] == 0.5
    assert row[5].startswith("1 of 2 (")


def test_a_campaign_in_two_pieces_fails():
    parts = [part(1, 100, n_pieces=2, n_gathered=100)]
    assert shape_failures([case("a")], parts) == ["a found campaign lies in 2.00 pieces on average, more than 1.2"]


def test_strangers_lower_the_purity():
    parts = [part(1, 100, n_pieces=1, n_gathered=90, n_strangers=10)]
    assert purity_of(parts[0].fates) == pytest.approx(0.9)
    assert shape_failures([case("a")], parts) == ["purity of found campaigns 0.900 is below 0.95"]


def test_campaigns_that_were_not_found_have_no_shape():
    parts = [part(1, 0)]
    assert (pieces_of(parts[0].fates), purity_of(parts[0].fates)) == (0.0, 1.0)
    assert shape_failures([case("a")], parts) == []


def test_cases_of_one_world_are_judged_together_and_counted_apart(bench):
    cases = [case("a", 30), case("b", 20)]
    worlds, fates = judged_cases(cases, 9_301, bench)
    assert len(worlds) == 1
    assert [(fate.case, fate.n_accounts) for fate in fates] == [("a", 30), ("b", 20)]


@example(9_000, 1, 9_001, 0)
@given(st.integers(9_000, 9_999), st.integers(0, 99), st.integers(9_000, 9_999), st.integers(0, 99))
def test_no_two_worlds_have_the_same_seed(seed, number, other_seed, other_number):
    same = (seed, number) == (other_seed, other_number)
    assert (world_seed(seed, number) == world_seed(other_seed, other_number)) == same
