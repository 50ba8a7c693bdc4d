"""Thresholds in people, p- and q-values, nearest class."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.scoring.matrix import ALPHA_SHARES
from stillwatch.scoring.scorer import Evidence
from stillwatch.scoring.settings import Settings
from stillwatch.scoring.threshold import (
    HonestTail,
    Standing,
    accusable,
    family_thresholds,
    honest_tail,
    standing,
    threshold_in_people,
)
from stillwatch.scoring.verdict import (
    Crowd,
    HonestStanding,
    crowd_q_values,
    false_people_bound,
    honest_standing,
    nearest_lookalikes,
    tiers,
    window_p_values,
)
from tests.scoring.honest import SIGNALS, calibration

honest = st.lists(st.tuples(st.integers(0, 12), st.integers(5, 60)), min_size=1, max_size=25)


def tail_of(scores, sizes, windows=None, accusable=None, floor=0.0, families=None):
    n = len(scores)
    order = np.argsort(-np.array(scores, dtype=float), kind="stable")
    columns = (scores, sizes, windows or [0] * n, families or ["content"] * n, accusable or [True] * n)
    types = (float, float, np.int64, np.str_, np.bool_)
    return HonestTail(*(np.array(c, dtype=t)[order] for c, t in zip(columns, types, strict=True)), floor)


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
    assert threshold_in_people(tail_of([], [], floor=np.inf), budget=50).score == np.inf


def test_where_no_honest_group_reaches_the_tail_the_floor_is_the_threshold_for_review():
    tail = tail_of([9, 8, 7], [10] * 3, floor=2.0)
    assert [verdict(score, tail, people=100, family="stratum") for score in (1.9, 2.1, 50)] == [
        "none",
        "review",
        "review",
    ]


def test_a_threshold_is_never_below_what_the_tail_knows():
    # honest groups between 5 and 8 lost a signal and may be more than the two that were kept
    assert threshold_in_people(tail_of([9, 5], [10, 10], floor=8.0), budget=50).score == 8.0


def judged(score, tail, *, people, is_accusable=True, family="content", is_named=False):
    """Of one group: its verdict and p among five windows; alpha x people x its family's share is people / 10."""
    thresholds = family_thresholds(tail, people=people, alpha=0.1 / ALPHA_SHARES[family])
    scores, families = np.array([float(score)]), np.array([family])
    groups = standing(scores, families, np.array([is_accusable]), thresholds)
    p_values = window_p_values(groups, honest_standing(tail, thresholds), n_windows=5)
    found = tiers(scores, families, groups, thresholds, is_named=np.array([is_named]))
    assert is_named or not found.is_lifted[0]
    return found.tiers[0].as_py(), p_values[0]


def verdict(score, tail, **of):
    return judged(score, tail, **of)[0]


def test_tiers_follow_alpha_and_ten_times_alpha():
    tail = tail_of([9, 8, 7, 6, 5, 4, 3], [10] * 7)
    # alpha x people = 10: one group of ten may lie above 8; ten times that holds all groups, so review opens at 3
    found = [verdict(score, tail, people=100) for score in (8.5, 8.0, 3.5, 3.0)]
    assert found == ["accuse", "review", "review", "none"]


def test_what_a_peer_names_is_reviewed_earlier_and_never_accused_for_it():
    tail = tail_of([9, 8, 7, 6, 5, 4, 3, 2], [10] * 8)
    # alpha x people = 1 accuses nobody; ten times that reviews from 8 on, a hundred times that everything above 2
    found = [verdict(score, tail, people=10, is_named=named) for score in (9.5, 5.0, 1.0) for named in (False, True)]
    assert found == ["review", "review", "none", "review", "none", "none"]
    accused = [verdict(score, tail, people=100, is_named=True) for score in (8.5, 8.0)]
    assert accused == ["accuse", "review"]


def test_honest_groups_that_cannot_be_accused_do_not_let_a_named_group_be():
    # what is accusable among the honest is weak, so that the accuse threshold lies below that of review
    tail = replace(tail_of([9, 8, 3], [60, 60, 10]), is_accusable=np.array([False, False, True]))
    assert [verdict(7.0, tail, people=100, is_named=named) for named in (False, True)] == ["none", "review"]


def test_honest_groups_of_one_network_do_not_hold_up_the_threshold_of_what_is_sent():
    tail = tail_of([9, 8, 7, 6], [10] * 4, families=["network", "network", "content", "content"])
    assert verdict(7.5, tail, people=100) == "accuse"
    assert verdict(7.5, tail, people=100, family="network") == "none"


def test_families_share_no_more_than_alpha():
    assert 0.5 < sum(ALPHA_SHARES.values()) <= 1.0


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
    evidence = Evidence(np.full((2, 4), 3.0), np.full(2, 10), np.full(2, 50.0), np.zeros(2))
    assert accusable(evidence, np.array(["network", "identity"]), Settings()).tolist() == [False, True]


def standing_of(margins, may_accuse=None):
    return Standing(np.array(margins, dtype=float), np.array(may_accuse or [True] * len(margins)))


def honest_of(margins, sizes=None, windows=None, may_accuse=None, floor=-np.inf):
    n = len(margins)
    columns = (may_accuse or [True] * n, sizes or [10] * n, windows or [0] * n)
    return HonestStanding(np.array(margins, dtype=float), *map(np.array, columns), floor)


def test_p_values_rank_among_the_best_group_of_each_window():
    p = window_p_values(standing_of([10, 9, 6, 1]), honest_of([9, 8, 5, 4], windows=[0, 0, 1, 1]), n_windows=3)
    assert p.tolist() == [1 / 4, 2 / 4, 2 / 4, 3 / 4]


def test_a_window_without_a_group_in_the_tail_ranks_at_the_floor():
    p = window_p_values(standing_of([-1, -2.5, -3]), honest_of([-2, -3], windows=[0, 1], floor=-3.0), n_windows=3)
    assert p.tolist() == [1 / 4, 2 / 4, 4 / 4]


def test_what_can_be_accused_is_not_ranked_among_what_cannot():
    honest = honest_of([9, 8, 7], windows=[0, 1, 2], may_accuse=[False, True, False])
    p = window_p_values(standing_of([8.5, 8.5], [True, False]), honest, n_windows=3)
    assert p.tolist() == [1 / 4, 2 / 4]


def test_without_honest_groups_no_p_value_is_below_one():
    tail = tail_of([], [], floor=np.inf)
    assert judged(9.0, tail, people=100) == ("none", 1.0)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(5, 12), st.integers(0, 4)), min_size=1, max_size=25))
def test_an_accusation_is_no_likelier_by_chance_than_windows_with_a_false_one(groups):
    scores, sizes, windows = zip(*groups, strict=True)
    tail = tail_of(scores, sizes, windows=list(windows))
    tier, p_value = judged(max(scores), tail, people=150)
    false = {window for score, _, window in groups if judged(score, tail, people=150)[0] == "accuse"}
    assert tier != "accuse" or p_value <= (1 + len(false)) / 6


def test_families_are_ranked_by_what_they_exceed_and_not_by_what_their_scores_happen_to_be():
    tail = tail_of([90, 80, 9, 8], [10] * 4, windows=[0, 1, 2, 3], families=["identity"] * 2 + ["content"] * 2)
    assert judged(8.5, tail, people=100) == ("accuse", 2 / 6)


def q_values(margins, sizes, honest, *, n_group_people):
    """q of groups that are all of a run."""
    crowd = Crowd.of(margins, np.asarray(sizes), honest.floor)
    return crowd_q_values(margins, crowd, honest, n_group_people=n_group_people)


def test_from_the_floor_down_every_honest_person_counts_in_q():
    q = q_values(np.array([8.5, 8]), [100, 100], honest_of([9, 8], [10, 20], floor=8.0), n_group_people=600)
    assert q == pytest.approx([200 / 600 * 11 / 100, 1.0])


def test_q_values_are_honest_people_over_all_people_and_never_fall_with_the_margin():
    honest = honest_of([8, 9], [20, 10])
    q = q_values(np.array([10, 8.5, 8]), [100, 100, 100], honest, n_group_people=600)
    # scale 300/600; honest 0+1, 10+1, 30+1
    assert q == pytest.approx([0.5 * 1 / 100, 0.5 * 11 / 200, 0.5 * 31 / 300])


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(5, 60)), min_size=1, max_size=20), honest)
def test_q_values_are_shares_and_monotone(groups, reference):
    margins, sizes = (np.array(column) for column in zip(*groups, strict=True))
    among = honest_of(*map(list, zip(*reference, strict=True)))
    q = q_values(margins, sizes, among, n_group_people=int(among.people.sum()))
    assert np.all((q > 0) & (q <= 1))
    order = np.argsort(-margins, kind="stable")
    assert np.all(np.diff(q[order]) >= 0)
    assert all(len({float(x) for x in q[margins == margin]}) == 1 for margin in margins)


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
