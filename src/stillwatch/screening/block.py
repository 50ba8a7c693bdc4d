"""Pairs of names worth comparing: those that share rare letter groups or the sound of a rare word."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process
from scipy import sparse

from stillwatch.screening.names import Name, is_particle, sound

Pairs = npt.NDArray[np.int64]

ROWS_AT_ONCE: Final = 1_000
"""Names of the left side in one product: with 20,000 on the right it stays below 100 MB."""

MIN_COSINE: Final = 0.3
"""Cosine of weighted features that a pair must reach; measured with MIN_RATIO in docs/screening.md."""

MIN_RATIO: Final = 70.0
"""Word-set ratio of rapidfuzz that a pair must reach, unless its words sound alike."""

SURE_COSINE: Final = 0.6
"""A pair this alike in its features is compared whatever its ratio."""


def candidates(left: Sequence[Name], right: Sequence[Name], *, threads: int = 1) -> Pairs:
    """Rows (left, right) of pairs worth comparing, ascending, shape `(n_pairs, 2)`.

    A pair is left out only when it shares few rare trigrams and sounds, so a name altered in most of its letters
    is missed.
    """
    if not left or not right:
        return np.empty((0, 2), dtype=np.int64)
    features = [_features(name) for name in right]
    vocabulary = {feature: at for at, feature in enumerate(sorted({f for name in features for f in name}))}
    weights = _weights(features, vocabulary)
    indexed = _matrix(features, vocabulary, weights).T.tocsc()
    found = []
    texts_left, texts_right = [name.text for name in left], [name.text for name in right]
    for start in range(0, len(left), ROWS_AT_ONCE):
        chunk = _matrix([_features(name) for name in left[start : start + ROWS_AT_ONCE]], vocabulary, weights)
        near = (chunk @ indexed).tocoo()
        keep = near.data >= MIN_COSINE
        rows, columns = near.row[keep].astype(np.int64) + start, near.col[keep].astype(np.int64)
        is_alike = near.data[keep] >= SURE_COSINE
        ratios = process.cpdist(
            [texts_left[row] for row in rows],
            [texts_right[column] for column in columns],
            scorer=fuzz.token_set_ratio,
            workers=threads,
        )
        kept = is_alike | (ratios >= MIN_RATIO)
        found.append(np.column_stack([rows[kept], columns[kept]]))
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _features(name: Name) -> set[str]:
    """Trigrams of each word with its ends marked and of all words written together, and the sound of each word."""
    together = "".join(name.core)
    features = {together[at : at + 3] for at in range(len(together) - 2)}
    for word in name.core:
        if not is_particle(word) or len(name.core) == 1:
            framed = f"^{word}$"
            features.update(framed[at : at + 3] for at in range(max(1, len(framed) - 2)))
            features.add(f"~{sound(word)}")
    return features


def _weights(features: Sequence[set[str]], vocabulary: dict[str, int]) -> npt.NDArray[np.float32]:
    """Inverse document frequency, squared for sounds' greater worth by a factor of three."""
    counts = Counter(feature for name in features for feature in name)
    frequency = np.array([counts[feature] for feature in vocabulary], dtype=np.float32)
    is_sound = np.array([feature.startswith("~") for feature in vocabulary])
    weights = np.log((1 + len(features)) / frequency) + np.float32(0.1)
    return np.where(is_sound, 3 * weights, weights).astype(np.float32)


def _matrix(
    features: Sequence[set[str]], vocabulary: dict[str, int], weights: npt.NDArray[np.float32]
) -> sparse.csr_matrix:
    """Rows of unit length; features that the right side never has still count in the length."""
    unknown = float(weights.max(initial=1.0))
    columns: list[int] = []
    values: list[np.float32] = []
    starts = [0]
    for name in features:
        known = sorted(vocabulary[feature] for feature in name if feature in vocabulary)
        square = float(np.square(weights[known]).sum()) + unknown**2 * (len(name) - len(known)) / 4
        length = np.float32(square**0.5 or 1.0)
        columns.extend(known)
        values.extend(weights[known] / length)
        starts.append(len(columns))
    shape = (len(features), len(vocabulary))
    return sparse.csr_matrix(
        (np.array(values, np.float32), np.array(columns, np.int32), np.array(starts, np.int64)), shape=shape
    )
