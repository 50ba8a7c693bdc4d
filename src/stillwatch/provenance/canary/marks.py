"""A keyed token watermark for operators who expose a logits processor, and its test.

The mark: a token is green after another with chance `share`, by the key; the server adds `bias` to the logits of
green tokens. The test never counts tokens as independent trials: it asks whether the pairs that the suspect prefers
are green under our key more than under a random one.

References:
    J. Kirchenbauer et al., 2023, A watermark for large language models (ICML); ours draws each pair on its own.
    T. Sander et al., 2024, Watermarking makes language models radioactive (NeurIPS); ours weighs repeated pairs by
    the square root of their count instead of dropping the repeats, and takes the variance over keys.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stillwatch.provenance.canary.keys import keyed_words
from stillwatch.provenance.finding import Control, Finding, Grade, Part, Plot
from stillwatch.provenance.settings import CanarySettings
from stillwatch.stats.multiple_testing import holm
from stillwatch.stats.random_sums import bernoulli_sum

Ints = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]

TEST: Final = "watermark_keyrank"
STEPS: Final = 4
"""Steps a unit of weight; rounding is the same for every key."""
SMALLEST_P: Final = 1e-12
"""Fourier convolution keeps absolute, not relative precision: smaller tails are not told apart."""
_CONTROL_PAIRS: Final = 4_000_000
"""Keyed words that the decoy control may cost."""
CONTROL_LEVEL: Final = 0.01


@dataclass(frozen=True, slots=True)
class Mark:
    """The keyed mark. `share` of pairs are green; `bias` is what the server adds to a green token's logit."""

    key: bytes
    share: float = 0.25
    bias: float = 2.0

    def is_green(self, previous: Ints, token: Ints) -> Marks:
        """Whether each token is green after the one before it."""
        return np.asarray(green([self.key], previous, token, self.share)[0])

    def logit_bias(self, previous: int, n_vocabulary: int) -> npt.NDArray[np.float64]:
        """What a logits processor adds to each token of the vocabulary after `previous`."""
        is_green = self.is_green(np.full(n_vocabulary, previous), np.arange(n_vocabulary))
        return np.asarray(self.bias * is_green, dtype=np.float64)


def green(keys: list[bytes], previous: Ints, token: Ints, share: float) -> Marks:
    """Whether each pair is green under each key, (n_keys, n_pairs)."""
    words = keyed_words(keys, previous.astype(np.uint64), token.astype(np.uint64))
    return np.asarray(words < np.uint64(int(share * 2.0**64)))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Distinct pairs of tokens in a suspect's answers with their weights in steps (square root of the count)."""

    previous: Ints
    token: Ints
    weights: Ints

    @classmethod
    def of(cls, answers: list[Ints]) -> "Pairs":
        """The pairs within each answer, counted over all of them."""
        runs = [np.stack([answer[:-1], answer[1:]]) for answer in answers if answer.size > 1]
        together = np.concatenate(runs, axis=1) if runs else np.zeros((2, 0), dtype=np.int64)
        pairs, counts = np.unique(together, axis=1, return_counts=True)
        return cls(pairs[0], pairs[1], np.rint(STEPS * np.sqrt(counts)).astype(np.int64))

    def scores(self, keys: list[bytes], share: float) -> Ints:
        """Total weight of green pairs under each key."""
        return np.asarray(green(keys, self.previous, self.token, share) @ self.weights)


def mark_keyrank(pairs: Pairs, marks: dict[str, Mark], decoys: list[bytes], *, settings: CanarySettings) -> Finding:
    """The finding of the token test over all campaigns, each with its mark; all marks have one `share`.

    Null hypothesis: the suspect's answers are independent of our keys. Then each distinct pair is green under the
    true key with chance `share`, independently, and the p-value is the exact tail of the weighted sum. Holm over
    campaigns.
    """
    share = next(iter(marks.values())).share
    null = bernoulli_sum(pairs.weights, share)
    scores = pairs.scores([mark.key for mark in marks.values()], share)
    p_values = np.array([max(null.at_least(int(score)), SMALLEST_P) for score in scores])
    adjusted = holm(p_values)
    deviation = max(null.deviation, 1e-9)
    z = (scores - null.mean) / deviation
    best = int(np.argmin(p_values))
    n_control = min(len(decoys), max(_CONTROL_PAIRS // max(pairs.weights.size, 1), 1))
    decoy_scores = np.array([pairs.scores([key], share)[0] for key in decoys[:n_control]], dtype=np.int64)
    levels = [null.at_least(int(score)) for score in decoy_scores]
    return Finding(
        test=TEST,
        grade=Grade.A,
        p_value=float(adjusted[best]),
        alpha=settings.alpha,
        effect="weight of green pairs, in standard deviations over keys",
        effect_value=float(z[best]),
        effect_low=None,
        effect_high=None,
        n=pairs.weights.size,
        power=None,
        power_against="not known: depends on the share of marked answers in the suspect's training",
        null="the suspect's answers are independent of the secret keys; each pair is green by chance alone",
        assumptions=(
            "the keys were drawn and committed to before serving and stayed secret",
            "the suspect was not prompted with marked text",
        ),
        parts=tuple(
            Part(subject, float(p), float(a), float(value), pairs.weights.size)
            for subject, p, a, value in zip(marks, p_values, adjusted, z, strict=True)
        ),
        controls=(Control("decoy keys", n_control, sum(level <= CONTROL_LEVEL for level in levels), CONTROL_LEVEL),),
        refusals=() if pairs.weights.size else ("no pair of tokens was seen",),
        plots=(Plot("Decoy keys and the best campaign's key", "weight of green pairs, standard deviations",
                    tuple(np.round((decoy_scores - null.mean) / deviation, 4).tolist()), float(z[best])),),
    )  # fmt: skip
