"""SEAT: how many of an account's queries are near to an earlier one of its own?

Written by us from Zhang et al. (2021), "SEAT: Similarity Encoder by Adversarial Training for Detecting Model Extraction
Attack Queries". Null hypothesis: a benign account's queries are as far from one another as unrelated ones. An account
that has sent more similar pairs than some number is cancelled.

Ours differs: the encoder is not trained against adversarial pairs; vectors are hashed TF-IDF and SVD. The distance
below which two queries are similar is that of the nearest thousandth of pairs of unrelated honest prompts. At most the
first 600 queries of an account are looked at.
"""

from typing import Final

import numpy as np
from pairs import nearest_earlier, prompts_of_accounts
from peer import Peer, Reals
from telemetry import Telemetry, Vectors

PEER = Peer(
    title="SEAT",
    source="Zhang et al. 2021, re-implemented",
    licence="paper",
    made_for="one account that sends queries derived from one another (images)",
    stretch="used on prompts without the adversarially trained encoder",
    reads_features=True,
)
SHARE_OF_PAIRS: Final = 1e-3
N_PAIRS: Final = 200_000


def rank(telemetry: Telemetry) -> Reals:
    """The number of each account's queries that are similar to an earlier one."""
    limit = similar_below(telemetry.reference, np.random.default_rng(0))
    return np.array([float((nearest_earlier(own) <= limit).sum()) for own in prompts_of_accounts(telemetry)])


def similar_below(reference: Vectors, rng: np.random.Generator) -> float:
    """The distance that few pairs of unrelated reference prompts have; the same prompt twice is no pair."""
    one, other = (reference[rng.integers(0, len(reference), N_PAIRS)] for _ in range(2))
    distances = np.linalg.norm(one - other, axis=1)
    return float(np.quantile(distances[distances > 0], SHARE_OF_PAIRS))
