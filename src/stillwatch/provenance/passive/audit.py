"""What surrounds a passive result: its error rates on this pool, its power, and negative controls."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stillwatch.provenance.finding import Control
from stillwatch.provenance.passive.attribution import Attribution
from stillwatch.stats.conformal import conformal_p

Reals = npt.NDArray[np.float64]

LEVELS: Final = (0.05, 0.01)
"""Levels at which held-out false positives are printed."""


def held_out_p(attribution: Attribution, provider: str) -> Reals:
    """P-value of each clean reference as the suspect, the null refitted without its organisation."""
    references = attribution.references(provider)
    organisation = np.array([model.organisation for model in attribution.pool.models])
    return np.array(
        [
            attribution.scores(
                provider, references[organisation[references] != organisation[place]], int(place)
            ).p_value
            for place in references
        ]
    )


@dataclass(frozen=True, slots=True)
class Separation:
    """How well known descendants of a provider stand out: their number, area under the curve, share at alpha."""

    n_descendants: int
    area: float
    detected: float


def separation(attribution: Attribution, provider: str) -> Separation:
    """How the known descendants of the provider fare as suspects; NaN where the pool has none."""
    places = attribution.descendants(provider)
    if not places.size:
        return Separation(0, float("nan"), float("nan"))
    above, detected = [], []
    for place in places:
        scores = attribution.scores(provider, row=int(place))
        above.append(np.mean(scores.values[:-1] < scores.values[-1]))
        detected.append(scores.p_value <= attribution.settings.alpha)
    return Separation(places.size, float(np.mean(above)), float(np.mean(detected)))


def decoy_suspects(provider: str, p_values: Reals) -> tuple[Control, ...]:
    """Clean references run as suspects, their organisation held out."""
    return tuple(
        Control(f"decoy suspects for {provider}", p_values.size, int(np.sum(p_values <= level)), level)
        for level in LEVELS
    )


def decoy_providers(attribution: Attribution, provider: str) -> dict[str, tuple[float, float]]:
    """P-value and score of the suspect for every provider but the one in question, by name."""
    results = {}
    for other in attribution.families:
        if other != provider:
            scores = attribution.scores(other)
            results[other] = (scores.p_value, float(scores.values[-1]))
    return results


def label_permutation(attribution: Attribution, provider: str, rng: np.random.Generator) -> Control:
    """The suspect tested against providers made up of clean references, of the true one's size."""
    references = attribution.references(provider)
    size = len(attribution.families[provider])
    drawn = [rng.choice(references, size, replace=False) for _ in range(attribution.settings.n_permutations)]
    scores = [attribution.relabelled(np.sort(family).tolist(), references) for family in drawn]
    p_values = np.array([conformal_p(score.values[-1:], score.values[:-1])[0] for score in scores])
    level = LEVELS[0]
    return Control("label permutation", p_values.size, int(np.sum(p_values <= level)), level,
                   "made-up providers overlap, so their p-values are not independent")  # fmt: skip
