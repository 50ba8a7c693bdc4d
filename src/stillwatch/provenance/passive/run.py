"""The passive test as a finding: p-value, error rates, controls, and the reasons not to answer."""

from typing import Final

import numpy as np

from stillwatch.errors import ProvenanceError
from stillwatch.provenance.finding import Control, Finding, Grade, Part, Plot
from stillwatch.provenance.passive.attribution import Attribution, Scores
from stillwatch.provenance.passive.audit import (
    LEVELS,
    Separation,
    decoy_providers,
    decoy_suspects,
    held_out_p,
    label_permutation,
    separation,
)
from stillwatch.provenance.passive.design import Suspect
from stillwatch.provenance.passive.pool import Pool
from stillwatch.provenance.settings import PassiveSettings
from stillwatch.stats.intervals import clopper_pearson
from stillwatch.stats.multiple_testing import holm

TEST: Final = "passive_conformal"
_NULL: Final = (
    "the suspect is exchangeable with the clean references of the pool, given its closeness to the other providers "
    "and the length of its answers"
)
_ASSUMPTIONS: Final = (
    "the references are not made from the provider; those that secretly are make the p-value too large",
    "the pool holds models like the suspect in size, language and length: one of a kind that it lacks may be flagged",
    "shared weights, shared human data, answers read on the public web and a student in between look the same",
)


def attribute(
    pool: Pool,
    suspect: Suspect,
    provider: str,
    *,
    settings: PassiveSettings,
    rng: np.random.Generator,
    year: int | None = None,
) -> Finding:
    """The finding of the passive test for one provider. `year` is the suspect's era; None: all references count.

    Raises:
        ProvenanceError: the pool has no family of that name.
    """
    attribution = Attribution(pool, suspect, settings, year=year)
    if provider not in attribution.families:
        raise ProvenanceError(f"the pool has no provider {provider}; it has {', '.join(attribution.families)}")
    early = _too_little(attribution, provider)
    if early:
        return _finding(attribution, provider, None, refusals=early)
    scores = attribution.scores(provider)
    held_out = held_out_p(attribution, provider)
    power = separation(attribution, provider)
    decoys = decoy_providers(attribution, provider)
    controls = (*decoy_suspects(provider, held_out), _decoy_control(decoys), label_permutation(attribution, provider, rng))  # fmt: skip  # noqa: E501
    refusals = (*_outside(scores), *_inseparable(power, settings), *_ambiguous(scores, decoys, settings),
                *_miscalibrated(held_out))  # fmt: skip
    return _finding(attribution, provider, scores, power=power, decoys=decoys, controls=controls, refusals=refusals,
                    lineage=_lineage(attribution))  # fmt: skip


def _too_little(attribution: Attribution, provider: str) -> tuple[str, ...]:
    settings = attribution.settings
    n_references, n_prompts = attribution.references(provider).size, attribution.suspect.prompts.size
    reasons = []
    if n_references < settings.min_references:
        reasons.append(f"the pool is too small: {n_references} clean references, {settings.min_references} are needed")
    if n_prompts < settings.min_prompts:
        reasons.append(f"too few prompts: {n_prompts} shared with the pool, {settings.min_prompts} are needed")
    return tuple(reasons)


def _outside(scores: Scores) -> tuple[str, ...]:
    if not scores.is_outside:
        return ()
    return ("the suspect lies outside of the pool: in length, or in closeness to providers, farther than any reference",)  # fmt: skip  # noqa: E501


def _inseparable(power: Separation, settings: PassiveSettings) -> tuple[str, ...]:
    if power.n_descendants < settings.min_descendants or power.area >= settings.min_separation:
        return ()
    stand = f"{power.n_descendants} known descendants stand above a clean reference with chance {power.area:.2f}"
    return (f"the pool cannot separate: {stand}, {settings.min_separation:g} is needed",)


def _ambiguous(scores: Scores, decoys: dict[str, tuple[float, float]], settings: PassiveSettings) -> tuple[str, ...]:
    """A small p-value for the provider says little where another provider's is as small and its score as high."""
    if scores.p_value > settings.alpha:
        return ()
    rivals = [name for name, (p_value, score) in decoys.items() if p_value <= settings.alpha
              and score >= scores.values[-1]]  # fmt: skip
    return (f"other providers fit as well: {', '.join(rivals)}",) if rivals else ()


def _miscalibrated(held_out: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[str, ...]:
    """The test must not flag decoy suspects more often than its level, beyond what chance allows."""
    n_flagged = int(np.sum(held_out <= LEVELS[0]))
    low, _ = clopper_pearson(n_flagged, held_out.size)
    if low <= LEVELS[0]:
        return ()
    return (f"decoy suspects are flagged too often: {n_flagged} of {held_out.size} at level {LEVELS[0]:g}",)


def _lineage(attribution: Attribution) -> tuple[str, ...]:
    """A lead without an error rate, for a sister of the suspect stands as close as its teacher."""
    wider = attribution.with_descendants()
    return (
        f"best fit among lineages, known descendants counted with their provider: {wider.best_fit(wider.families)}",
    )


def _decoy_control(decoys: dict[str, tuple[float, float]]) -> Control:
    p_values = np.array([p_value for p_value, _ in decoys.values()])
    n_flagged = int(np.sum(p_values <= LEVELS[0]))
    return Control("decoy providers", p_values.size, n_flagged, LEVELS[0],
                   "real providers: a suspect may truly resemble one of them")  # fmt: skip


def _finding(
    attribution: Attribution,
    provider: str,
    scores: Scores | None,
    *,
    power: Separation | None = None,
    decoys: dict[str, tuple[float, float]] | None = None,
    controls: tuple[Control, ...] = (),
    refusals: tuple[str, ...] = (),
    lineage: tuple[str, ...] = (),
) -> Finding:
    n_references = attribution.references(provider).size
    is_measured = power is not None and power.n_descendants > 0
    return Finding(
        test=TEST,
        grade=Grade.B,
        p_value=scores.p_value if scores else 1.0,
        alpha=attribution.settings.alpha,
        effect="closeness beyond the null, in spreads of the references",
        effect_value=float(scores.values[-1]) if scores else 0.0,
        effect_low=None,
        effect_high=None,
        n=attribution.suspect.prompts.size,
        power=power.detected if power is not None and is_measured else None,
        power_against=f"{power.n_descendants} known descendants in the pool" if power and is_measured else "not known",
        null=_NULL,
        assumptions=_ASSUMPTIONS,
        parts=_parts(provider, scores, decoys or {}, n_references) if scores else (),
        controls=controls,
        refusals=refusals,
        notes=(
            f"provider {provider}; {n_references} clean references, so no p-value below {1 / (n_references + 1):.2g}",
            *lineage,
        ),
        plots=(Plot("References and suspect", "closeness beyond the null",
                    tuple(round(float(value), 4) for value in scores.values[:-1]), float(scores.values[-1])),)
        if scores else (),
    )  # fmt: skip


def _parts(
    provider: str, scores: Scores, decoys: dict[str, tuple[float, float]], n_references: int
) -> tuple[Part, ...]:
    """The provider in question, the one hypothesis, and after it the decoy providers, corrected among themselves."""
    adjusted = holm([p_value for p_value, _ in decoys.values()])
    own = Part(provider, scores.p_value, scores.p_value, float(scores.values[-1]), n_references, "in question")
    return (own, *(
        Part(name, p_value, float(corrected), score, 0, "decoy provider")
        for (name, (p_value, score)), corrected in zip(decoys.items(), adjusted, strict=True)
    ))  # fmt: skip
