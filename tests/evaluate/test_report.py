"""What a suite says, as Markdown and as JSON."""

import json
import re

import msgspec

from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.report import Bar, Body, Report, Table, commit_of_checkout


def report(**changes):
    body = Body(tables=(Table("Recall", ("campaign", "recall", "n"), (("base", 0.5, 20),)),), **changes)
    return Report(
        suite="probe", question="Does it work?", alpha=1e-4, calibration_id="ab" * 16, commit="0123456789ab",
        n_accounts=20_000, seeds=(9001, 9002), body=body, parts=(Part(seed=9001),),
    )  # fmt: skip


def test_seeds_calibration_commit_and_alpha_are_printed():
    text = report().to_markdown()
    assert "alpha 0.0001, seeds 9001, 9002, 20000 honest accounts a world" in text
    assert "calibration abababababab, commit 0123456789ab" in text


def test_a_table_is_markdown_with_numbers_to_the_right():
    assert "| campaign | recall | n |\n| --- | ---: | ---: |\n| base | 0.500 | 20 |" in report().to_markdown()


def test_each_failed_demand_is_a_line():
    text = report(failures=("one", "two")).to_markdown()
    assert text.endswith("FAILS: one\nFAILS: two")
    assert not report(failures=("one",)).passes


def test_a_suite_without_failures_says_so():
    assert report().passes
    assert report().to_markdown().endswith("All demands of the suite are met.")


def test_json_holds_tables_failures_and_the_rows_of_each_seed():
    body = json.loads(report(failures=("one",)).to_json())
    assert body["body"]["failures"] == ["one"]
    assert body["body"]["tables"][0]["rows"] == [["base", 0.5, 20]]
    assert [part["seed"] for part in body["parts"]] == [9001]


def test_json_reads_back_as_the_same_report():
    assert msgspec.json.decode(report().to_json(), type=Report) == report()


def test_a_goal_is_a_least_value_unless_it_is_a_ceiling():
    bar = Bar(name="x", value=0.5, low=0.4, high=0.6, goal=0.3)
    assert bar.is_met
    assert not msgspec.structs.replace(bar, is_ceiling=True).is_met
    assert msgspec.structs.replace(bar, goal=None, is_ceiling=True).is_met


def test_the_commit_is_a_short_hash_or_nothing():
    assert re.fullmatch(r"([0-9a-f]{12,}\+?)?", commit_of_checkout())
