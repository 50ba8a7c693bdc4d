"""Power of the keyed test, by simulation: how many answers a plan needs."""

import numpy as np
import numpy.typing as npt

from stillwatch.provenance.canary.keyrank import cell_weights
from stillwatch.stats.random_sums import uniform_choice_sum

Ints = npt.NDArray[np.int64]


def simulated_power(
    *,
    n_options: int,
    following: float,
    n_outputs: int,
    n_cells: int,
    alpha: float,
    n_runs: int,
    rng: np.random.Generator,
    concentration: float = 0.0,
) -> float:
    """Share of simulated students that the test rejects at `alpha`.

    A student follows the key in a share `following` of its outputs and else its own taste, which is uniform at
    `concentration` 0 and a random taste that is the same in all cells above it (exponents of a power law). Outputs
    fall evenly into `n_cells` cells, each with an option of its own; as many cells as outputs make every slot a draw
    of its own.
    """
    hits = 0
    for _ in range(n_runs):
        taste = np.arange(1, n_options + 1, dtype=np.float64) ** -concentration
        taste = rng.permutation(taste / taste.sum())
        key = rng.integers(n_options, size=n_cells)
        cells = np.arange(n_outputs) % n_cells
        own = rng.choice(n_options, size=n_outputs, p=taste)
        seen = np.where(rng.random(n_outputs) < following, key[cells], own)
        counts = np.bincount(cells * n_options + seen, minlength=n_cells * n_options).reshape(n_cells, n_options)
        weights = cell_weights(counts)
        score = int(weights[np.arange(n_cells), key].sum())
        hits += uniform_choice_sum(weights).at_least(score) <= alpha
    return hits / n_runs
