"""FRAUDAR: dense blocks of accounts and targets, with popular targets counted little so that camouflage does not help.

Written by us from Hooi et al. (2016), "FRAUDAR: Bounding Graph Fraud in the Face of Camouflage". An edge to a target
with d accounts weighs 1 / log(d + 5); the block sought has the most weight for each node. There is no null hypothesis:
some block is always densest.

Ours differs: targets are what an API knows (the first words of the prompt, system prompt, tools, address); blocks after
the first are found once its edges are taken out; nodes that cannot be in a densest block are taken out before the
greedy peeling. An account's score is the density of its first block and, in it, its own weight.
"""

from heapq import heapify, heappop, heappush
from typing import Final

import numpy as np
import numpy.typing as npt
from graph import distinct_edges
from peer import Peer, Reals
from scipy import sparse
from telemetry import Telemetry

PEER = Peer(
    title="FRAUDAR",
    source="Hooi et al. 2016, re-implemented",
    licence="paper",
    made_for="fake followers and reviews: many accounts that link to the same few targets, with camouflage",
    stretch="targets are templates, tools and addresses instead of products or users",
)
DAMPING: Final = 5.0  # as in the paper
N_BLOCKS: Final = 30
Flags = npt.NDArray[np.bool_]


def rank(telemetry: Telemetry) -> Reals:
    """The density of the first block that an account is in, and its own weight in it as a fraction; 0 outside."""
    edges = distinct_edges(telemetry)
    weights = 1.0 / np.log(edges.sum(axis=0) + DAMPING)
    rest = sparse.csr_array(edges @ sparse.diags_array(weights))
    score = np.zeros(telemetry.n_accounts)
    for _ in range(N_BLOCKS):
        accounts, targets, density = densest_block(rest)
        if density == 0:
            break
        own = rest @ targets.astype(np.float64)
        fresh = accounts & (score == 0)
        score[fresh] = density + own[fresh] / (own[fresh].max(initial=0.0) + 1.0) * 1e-3
        rest = without(rest, accounts, targets)
    return score


def densest_block(weights: sparse.csr_array) -> tuple[Flags, Flags, float]:
    """The accounts and targets of the densest block that peeling passes, and its weight for each node."""
    n_accounts = weights.shape[0]
    is_kept = trimmed(weights)
    order, densities = peeled(weights, is_kept)
    if not order:
        return is_kept[:n_accounts], is_kept[n_accounts:], 0.0
    best = int(np.argmax(densities))
    is_kept[order[:best]] = False
    return is_kept[:n_accounts], is_kept[n_accounts:], densities[best]


def trimmed(weights: sparse.csr_array) -> Flags:
    """Accounts and then targets that may be in a densest block: each weighs at least the best density seen so far.

    A node of the densest block that weighed less than its density could be taken out to its advantage.
    """
    n_accounts, transposed = weights.shape[0], weights.T.tocsr()
    is_kept = np.ones(sum(weights.shape), dtype=np.bool_)
    best = 0.0
    while True:
        here = is_kept.astype(np.float64)
        own = np.r_[weights @ here[n_accounts:], transposed @ here[:n_accounts]] * is_kept
        best = max(best, float(own.sum() / 2 / max(is_kept.sum(), 1)))
        stays = is_kept & (own > 0) & (own >= best)
        if (stays == is_kept).all():
            return is_kept
        is_kept = stays


def peeled(weights: sparse.csr_array, is_kept: Flags) -> tuple[list[int], list[float]]:
    """The kept nodes in the order in which the lightest is taken out, and the density before each is."""
    n_accounts = weights.shape[0]
    inner = sparse.diags_array(is_kept[:n_accounts] * 1.0) @ weights @ sparse.diags_array(is_kept[n_accounts:] * 1.0)
    graph = sparse.csr_array(sparse.block_array([[None, inner], [inner.T, None]]))
    graph.eliminate_zeros()
    start, near, weight = graph.indptr.tolist(), graph.indices.tolist(), graph.data.tolist()
    own = graph.sum(axis=1).tolist()
    heap = [(own[node], node) for node in np.flatnonzero(is_kept).tolist()]
    heapify(heap)
    order: list[int] = []
    densities: list[float] = []
    total, is_there = sum(value for value, _ in heap) / 2, is_kept.tolist()
    n_nodes = len(heap)
    while heap:
        value, node = heappop(heap)
        if not is_there[node] or value != own[node]:
            continue  # an older weight of a node that has become lighter since
        order.append(node)
        densities.append(total / (n_nodes - len(densities)))
        total, is_there[node] = total - value, False
        for place in range(start[node], start[node + 1]):
            other = near[place]
            if is_there[other]:
                own[other] -= weight[place]
                heappush(heap, (own[other], other))
    return order, densities


def without(weights: sparse.csr_array, accounts: Flags, targets: Flags) -> sparse.csr_array:
    """The graph without the edges inside of a block."""
    edges = weights.tocoo()
    row, column = edges.coords
    outside = ~(accounts[row] & targets[column])
    return sparse.csr_array((edges.data[outside], (row[outside], column[outside])), shape=weights.shape)
