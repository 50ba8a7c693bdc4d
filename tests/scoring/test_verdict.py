"""Thresholds in people, p- and q-values, nearest class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.scoring.matrix import ALPHA_SHARES
from stillwatch.scoring.scorer import Evidence
from stillwatch.scoring.settings import Settings
from stillwatch.scoring.strength import Strength
from stillwatch.scoring.verdict import (
    HonestTail,
    accusable,
    false_people_bound,
    honest_tail,
    nearest_lookalikes,
    people_q_values,
    threshold_in_people,
    tiers,
    window_p_values,
)
from tests.scoring.honest import SIGNALS, calibration

honest = st.lists(st.tuples(st.integers(0, 12), st.integers(5, 60)), min_size=1, max_size=25)


def tail_of(scores, sizes, windows=None, accusable=None, floor=-np.inf, families=None):
    n = len(scores)
    order = np.argsort(-np.array(scores, dtype=float), kind="stable")
    columns = (scores, sizes, windows or [0] * n, families or ["content"] * n, accusable or [True] * n)
    taken = [np.array(column)[order] for column in columns]
    return HonestTail(taken[0].astype(float), *taken[1:], floor)


@given(honest, st.integers(1, 400))
def test_the_threshold_is_the_smallest_score_that_keeps_the_people_above_it_within_budget(groups, budget):
    scores, sizes = zip(*groups, strict=True)
    found = threshold_in_people(tail_of(scores, sizes), budget=budget).score
    above = {t: sum(m for s, m in groups if s > t) for t in scores}
    assert found == min((t for t in above if above[t] <= budget), default=None)


def test_a_budget_below_one_large_block_of_people_is_not_resolved():
    tail = tail_of([9, 8, 3], [50, 50, 50])
    assert not threshold_in_people(tail, budget=49).is_resolved
    assert threshold_in_people(tail, budget=50).is_resolved


def test_nothing_honest_to_compare_with_resolves_nothing():
    assert not threshold_in_people(tail_of([], []), budget=50).is_resolved


def test_without_honest_groups_no_score_is_above_the_threshold():
    assert threshold_in_people(tail_of([], []), budget=50).score == np.inf


def test_a_threshold_is_never_below_what_the_tail_knows():
    # honest groups between 5 and 8 lost a signal and may be more than the two that were kept
    assert threshold_in_people(tail_of([9, 5], [10, 10], floor=8.0), budget=50).score == 8.0


def verdict(score, tail, *, people, is_accusable=True, family="content"):
    """Of one group with three strong signals, or with none; alpha x people x its family's share is people / 10."""
    p_values = np.full((1, 3), 0.001 if is_accusable else 1.0)
    one = Strength(np.array([family]), np.zeros((1, 3)), p_values, np.array([10]), np.array([9.0]), np.zeros(1))
    share = {family: share for families, share in ALPHA_SHARES for family in families}[family]
    found = tiers(one, np.array([score]), tail, people=people, alpha=0.1 / share, settings=Settings())
    return found[0].as_py()


def test_tiers_follow_alpha_and_ten_times_alpha():
    tail = tail_of([9, 8, 7, 6, 5, 4, 3], [10] * 7)
    # alpha x people = 10: one group of ten may lie above 8; ten times that holds all groups, so review opens at 3
    found = [verdict(score, tail, people=100) for score in (8.5, 8.0, 3.5, 3.0)]
    assert found == ["accuse", "review", "review", "none"]


def test_honest_groups_of_one_network_do_not_hold_up_the_threshold_of_what_is_sent():
    tail = tail_of([9, 8, 7, 6], [10] * 4, families=["network", "network", "content", "content"])
    assert verdict(7.5, tail, people=100) == "accuse"
    assert verdict(7.5, tail, people=100, family="network") == "none"


def test_families_share_no_more_than_alpha():
    assert 0.5 < sum(share for _, share in ALPHA_SHARES) <= 1.0


def test_a_group_that_is_not_accusable_is_at_most_reviewed():
    tail = tail_of([9, 8, 7, 6, 5, 4, 3], [10] * 7)
    assert verdict(20.0, tail, people=100, is_accusable=False) == "review"


def test_honest_groups_that_are_not_accusable_do_not_hold_the_accuse_threshold_up():
    tail = tail_of([9, 8, 7, 6], [10] * 4, accusable=[False, False, True, True])
    assert verdict(6.5, tail, people=100) == "accuse"


def test_an_unresolved_rate_caps_every_group_at_review():
    tail = tail_of([9, 8, 7], [200, 200, 200])
    assert verdict(50.0, tail, people=100) == "review"


def test_a_group_needs_two_strong_signals_and_two_exchanges_per_account():
    strong, weak = 1.4, 1.2
    log10s = np.array([[strong] * 2 + [0.0] * 2, [strong, weak, weak, weak], [strong] * 4])
    evidence = Evidence(log10s, np.full(3, 10), np.array([2.0, 50.0, 1.9]), np.zeros(3))
    assert accusable(evidence, np.full(3, "content"), Settings()).tolist() == [True, False, False]


def test_sharing_a_network_is_never_enough_to_be_accused():
    assert verdict(20.0, tail_of([9, 8], [10] * 2, families=["identity"] * 2), people=100, family="network") == "review"


def test_p_values_rank_among_the_best_group_of_each_window():
    tail = tail_of([9, 8, 5, 4], [10] * 4, windows=[0, 0, 1, 1])
    p = window_p_values(np.array([10.0, 9.0, 6.0, 1.0]), tail, n_windows=3)
    assert p.tolist() == [1 / 4, 2 / 4, 2 / 4, 3 / 4]


def test_a_window_without_a_group_in_the_tail_ranks_at_the_floor():
    tail = tail_of([-2, -3], [10, 10], windows=[0, 1], floor=-3.0)
    assert window_p_values(np.array([-1.0, -2.5, -3.0]), tail, n_windows=3).tolist() == [1 / 4, 2 / 4, 4 / 4]


def test_from_the_floor_down_every_honest_person_counts_in_q():
    tail = tail_of([9, 8], [10, 20], floor=8.0)
    q = people_q_values(np.array([8.5, 8.0]), np.array([100, 100]), tail, n_group_people=600)
    assert q == pytest.approx([200 / 600 * 11 / 100, 1.0])


def test_q_values_are_honest_people_over_all_people_and_never_fall_with_the_score():
    tail = tail_of([9, 8], [10, 20])
    q = people_q_values(np.array([10.0, 8.5, 8.0]), np.array([100, 100, 100]), tail, n_group_people=600)
    # scale 300/600; honest 0+1, 10+1, 30+1
    assert q == pytest.approx([0.5 * 1 / 100, 0.5 * 11 / 200, 0.5 * 31 / 300])


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(5, 60)), min_size=1, max_size=20), honest)
def test_q_values_are_shares_and_monotone(groups, reference):
    scores, sizes = (np.array(column) for column in zip(*groups, strict=True))
    tail = tail_of(*zip(*reference, strict=True))
    q = people_q_values(scores.astype(float), sizes, tail, n_group_people=int(tail.people.sum()))
    assert np.all((q > 0) & (q <= 1))
    order = np.argsort(-scores, kind="stable")
    assert np.all(np.diff(q[order]) >= 0)
    assert all(len({float(x) for x in q[scores == score]}) == 1 for score in scores)


def test_the_nearest_class_uses_only_signals_that_both_have():
    fitted = calibration()
    quickstart = next(one for one in fitted.lookalikes if one.name == "quickstart")
    residuals = np.array([quickstart.centroid, quickstart.centroid, [np.nan] * 4], dtype=float)
    residuals[1, 0] = np.nan
    names = [fitted.lookalikes[place].name for place in nearest_lookalikes(residuals, fitted)]
    assert names[:2] == ["quickstart", "quickstart"]


def test_a_signal_that_the_run_lacks_leaves_the_honest_scores_too():
    fitted = calibration()
    full = honest_tail(fitted, np.ones(4, dtype=bool), settings=Settings())
    without = honest_tail(fitted, np.array([name != "youth" for name in SIGNALS]), settings=Settings())
    assert without.scores.max() < full.scores.max()
    assert np.all(np.diff(without.scores) <= 0)


def test_the_bound_of_no_false_group_is_three_blocks_over_the_windows():
    assert false_people_bound(0, 10, 120.0) == pytest.approx(2.9957 * 12, rel=1e-4)
