"""The verb `evaluate`: which suites there are, and what it prints, keeps and returns."""

import json
from pathlib import Path

import pytest

from stillwatch.cli.app import main
from stillwatch.evaluate import suites
from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.report import Bar, Body
from stillwatch.evaluate.suite import Suite


def probe(name: str, *failures: str) -> Suite:
    bars = (Bar(name=f"{name} case", value=0.5, low=0.4, high=0.6, goal=0.9),)
    return Suite(
        name=name,
        question="Does it <work>?",
        measure=lambda seed, _bench: Part(seed=seed),
        report=lambda _parts, _bench: Body(tables=(), failures=failures, bars=bars),
    )


@pytest.fixture
def two_suites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suites, "SUITES", {"good": probe("good"), "bad": probe("bad", "too little")})


def test_an_unknown_suite_is_refused_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "nonsense"]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in (*suites.SUITES, "full", "audit"))


@pytest.mark.usefixtures("two_suites")
def test_a_suite_that_passes_returns_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "good", "--seeds", "9001", "9002"]) == 0
    assert "seeds 9001, 9002" in capsys.readouterr().out


@pytest.mark.usefixtures("two_suites")
def test_a_missed_goal_returns_1_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "bad", "--seeds", "9001"]) == 1
    assert "FAILS: too little" in capsys.readouterr().out


@pytest.mark.usefixtures("two_suites")
def test_progress_is_told_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", "good", "--seeds", "9001", "9002"])
    assert "good: seed 9002, 2 of 2" in capsys.readouterr().err


@pytest.mark.usefixtures("two_suites")
def test_the_folder_holds_seeds_report_and_plot(tmp_path: Path) -> None:
    main(["evaluate", "good", str(tmp_path), "--seeds", "9001"])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"good-9001.json", "good.md", "good.json", "good.svg"}
    assert "Does it &lt;work&gt;?" in (tmp_path / "good.svg").read_text()


@pytest.mark.usefixtures("two_suites")
def test_full_runs_every_suite_and_sums_them_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "full", str(tmp_path), "--seeds", "9001"]) == 1
    assert {"good.md", "bad.md", "full.md", "full.json"} <= {path.name for path in tmp_path.iterdir()}
    assert "FAILS: bad: too little" in capsys.readouterr().out


@pytest.mark.usefixtures("two_suites")
def test_json_has_the_commit_the_seeds_and_the_failures(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    main(["evaluate", "bad", "--seeds", "9001", "--json", str(path)])
    body = json.loads(path.read_text())
    assert body["seeds"] == [9001]
    assert body["body"]["failures"] == ["too little"]
    assert "commit" in body


def test_full_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "full"]) == 2
    assert "DIR" in capsys.readouterr().err


def test_seeds_that_were_calibrated_on_are_refused() -> None:
    assert main(["evaluate", "quick", "--seeds", "101"]) == 2


@pytest.mark.parametrize("suite", ["real", "starscout"])
def test_suites_of_real_data_say_that_they_need_it(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", suite]) == 2
    assert "--data" in capsys.readouterr().err
