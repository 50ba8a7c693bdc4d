"""The verdict ladder: what all findings about a suspect say together, in words that are fixed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stillwatch.errors import ProvenanceError
from stillwatch.provenance.finding import Finding, Grade
from stillwatch.stats.evidence import calibrated_e, combined_e

ADMITTED: Final = frozenset({"canary_keyrank", "watermark_keyrank", "twin_sign", "passive_conformal"})
"""Tests whose null distribution is known. A t-test over prompts and a binomial over all tokens are none of them: on
real answers they flag up to 64 % and 38 % of unrelated models at 0.001 (docs/provenance.md)."""
FLOOR_P: Final = 1e-300
"""P-values below it are not told apart; an e-value stays finite."""


class Verdict(StrEnum):
    """The rungs, strongest first. None of them says that a suspect is innocent."""

    SUPPORTED = "supported"
    SUPPORTED_IF_TWINS = "supported_if_twins_are_accepted"
    CONSISTENT = "consistent_with"
    NO_EVIDENCE = "no_evidence"
    INCONCLUSIVE = "inconclusive"


_RUNGS: Final[Mapping[Grade, Verdict]] = {
    Grade.A: Verdict.SUPPORTED,
    Grade.A_MINUS: Verdict.SUPPORTED_IF_TWINS,
    Grade.B: Verdict.CONSISTENT,
}


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The verdict, the findings behind it, and why it is no stronger. `e_value` is null without fixed weights."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    reasons: tuple[str, ...]
    e_value: float | None


def reach(findings: Sequence[Finding], weights: Mapping[str, float] | None = None) -> Conclusion:
    """The conclusion from the findings, by the strongest grade that rejects.

    `weights` are those of the registered plan, one a test; without them no combined e-value is given. Where nothing
    rejects, one test that answered gives "no evidence", and none gives "inconclusive".

    Raises:
        ProvenanceError: there is no finding, one is of a test that is not admitted, or a test comes twice.
    """
    _check(findings)
    reasons = tuple(f"{finding.test}: {reason}" for finding in findings for reason in finding.refusals)
    rejecting = [finding.grade for finding in findings if finding.rejects]
    rungs = [grade for grade in _RUNGS if grade in rejecting]
    if rungs:
        verdict = _RUNGS[rungs[0]]
    elif all(finding.refusals for finding in findings):
        verdict = Verdict.INCONCLUSIVE
    else:
        verdict = Verdict.NO_EVIDENCE
    return Conclusion(verdict, tuple(findings), reasons, _combined(findings, weights))


def _check(findings: Sequence[Finding]) -> None:
    if not findings:
        raise ProvenanceError("a verdict needs at least one finding; run `stillwatch provenance test` first")
    unknown = sorted({finding.test for finding in findings} - ADMITTED)
    if unknown:
        raise ProvenanceError(f"{', '.join(unknown)}: no such test is admitted to a verdict ({', '.join(sorted(ADMITTED))})")  # fmt: skip  # noqa: E501
    if len({finding.test for finding in findings}) < len(findings):
        raise ProvenanceError("a test comes twice among the findings; which one counts must be fixed beforehand")


def _combined(findings: Sequence[Finding], weights: Mapping[str, float] | None) -> float | None:
    """Weighted mean of e-values; a test that was weighted and refused, or was not run, counts as 0, never in favour."""
    if weights is None:
        return None
    answered = [finding for finding in findings if not finding.refusals and finding.test in weights]
    e_values = [float(calibrated_e(max(finding.p_value, FLOOR_P))) for finding in answered]
    return combined_e(e_values, [weights[finding.test] for finding in answered]) if answered else 0.0
