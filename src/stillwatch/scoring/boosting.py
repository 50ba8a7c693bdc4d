"""Gradient boosting with monotone constraints, kept as plain trees: stronger evidence never lowers a score."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stillwatch.scoring.walk import walk
from stillwatch.stats.conformal import FloatArray, IntArray

LEAF: Final = -1
"""Feature of a node without children."""
FALLING_OR_RISING: Final = 0
RISING: Final = 1
"""A larger feature never lowers the decision."""
N_TREES: Final = 200
LEARNING_RATE: Final = 0.06
MAX_LEAVES: Final = 15
MIN_GROUPS_IN_LEAF: Final = 40
RIDGE: Final = 1.0
"""The five were chosen among stumps and trees of 4, 8 and 15 leaves (docs/calibration.md)."""
DECIMALS: Final = 5
"""Decimals of node values: 200 roundings move a decision by 1e-3 at most."""
THRESHOLD_DIGITS: Final = 6
ROWS_AT_ONCE: Final = 2048
SEED: Final = 0


class Tree(msgspec.Struct, frozen=True, array_like=True):
    """One regression tree as parallel lists over its nodes; node 0 is the root and children follow their parent.

    A row goes left where its feature is at most the threshold. `values` are in log odds and set in every node: what
    the tree would add if it ended there; the root's is 0.
    """

    features: tuple[int, ...]
    thresholds: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    values: tuple[float, ...]

    def is_sound(self, n_features: int) -> bool:
        """Whether the lists are parallel and every path from the root ends in a leaf."""
        n = len(self.features)
        lengths = {len(column) for column in (self.thresholds, self.left, self.right, self.values)}
        nodes = enumerate(zip(self.features, self.left, self.right, strict=True)) if lengths == {n} else ()
        return (
            n > 0
            and lengths == {n}
            and all(
                feature == LEAF or (0 <= feature < n_features and node < min(left, right) and max(left, right) < n)
                for node, (feature, left, right) in nodes
            )
        )


class Boosting(msgspec.Struct, frozen=True, kw_only=True):
    """A sum of trees over named features, in log odds of a campaign's group against an honest one.

    `gains` are each feature's share of the loss that the fit took away, parallel to `features`; they sum to 1.
    """

    features: tuple[str, ...]
    baseline: float
    gains: tuple[float, ...]
    trees: tuple[Tree, ...]

    def decision(self, features: FloatArray) -> FloatArray:
        """The decision on each row of `features` (n, n_features), (n,); exactly monotone where the fit was."""
        forest = _Forest.of(self.trees)
        found = np.empty(len(features))
        for rows in _chunks(len(features)):
            leaves, _ = forest.walked(features[rows])
            found[rows] = forest.values[leaves].sum(axis=-1)
        return found + self.baseline

    def contributions(self, features: FloatArray) -> FloatArray:
        """What each feature adds to the decision on each row, (n, n_features); with the baseline they sum to it.

        Path attribution: a split's feature is credited with the change of node value from parent to child.
        """
        forest = _Forest.of(self.trees)
        found = np.empty(features.shape)
        for rows in _chunks(len(features)):
            _, found[rows] = forest.walked(features[rows])
        return found

    def is_sound(self) -> bool:
        """Whether every tree can be walked and every feature has its gain."""
        return len(self.gains) == len(self.features) and all(tree.is_sound(len(self.features)) for tree in self.trees)


@dataclass(frozen=True, slots=True)
class _Forest:
    """All nodes of all trees in one array each; a leaf is its own child, so that rows may walk on in it."""

    features: IntArray
    thresholds: FloatArray
    left: IntArray
    right: IntArray
    values: FloatArray
    roots: IntArray

    @staticmethod
    def of(trees: Sequence[Tree]) -> "_Forest":
        """The trees as one forest."""
        lengths = np.array([len(tree.features) for tree in trees], dtype=np.int64)
        roots = np.append(0, np.cumsum(lengths)[:-1]).astype(np.int64)[: len(trees)]
        first = np.repeat(roots, lengths)
        itself = np.arange(len(first))
        features = _joined([tree.features for tree in trees])
        is_leaf = features == LEAF
        return _Forest(
            np.where(is_leaf, 0, features).astype(np.int64),
            _joined([tree.thresholds for tree in trees]),
            np.where(is_leaf, itself, first + _joined([tree.left for tree in trees])).astype(np.int64),
            np.where(is_leaf, itself, first + _joined([tree.right for tree in trees])).astype(np.int64),
            _joined([tree.values for tree in trees]),
            roots,
        )

    def walked(self, features: FloatArray) -> tuple[IntArray, FloatArray]:
        """The leaf of every row of `features` in each tree (n_rows, n_trees), and what each feature adds on the way."""
        leaves = np.tile(self.roots, (len(features), 1))
        added = np.zeros(features.shape)
        nodes = (self.features, self.thresholds, self.left, self.right, self.values)
        walk(np.ascontiguousarray(features, dtype=np.float64), *nodes, leaves, added)
        return leaves, added


def _joined(columns: Sequence[Sequence[float]]) -> FloatArray:
    return np.array([value for column in columns for value in column], dtype=np.float64)


def _chunks(n_rows: int) -> Iterator[slice]:
    """Slices of rows that keep the walk through all trees within a few megabytes."""
    return (slice(start, start + ROWS_AT_ONCE) for start in range(0, n_rows, ROWS_AT_ONCE))


def fit_boosting(
    features: FloatArray,
    is_campaign: NDArray[np.bool_],
    weights: FloatArray,
    *,
    names: Sequence[str],
    directions: Sequence[int],
) -> Boosting:
    """The boosting that separates campaign rows from honest ones by weighted log loss, rounded to what is stored.

    `features` is (n, n_features) without NaN, `directions` RISING or FALLING_OR_RISING for each feature. Deterministic:
    no row is left out, no early stopping. Assumes that rows are exchangeable within their label given the weights;
    groups of one world overlap, so the log odds rank groups and are no probabilities.
    """
    # NOTE: imported here because only a fit needs it, and it takes longer to import than a run takes to score
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        monotonic_cst=list(directions), max_iter=N_TREES, learning_rate=LEARNING_RATE, max_leaf_nodes=MAX_LEAVES,
        min_samples_leaf=MIN_GROUPS_IN_LEAF, l2_regularization=RIDGE, early_stopping=False, random_state=SEED,
    ).fit(features, is_campaign, sample_weight=weights)  # fmt: skip
    predictors = [stage[0] for stage in model._predictors]
    gains = np.zeros(len(names))
    for predictor in predictors:
        inner = predictor.nodes[predictor.nodes["is_leaf"] == 0]
        np.add.at(gains, inner["feature_idx"], inner["gain"])
    return Boosting(
        features=tuple(names),
        baseline=round(float(model._baseline_prediction[0, 0]), DECIMALS),
        gains=tuple(round(float(gain), 4) for gain in gains / max(gains.sum(), 1e-12)),
        trees=tuple(_tree(predictor.nodes) for predictor in predictors),
    )


def _tree(nodes: NDArray[Any]) -> Tree:
    """A tree of the library; it shrinks the values of leaves only, and the values above them are shrunk here."""
    is_leaf = nodes["is_leaf"] != 0
    values = np.where(is_leaf, nodes["value"], LEARNING_RATE * nodes["value"])
    return Tree(
        features=tuple(np.where(is_leaf, LEAF, nodes["feature_idx"]).tolist()),
        thresholds=tuple(float(f"{x:.{THRESHOLD_DIGITS}g}") for x in np.where(is_leaf, 0.0, nodes["num_threshold"])),
        left=tuple(np.where(is_leaf, 0, nodes["left"]).tolist()),
        right=tuple(np.where(is_leaf, 0, nodes["right"]).tolist()),
        values=tuple(np.round(values, DECIMALS).tolist()),
    )
