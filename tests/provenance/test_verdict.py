"""The ladder: what findings say together."""

import ast
from itertools import product
from pathlib import Path

import msgspec
import pytest

import stillwatch.provenance
from stillwatch.errors import ProvenanceError
from stillwatch.provenance.finding import Finding, Grade
from stillwatch.provenance.verdict import ADMITTED, Verdict, reach


def finding(test: str, p: float, *, refused: bool = False) -> Finding:
    grades = {"canary_keyrank": Grade.A, "watermark_keyrank": Grade.A, "twin_sign": Grade.A_MINUS}
    return Finding(test=test, grade=grades.get(test, Grade.B), p_value=p, alpha=0.01, effect="", effect_value=0.0,
                   effect_low=None, effect_high=None, n=1, power=None, power_against="", null="", assumptions=(),
                   refusals=("too little",) if refused else ())  # fmt: skip


@pytest.mark.parametrize(("test", "verdict"), [
    ("canary_keyrank", Verdict.SUPPORTED),
    ("watermark_keyrank", Verdict.SUPPORTED),
    ("twin_sign", Verdict.SUPPORTED_IF_TWINS),
    ("passive_conformal", Verdict.CONSISTENT),
])  # fmt: skip
def test_each_grade_has_its_rung(test: str, verdict: Verdict) -> None:
    assert reach([finding(test, 1e-9)]).verdict is verdict


def test_the_strongest_grade_that_rejects_decides() -> None:
    findings = [finding("passive_conformal", 1e-3), finding("canary_keyrank", 1e-9), finding("twin_sign", 0.5)]
    assert reach(findings).verdict is Verdict.SUPPORTED


def test_passive_evidence_alone_is_never_support() -> None:
    assert reach([finding("passive_conformal", 1e-12)]).verdict is Verdict.CONSISTENT


def test_a_refusing_test_supports_nothing() -> None:
    conclusion = reach([finding("canary_keyrank", 1e-9, refused=True)])
    assert conclusion.verdict is Verdict.INCONCLUSIVE
    assert conclusion.reasons == ("canary_keyrank: too little",)


def test_a_test_that_answers_and_finds_nothing_is_no_evidence() -> None:
    findings = [finding("twin_sign", 0.4), finding("passive_conformal", 1.0, refused=True)]
    assert reach(findings).verdict is Verdict.NO_EVIDENCE


def test_no_verdict_says_innocent() -> None:
    for tests in product([1e-9, 0.5], [True, False], repeat=2):
        conclusion = reach([finding("twin_sign", tests[0], refused=tests[1]),
                            finding("passive_conformal", tests[2], refused=tests[3])])  # fmt: skip
        assert "innocent" not in conclusion.verdict


def test_evidence_is_combined_by_weights_that_were_fixed_alone() -> None:
    findings = [finding("twin_sign", 1e-4), finding("passive_conformal", 0.04)]
    assert reach(findings).e_value is None
    weights = {"twin_sign": 0.5, "passive_conformal": 0.25, "canary_keyrank": 0.25}
    assert reach(findings, weights).e_value == pytest.approx(0.5 * 50 + 0.25 * 2.5)


def test_a_weighted_test_that_refused_adds_nothing() -> None:
    assert reach([finding("twin_sign", 1e-9, refused=True)], {"twin_sign": 1.0}).e_value == 0.0


@pytest.mark.parametrize("test", ["prompt_t_test", "prompt_level_t", "all_token_binomial", "style_classifier"])
def test_tests_without_a_known_null_are_not_admitted(test: str) -> None:
    with pytest.raises(ProvenanceError, match="admitted"):
        reach([finding(test, 1e-9)])


def test_a_finding_from_a_file_cannot_bring_a_test_of_its_own() -> None:
    forged = msgspec.json.decode(msgspec.json.encode(finding("all_token_binomial", 1e-9)), type=Finding)
    with pytest.raises(ProvenanceError, match="admitted"):
        reach([forged])


def test_no_t_test_and_no_binomial_over_tokens_is_in_the_room() -> None:
    """The only binomial is that of pairs in `stats.signs`; no file of the room calls SciPy's tests at all."""
    forbidden = {"ttest_1samp", "ttest_ind", "ttest_rel", "binomtest", "binom_test", "wilcoxon"}
    names: set[str] = set()
    for path in Path(stillwatch.provenance.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not names & forbidden


def test_every_admitted_test_is_one_of_the_rooms() -> None:
    from stillwatch.provenance.canary import keyrank, marks
    from stillwatch.provenance.passive import run as passive
    from stillwatch.provenance.twins import run as twins

    assert {keyrank.TEST, marks.TEST, passive.TEST, twins.TEST} == ADMITTED


@pytest.mark.parametrize("findings", [[], ["twin_sign", "twin_sign"]])
def test_nothing_and_one_test_twice_give_no_verdict(findings: list[str]) -> None:
    with pytest.raises(ProvenanceError):
        reach([finding(test, 0.5) for test in findings])
