"""The keyed test: do a suspect's habits follow our key, among keys that were never served?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.errors import ProvenanceError
from stillwatch.provenance.canary.carriers import CARRIERS, UNSEEN, Carrier
from stillwatch.provenance.canary.keys import campaign_key, commitment, decoy_keys
from stillwatch.provenance.canary.plan import CLASSES, CanaryPlan, chosen_options
from stillwatch.provenance.finding import Control, Finding, Grade, Part, Plot
from stillwatch.provenance.settings import CanarySettings
from stillwatch.stats.multiple_testing import holm
from stillwatch.stats.random_sums import SumNull, uniform_choice_sum

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

TEST: Final = "canary_keyrank"
STEPS: Final = 64
"""Steps a unit of weight: rounding them is the same for every key, so it costs no exactness."""
CONTROL_LEVEL: Final = 0.01


@dataclass(frozen=True, slots=True)
class Cells:
    """What was seen, cell by cell (a carrier and a prompt class), whatever the key.

    `weights[cell, option]` are whole steps that a key scores there; `carrier` and `prompt_class` name the cell.
    """

    weights: Ints
    carrier: Ints
    prompt_class: Ints
    n_seen: int

    @property
    def null(self) -> SumNull:
        """Distribution of the score under a random key."""
        return uniform_choice_sum(self.weights)

    def scores(self, keys: list[bytes]) -> Ints:
        """Score of each key: the sum over cells of the weight of the option that it chooses."""
        total = np.zeros(len(keys), dtype=np.int64)
        n_options = self.weights.shape[1]
        for carrier in np.unique(self.carrier):
            cells = np.flatnonzero(self.carrier == carrier)
            chosen = chosen_options(keys, int(carrier), self.prompt_class[cells], n_options)
            total += self.weights[cells[None, :], chosen].sum(axis=1)
        return total


def observed_cells(answers: pa.Array, classes: Ints, carriers: Sequence[Carrier] = CARRIERS) -> Cells:
    """What a suspect's answers show; `classes` are the prompt classes of the answers, by number.

    A cell's weights are (seen - expected) / sqrt(n): expected by the carrier's options in all of the suspect's
    answers, so that a habit of the suspect that does not depend on the class weighs nothing. No key enters.
    """
    if len({len(carrier.options) for carrier in carriers}) > 1:
        raise ProvenanceError("all carriers of a plan must have the same number of options")
    rows, names, places = [], [], []
    n_seen = 0
    for number, carrier in enumerate(carriers):
        counts = tallied(carrier.seen(answers), classes, len(CLASSES), len(carriers[0].options))
        n_seen += int(counts.sum())
        kept = np.flatnonzero(counts.sum(axis=1))
        rows.append(cell_weights(counts[kept]))
        names.append(np.full(kept.size, number))
        places.append(kept)
    return Cells(np.concatenate(rows), np.concatenate(names), np.concatenate(places), n_seen)


def tallied(seen: Ints, classes: Ints, n_classes: int, n_options: int) -> Ints:
    """How often each option was seen in each class, (n_classes, n_options)."""
    shown = seen != UNSEEN
    flat = np.bincount(classes[shown] * n_options + seen[shown], minlength=n_classes * n_options)
    return flat.reshape(n_classes, n_options)


def cell_weights(counts: Ints) -> Ints:
    """Weights in steps from the counts of one carrier, (n_cells, n_options)."""
    if not counts.size:
        return counts
    n = counts.sum(axis=1, keepdims=True)
    expected = n * counts.sum(axis=0) / counts.sum()
    return np.asarray(np.rint(STEPS * (counts - expected) / np.sqrt(n)), dtype=np.int64)


ASSUMPTIONS: Final = (
    "the keys were drawn and committed to before serving and stayed secret",
    "probe prompts hold no canary text",
)


def keyrank(cells: Cells, plan: CanaryPlan, master: bytes, *, settings: CanarySettings) -> Finding:
    """The finding of the keyed test over all campaigns of a plan.

    Null hypothesis: the suspect's answers are independent of our keys; then the true key scores as a random one does,
    and the p-value is the exact tail of the score under a uniform key. Holm over campaigns.

    Raises:
        ProvenanceError: the keys are not those that were committed to.
    """
    keys = _keys_of(plan, master)
    decoys = decoy_keys(master, plan.plan_id, plan.n_decoys)
    if commitment(*decoys) != plan.decoy_commitment:
        raise ProvenanceError(f"the decoy keys of {plan.plan_id} are not those that were committed to")
    null = cells.null
    scores, decoy_scores = cells.scores(keys), cells.scores(decoys)
    p_values = np.array([null.at_least(int(score)) for score in scores])
    adjusted = holm(p_values)
    deviation = max(null.deviation, 1e-9)
    z = (scores - null.mean) / deviation
    ranks = [(1 + int(np.sum(decoy_scores >= score))) / (1 + decoy_scores.size) for score in scores]
    best = int(np.argmin(p_values))
    levels = np.array([null.at_least(int(score)) for score in decoy_scores])
    return Finding(
        test=TEST,
        grade=Grade.A,
        p_value=float(adjusted[best]),
        alpha=settings.alpha,
        effect="score of the best campaign's key, in standard deviations over keys",
        effect_value=float(z[best]),
        effect_low=None,
        effect_high=None,
        n=cells.n_seen,
        power=None,
        power_against="see `stillwatch provenance plan-canaries --following`",
        null="the suspect's answers are independent of the secret keys; a uniform random key would score as much",
        assumptions=ASSUMPTIONS,
        parts=tuple(
            Part(campaign.subject, float(p), float(a), float(value), cells.n_seen, f"rank among decoys {rank:.2g}")
            for campaign, p, a, value, rank in zip(plan.campaigns, p_values, adjusted, z, ranks, strict=True)
        ),
        controls=(Control("decoy keys", levels.size, int(np.sum(levels <= CONTROL_LEVEL)), CONTROL_LEVEL),),
        refusals=_refusals(null, len(keys), settings),
        notes=(f"best campaign {plan.campaigns[best].subject}; {cells.weights.shape[0]} cells",),
        plots=(Plot("Decoy keys and the best campaign's key", "score, standard deviations",
                    tuple(np.round((decoy_scores[:500] - null.mean) / deviation, 4).tolist()), float(z[best])),),
    )  # fmt: skip


def _keys_of(plan: CanaryPlan, master: bytes) -> list[bytes]:
    keys = [campaign_key(master, campaign.subject, plan.epoch) for campaign in plan.campaigns]
    for key, campaign in zip(keys, plan.campaigns, strict=True):
        if commitment(key) != campaign.commitment:
            raise ProvenanceError(f"the key of {campaign.subject} is not the one that {plan.plan_id} committed to")
    return keys


def _refusals(null: SumNull, n_campaigns: int, settings: CanarySettings) -> tuple[str, ...]:
    """No key can reach the level where too few cells were seen."""
    highest = null.lowest + int(np.flatnonzero(null.mass)[-1]) if null.mass.size else 0
    floor = null.at_least(highest) * n_campaigns
    if floor <= settings.alpha:
        return ()
    return (f"too few cells were seen: the best possible p-value is {floor:.2g}, {settings.alpha:g} is needed",)
