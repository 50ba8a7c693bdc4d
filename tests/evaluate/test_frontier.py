"""The suite `frontier`: its grid, its goals and its prices."""

import msgspec
import pytest

from stillwatch.evaluate import frontier
from stillwatch.evaluate.outcomes import Fate, Part
from stillwatch.simulate import Campaign

BASE = Campaign(name="base500", n_accounts=500)
GOALS = {
    "base50": 0.99, "base500": 0.99, "base5000": 0.99, "dilution 0.5": 0.99, "dilution 0.8": 0.97, "dilution 0.9": 0.95,
    "dilution 0.95": 0.85, "heavy-tailed and aged": 0.5, "templates 4x accounts": 0.9,
    "rewrite 0.9, dilution 0.9, 200 exchanges": 0.85, "aged": 0.95, "paraphrase 0.6": 0.95, "volume sigma 1.2": 0.95,
}  # fmt: skip


def turned(campaign):
    """The knobs that differ from the base campaign."""
    return {
        name for name in msgspec.structs.asdict(BASE) if getattr(campaign, name) != getattr(BASE, name)
    } - {"name"}  # fmt: skip


def part(**recall):
    """Everything is found but what is named."""
    fates = []
    for case in frontier.CASES:
        n = case.campaign.n_accounts
        hit = round(n * recall.get(case.name, 1.0))
        fates.append(Fate(case=case.name, n_accounts=n, n_accused=hit, n_flagged=hit, n_pieces=1, n_gathered=hit))
    return Part(seed=9001, fates=tuple(fates), n_windows=7)


def test_names_are_unique():
    names = [case.name for case in frontier.CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", frontier.KNOBS, ids=lambda case: case.name)
def test_a_knob_turns_one_thing_and_has_a_goal_and_a_price(case):
    assert len(turned(case.campaign) - {"shares_tools"}) == 1
    assert case.wanted is not None
    assert case.price


@pytest.mark.parametrize(("name", "goal"), GOALS.items())
def test_goals_are_those_that_were_set(name, goal):
    assert next(case.wanted for case in frontier.CASES if case.name == name) == goal


def test_finding_everything_passes(bench):
    assert frontier.report([part()], bench).failures == ()


def test_a_missed_goal_fails_by_name(bench):
    found = frontier.report([part(aged=0.9)], bench).failures
    assert found == ("aged: mean recall 0.900 is below 0.95",)


def test_what_is_only_reported_never_fails(bench):
    assert frontier.report([part(**{"all behavioural": 0.0})], bench).failures == ()


def test_the_price_table_says_what_an_evasion_buys():
    rows = {row[0]: row for row in frontier.price_table([part(**{"dilution 0.9": 0.25})]).rows}
    assert rows["dilution 0.9"][1:3] == (0.75, "10.0")


def test_heavy_tails_cost_eight_times_the_accounts():
    assert frontier.idle_factor(1.2) == pytest.approx(7.9, abs=0.1)
    assert frontier.idle_factor(0.0) == 1.0


def test_every_case_has_a_bar_with_its_goal(bench):
    bars = frontier.report([part()], bench).bars
    assert [(bar.name, bar.goal) for bar in bars] == [(case.name, case.wanted) for case in frontier.CASES]
