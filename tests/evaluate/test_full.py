"""All suites as one: goals beside figures."""

import msgspec
import pytest

from stillwatch.evaluate import delay, framing, frontier, missing, successors
from stillwatch.evaluate.full import full
from stillwatch.evaluate.outcomes import ClassRow, Fate, Part
from stillwatch.evaluate.report import Report
from stillwatch.evaluate.suite import Suite
from stillwatch.evaluate.suites import SUITES


def report(suite: Suite, part, bench):
    return Report(
        suite=suite.name, question=suite.question, alpha=1e-4, calibration_id="ab" * 16, commit="", n_accounts=1,
        seeds=(9001,), body=suite.report([part], bench), parts=(part,),
    )  # fmt: skip


def fates(cases, recall=1.0):
    return tuple(
        Fate(case=name, n_accounts=100, n_accused=int(100 * recall), n_flagged=100, n_pieces=1, n_gathered=100)
        for name in cases
    )


def reports(bench, **parts):
    framed = tuple(msgspec.structs.replace(fate, n_accused=0) for fate in fates(framing.FRAMED.values()))
    whole = {
        "frontier": Part(seed=1, fates=fates(case.name for case in frontier.CASES), n_windows=7, n_honest=10**9),
        "delay": Part(
            seed=1, values={f"{c.name} {event}": 0.001 for c in delay.campaigns() for event, _, _ in delay.EVENTS}
        ),
        "missing": Part(seed=1, fates=fates(case.name for case in missing.cases()), n_windows=1),
        "framing": Part(seed=1, fates=(*fates(case.name for case in framing.CASES), *framed), n_windows=1),
        "successors": Part(seed=1, fates=fates(campaign.name for campaign in successors.CAMPAIGNS)),
    } | parts
    return {name: report(SUITES[name], part, bench) for name, part in whole.items()}


def goals(found):
    return {row[0]: row for row in found.body.tables[0].rows}


def test_meeting_every_goal_passes(bench):
    found = full(reports(bench), bench)
    assert found.passes
    assert {row[3] for row in goals(found).values()} == {"yes"}
    assert found.to_markdown().endswith("All demands of the suite are met.")


def test_every_goal_that_was_set_is_listed(bench):
    names = set(goals(full(reports(bench), bench)))
    assert {
        "recall, base50", "recall, base500", "recall, base5000", "recall, dilution 0.95", "any single other evasion",
        "recall, heavy-tailed and aged", "recall, all behavioural", "recall, templates 4x accounts",
        "recall, rewrite 0.9, dilution 0.9, 200 exchanges", "honest adopters accused under framing",
        "served at: first account accused", "served at: 80 % of accounts accused", "purity of found campaigns",
        "served at: 95 % of accounts accused", "pieces of a campaign", "replacements linked at the next daily run",
        "any one of text, infrastructure, timing missing, FPR 1e-3",
    } <= names  # fmt: skip


def test_the_worst_evasion_stands_for_all(bench):
    bad = tuple(
        msgspec.structs.replace(fate, n_accused=40) if fate.case == "aged" else fate
        for fate in fates(case.name for case in frontier.CASES)
    )
    found = full(reports(bench, frontier=Part(seed=1, fates=bad, n_windows=7, n_honest=10**9)), bench)
    assert goals(found)["any single other evasion"][2:] == ("0.400 (aged)", "no")
    assert "frontier: aged: mean recall 0.400 is below 0.95" in found.body.failures


def test_the_bound_in_people_fails_where_windows_are_few(bench):
    few = Part(seed=1, fates=fates(case.name for case in frontier.CASES), n_windows=1, n_honest=20_000)
    found = full(reports(bench, frontier=few), bench)
    assert any(sentence.startswith("honest people accused, upper 95 % bound") for sentence in found.body.failures)


def test_accused_groups_raise_the_bound_in_people(bench):
    row = ClassRow("ordinary", 1_000, 900, 0, 0, 0, 0, 0)
    part = Part(
        seed=1, fates=fates(case.name for case in frontier.CASES), n_windows=7, n_honest=10**7, classes=(row,)
    )  # fmt: skip
    assert not full(reports(bench, frontier=part), bench).passes


def test_no_timing_counts_and_the_missing_accounts_table_does_not(bench):
    def measured(arm):
        bad = tuple(
            msgspec.structs.replace(fate, n_accused=10) if fate.case.startswith(arm) else fate
            for fate in fates(case.name for case in missing.cases())
        )
        return goals(full(reports(bench, missing=Part(seed=1, fates=bad, n_windows=1)), bench))

    figure = "any one of text, infrastructure, timing missing, FPR 1e-3"
    assert measured("no timing")[figure][3] == "no"
    assert measured("no accounts table")[figure][3] == "yes"


def test_one_suite_alone_has_its_goals_only(bench):
    found = full({"successors": reports(bench)["successors"]}, bench)
    assert list(goals(found)) == ["replacements linked at the next daily run"]


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_is_registered_under_its_name(name):
    assert SUITES[name].name == name
