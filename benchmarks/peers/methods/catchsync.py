"""CatchSync: do an account's targets resemble one another more than they resemble everybody's targets?

Written by us from Jiang et al. (2014), "CatchSync: Catching Synchronized Behavior in Large Directed Graphs". Targets
are points in a plane of features, cut into cells. Synchronicity is the chance that two targets of one account share a
cell, normality that one of its targets and one of anybody's do. Null hypothesis: an account has the least synchronicity
that its normality allows (the paper's parabola), up to the scatter of ordinary accounts.

Ours differs: targets are what an API knows (the first words of the prompt, system prompt, tools, address) instead of
followed users; their features are the number of accounts and the authority (HITS) as in the paper; the distance above
the parabola is multiplied by the root of the number of targets, because accounts with few targets are synchronous by
themselves (without it, the ranking is worse than chance).
"""

from typing import Final

import numpy as np
from graph import distinct_edges
from peer import Ints, Peer, Reals
from scipy import sparse
from telemetry import Telemetry

PEER = Peer(
    title="CatchSync",
    source="Jiang et al. 2014, re-implemented",
    licence="paper",
    made_for="fake followers: accounts bought to follow the same kind of users",
    stretch="targets are templates, tools and addresses instead of users",
)
CELLS_PER_OCTAVE: Final = 2
N_HITS: Final = 30


def rank(telemetry: Telemetry) -> Reals:
    """How far each account is above the parabola, in units of the scatter that its number of targets allows."""
    edges = distinct_edges(telemetry)
    return np.asarray(residuals(edges, cells(edges)) * np.sqrt(np.diff(edges.indptr)))


def cells(edges: sparse.csr_array) -> Ints:
    """The cell of each target: its number of accounts and its authority, on logarithmic scales."""
    degree = edges.sum(axis=0)
    authority = np.ones(edges.shape[1])
    for _ in range(N_HITS):
        authority = edges.T @ (edges @ authority)
        authority /= np.linalg.norm(authority)
    levels = [np.floor(CELLS_PER_OCTAVE * np.log2(np.maximum(values, 1e-12))) for values in (degree, authority)]
    return np.asarray(np.unique(np.stack(levels, axis=1), axis=0, return_inverse=True)[1].ravel(), dtype=np.int64)


def residuals(edges: sparse.csr_array, cell: Ints) -> Reals:
    """Synchronicity above the least that the account's normality allows."""
    n_cells = int(cell.max()) + 1
    into = sparse.csr_array((np.ones(len(cell)), (np.arange(len(cell)), cell)), shape=(len(cell), n_cells))
    counts = (edges @ into).toarray()
    everybody = counts.sum(axis=0) / counts.sum()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    synchronicity, normality = (shares**2).sum(axis=1), shares @ everybody
    m, b = n_cells, float((everybody**2).sum())
    least = (m * normality**2 - 2 * normality + b) / max(m * b - 1, 1e-12)
    return np.asarray(synchronicity - least)
