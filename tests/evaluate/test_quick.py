"""The suite `quick`: what it demands and what it says."""

import msgspec
import pytest

from stillwatch.evaluate import quick
from stillwatch.evaluate.outcomes import ClassRow, Fate, Part
from stillwatch.evaluate.ship import SHIPPED_PLAN
from stillwatch.evaluate.suite import SEEDS


def fate(case, n_accused=100):
    return Fate(case=case, n_accounts=100, n_accused=n_accused, n_flagged=100, n_pieces=1, n_gathered=n_accused)


def part(**changes):
    whole = Part(
        seed=9001,
        fates=tuple(fate(case.name) for case in quick.CASES),
        classes=(ClassRow("class", 100, 2, 0, 900, 0, 0, 0),),
        n_windows=1,
        values={"popular_tokens": 3, "popular_tokens_accused": 0},
    )
    return msgspec.structs.replace(whole, **changes)


def failures(bench, **changes):
    return quick.report([part(**changes)], bench).failures


def test_meeting_every_demand_passes(bench):
    assert failures(bench) == ()


def test_low_recall_fails_by_name(bench):
    fates = (fate("base50", 98), *part().fates[1:])
    assert failures(bench, fates=fates) == ("base50: mean recall 0.980 is below 0.99",)


def test_a_class_with_more_than_two_percent_of_its_groups_accused_fails(bench):
    classes = (ClassRow("class", 100, 3, 0, 900, 30, 0, 0),)
    assert failures(bench, classes=classes) == ("class: 3 of 100 groups accused, above 2%",)


def test_ordinary_groups_are_bounded_in_people_and_not_as_a_class(bench):
    assert failures(bench, classes=(ClassRow("ordinary", 100, 3, 0, 900, 30, 0, 0),)) == ()


def test_a_whole_popular_token_fails(bench):
    found = failures(bench, values={"popular_tokens": 3, "popular_tokens_accused": 1})
    assert found == ("1 popular tokens were accused as a whole",)


def test_the_bound_on_people_is_never_zero(bench):
    notes = quick.report([part(n_honest=1_000)], bench).notes
    assert "Honest people accused: 0 of 1000 in 1 windows (2 groups)" in notes[0]
    assert "at most 0 a window" not in notes[0]


def test_seeds_of_the_suite_are_not_those_of_the_shipped_calibration():
    assert not set(SEEDS) & {*SHIPPED_PLAN.reference_seeds, *SHIPPED_PLAN.threshold_seeds}
    assert len(SEEDS) >= 5


@pytest.mark.parametrize("case", quick.CASES, ids=lambda case: case.name)
def test_every_case_has_a_goal(case):
    assert case.wanted is not None
