"""The demonstration: suspects made from ours are told from those that are not."""

import sys

import numpy as np
import pytest
from scipy import stats

from stillwatch.cli.app import main
from stillwatch.provenance.demo.neural import Networks
from stillwatch.provenance.demo.ngram import NGrams
from stillwatch.provenance.demo.run import demonstrate, marked_students, twin_students


@pytest.fixture(scope="module")
def outcomes():
    return {outcome.suspect: outcome.finding for outcome in demonstrate(NGrams(), seed=4, n_prompts=150, n_train=600)}


def test_a_student_of_marked_answers_alone_is_found(outcomes) -> None:
    finding = outcomes["student of 100% marked answers"]
    assert finding.effect_value >= 5
    assert finding.rejects


def test_a_student_of_unmarked_answers_is_not(outcomes) -> None:
    assert outcomes["student of 0% marked answers"].p_value > 0.05


def test_the_campaign_that_fed_the_student_is_named(outcomes) -> None:
    first, second = outcomes["student of 100% marked answers"].parts
    assert first.adjusted_p_value < 1e-6
    assert second.p_value > 0.001


def test_a_student_of_served_answers_is_found_by_twins(outcomes) -> None:
    assert outcomes["student of the served answers"].p_value < 1e-6


def test_a_student_of_other_answers_of_the_teacher_is_not_accused(outcomes) -> None:
    assert not outcomes["student of other answers of the teacher"].rejects
    assert not outcomes["no student"].rejects


def test_equal_seeds_give_equal_outcomes() -> None:
    first, second = (demonstrate(NGrams(), seed=4, n_prompts=40, n_train=80) for _ in range(2))
    assert first == second


def test_a_student_that_shows_text_alone_is_found_by_what_it_goes_on_with() -> None:
    students = twin_students(NGrams(), np.random.default_rng(4), 60, ("continuation",))
    served, other, stranger = (outcome.finding for outcome in students)
    assert served.p_value < 1e-6
    assert not other.rejects
    assert not stranger.rejects


def test_without_torch_networks_say_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["provenance", "demo", "--students", "neural"]) != 0
    assert "stillwatch[provenance]" in capsys.readouterr().err


@pytest.mark.slow
def test_trained_networks_are_told_apart_as_n_grams_are() -> None:
    pytest.importorskip("torch", reason="needs the extra `provenance`")
    marked = {o.suspect: o.finding for o in marked_students(Networks(), np.random.default_rng(1), 400, 1500)}
    assert marked["student of 100% marked answers"].effect_value >= 5
    assert marked["student of 0% marked answers"].p_value > 0.05
    served, other, stranger = (o.finding for o in twin_students(Networks(), np.random.default_rng(1), 500))
    assert served.p_value < 1e-6
    assert not other.rejects
    assert not stranger.rejects


@pytest.mark.slow
def test_controls_of_the_twin_test_are_uniform() -> None:
    p_values = []
    for seed in range(100):
        students = {o.suspect: o.finding for o in twin_students(NGrams(), np.random.default_rng(seed), 120)}
        decided = students["student of other answers of the teacher"].effect_value * 120
        low, high = stats.binom.sf(round(decided) - 1, 120, 0.5), stats.binom.sf(round(decided), 120, 0.5)
        p_values.append(np.random.default_rng(seed).uniform(high, low))  # ties of the discrete p are spread
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_the_mark_is_found_over_five_seeds() -> None:
    for seed in range(5):
        findings = {o.suspect: o.finding for o in marked_students(NGrams(), np.random.default_rng(seed), 400, 1500)}
        assert findings["student of 100% marked answers"].effect_value >= 5
        assert findings["student of 0% marked answers"].p_value > 0.05
