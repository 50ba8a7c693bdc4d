"""The walk of feature rows through all trees of a forest, as machine code."""

import numpy as np

from stillwatch.sketches.compiled import compiled
from stillwatch.stats.conformal import FloatArray, IntArray


@compiled
def walk(
    rows: FloatArray,
    features: IntArray,
    thresholds: FloatArray,
    left: IntArray,
    right: IntArray,
    values: FloatArray,
    leaves: IntArray,
    added: FloatArray,
) -> None:
    """Walk each of `rows` (n, n_features) from the nodes in `leaves` (n, n_trees) down to its leaf in every tree.

    `leaves` begins with the roots and is overwritten. `added` (n, n_features) gains, for the feature of each split,
    the change of value from parent to child: level by level and tree by tree, so that equal input gives equal bytes. A
    leaf is its own child.
    """
    changes = np.zeros(rows.shape[1])
    for row in range(rows.shape[0]):
        moves = True
        while moves:
            moves = False
            changes[:] = 0.0
            for tree in range(leaves.shape[1]):
                node = leaves[row, tree]
                by = features[node]
                child = left[node] if rows[row, by] <= thresholds[node] else right[node]
                if child != node:
                    changes[by] += values[child] - values[node]
                    leaves[row, tree] = child
                    moves = True
            for by in range(changes.size):
                added[row, by] += changes[by]
