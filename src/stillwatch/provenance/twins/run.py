"""The sign test of a suspect between served answers and their twins."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.provenance.finding import Control, Finding, Grade, Plot
from stillwatch.provenance.passive.channels import token_grams, word_tokens
from stillwatch.provenance.settings import TwinSettings
from stillwatch.provenance.twins.prompts import distinct_prompts
from stillwatch.provenance.twins.sampler import Twin
from stillwatch.stats.conformal import conformal_p
from stillwatch.stats.signs import sign_power, sign_test

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

TEST: Final = "twin_sign"
Metric = Literal["logprob", "continuation", "overlap"]
"""`logprob`: which of the two the suspect finds more likely; `continuation`: which it goes on
with when it is given the first words; `overlap`: which its own answers repeat more of."""
POWER_SHARE: Final = 0.6
"""Share of decided pairs that power is stated for; a student of three passes had 0.64 with log-probabilities."""
N_FLIPS: Final = 999
SMALLEST_P: Final = 1e-300
"""Smaller tails leave the range of floating point and are not told apart."""
N_DRAWN: Final = 500
"""Permutations that the dossier draws."""
CONTROL_LEVEL: Final = 0.01


def log_probability_gaps(twins: Sequence[Twin], scored: Mapping[str, tuple[float, float]]) -> Reals:
    """The suspect's log-probability of the served answer less that of the twin, by call; NaN where it is not known."""
    nothing = (float("nan"), float("nan"))
    return np.array([np.subtract(*scored.get(twin.call_id, nothing)) for twin in twins], dtype=np.float64)


def overlap_gaps(twins: Sequence[Twin], answers: Mapping[str, Sequence[str]]) -> Reals:
    """Word 3-grams of the suspect's answers in the served answer less those in the twin; NaN without an answer.

    Shared grams are counted per gram of the answer compared with, so that a longer one has no advantage.
    """
    gaps = np.full(len(twins), np.nan)
    for place, twin in enumerate(twins):
        own = answers.get(twin.call_id, ())
        if own:
            mine = _grams(list(own))
            gaps[place] = _share(mine, twin.served) - _share(mine, twin.twin)
    return gaps


def _grams(texts: list[str]) -> npt.NDArray[np.uint64]:
    return np.unique(token_grams(word_tokens(pa.array(texts, pa.string()))).keys)


def _share(mine: npt.NDArray[np.uint64], text: str) -> float:
    theirs = _grams([text])
    return float(np.isin(theirs, mine).mean()) if theirs.size else 0.0


def twin_sign(
    twins: Sequence[Twin], gaps: Reals, *, metric: Metric, settings: TwinSettings, rng: np.random.Generator
) -> Finding:
    """The finding of the sign test. `gaps` are positive where the suspect stands closer to the served answer.

    Null hypothesis: the suspect was made without the served answers; then served and twin are exchangeable given the
    prompt, whatever else the suspect learned from the same model. One pair of each cluster of near-duplicate prompts
    counts; pairs at temperature 0, of two equal answers, or without the suspect's word are left out.
    """
    kept = distinct_prompts(pa.array([twin.prompt for twin in twins], pa.string()),
                            near_duplicate=settings.near_duplicate)  # fmt: skip
    usable = [place for place in kept
              if twins[place].temperature > 0 and twins[place].served != twins[place].twin and not np.isnan(gaps[place])]  # fmt: skip  # noqa: E501
    signs = np.sign(gaps[usable])
    n_for, n_against, n_ties = (int(np.sum(signs == sign)) for sign in (1, -1, 0))
    result = sign_test(n_for, n_against, n_ties)
    n_decided = n_for + n_against
    permuted = rng.binomial(n_decided, 0.5, size=N_FLIPS)
    return Finding(
        test=TEST,
        grade=Grade.A_MINUS,
        p_value=max(result.p_value, SMALLEST_P),
        alpha=settings.alpha,
        effect=f"share of decided pairs in which the suspect stands closer to the served answer ({metric})",
        effect_value=result.share,
        effect_low=result.interval[0],
        effect_high=result.interval[1],
        n=n_decided,
        power=sign_power(n_decided, POWER_SHARE, settings.alpha),
        power_against=f"a share of {POWER_SHARE:g} of decided pairs",
        null="served answer and twin are exchangeable given the prompt: the suspect never saw the served one",
        assumptions=(
            "the twin was sampled by the same snapshot with the same settings, and given to nobody",
            "served answers were not published",
            "the metric was fixed before the suspect was asked",
        ),
        controls=(_permuted_labels(permuted, n_for, n_decided, result.p_value),),
        refusals=_refusals(twins, n_decided, settings),
        notes=(f"{len(twins)} twins, {kept.size} distinct prompts, {n_for}:{n_against} decided, {n_ties} ties",),
        plots=(Plot("Permuted labels and the true ones", "share of decided pairs closer to the served answer",
                    tuple(np.round(permuted[:N_DRAWN] / n_decided, 4).tolist()), result.share),) if n_decided else (),
    )  # fmt: skip


def _permuted_labels(permuted: Ints, n_for: int, n_decided: int, p_value: float) -> Control:
    """Labels served and twin swapped at random in each pair: the test must flag its level and no more."""
    flagged = sum(sign_test(int(n), int(n_decided - n)).p_value <= CONTROL_LEVEL for n in permuted)
    rank = float(conformal_p([float(n_for)], permuted)[0])
    return Control("label permutation", N_FLIPS, flagged, CONTROL_LEVEL,
                   f"rank of the true labels {rank:.2g}, exact p {p_value:.2g}")  # fmt: skip


def _refusals(twins: Sequence[Twin], n_decided: int, settings: TwinSettings) -> tuple[str, ...]:
    if twins and all(twin.temperature <= 0 for twin in twins):
        return ("all answers were served at temperature 0: a twin would be the served answer itself",)
    if n_decided < settings.min_pairs:
        return (f"too few decided pairs: {n_decided}, {settings.min_pairs} are needed",)
    return ()
