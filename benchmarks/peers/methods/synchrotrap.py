"""SynchroTrap-style: accounts that act on the same targets at the same times, joined into components.

Written by us from Cao et al. (2014), "Uncovering Large Groups of Active Malicious Accounts in Online Social Networks".
Two accounts are as similar as the Jaccard index of their sets of (target, time window); pairs above a threshold are
joined, and large components are reported. Null hypothesis, implicit: unrelated accounts seldom act on one target within
one window, again and again.

Ours differs: targets are the first words of the prompt instead of pages, apps and addresses (with addresses it is
worse); windows are ten whole minutes instead of sliding ones; a (target, window) that more than 300 accounts share is
left out, which bounds the cost as the authors' daily sharding does. An account's score is the highest threshold at
which its component has ten accounts.
"""

from typing import Final

import numpy as np
from peer import Peer, Reals
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from telemetry import Actions, Telemetry

PEER = Peer(
    title="SynchroTrap-style",
    source="Cao et al. 2014, re-implemented",
    licence="paper",
    made_for="accounts that do the same thing to the same target at about the same time, for weeks",
    stretch="targets are templates; a campaign's accounts share templates, not moments",
)
WINDOW_SECONDS: Final = 600.0
MAX_ACCOUNTS: Final = 300
MIN_COMPONENT: Final = 10
THRESHOLDS: Final = np.geomspace(1.0, 1e-3, 61)


def rank(telemetry: Telemetry) -> Reals:
    """The highest similarity at which an account is in a component of ten; 0 where there is none."""
    return joining_levels(similarities(telemetry.actions("head")))


def similarities(actions: Actions) -> sparse.csr_array:
    """The Jaccard index of all pairs that share a (target, window), (n_accounts, n_accounts), upper half."""
    window = np.floor(actions.seconds / WINDOW_SECONDS).astype(np.int64)
    pairs, column = np.unique(np.stack([actions.target, window]), axis=1, return_inverse=True)
    ones = np.ones(len(column))
    shape = (actions.n_accounts, pairs.shape[1])
    sets = sparse.csr_array((ones, (actions.account, column.ravel())), shape=shape)
    sets.data[:] = 1.0
    n_own = np.asarray(sets.sum(axis=1))
    n_sharing = np.asarray(sets.sum(axis=0))
    shared = sets[:, (n_sharing > 1) & (n_sharing <= MAX_ACCOUNTS)]
    both = sparse.triu(shared @ shared.T, k=1).tocoo()
    row, other = both.coords
    index = both.data / (n_own[row] + n_own[other] - both.data)
    return sparse.csr_array((index, (row, other)), shape=both.shape)


def joining_levels(similarity: sparse.csr_array) -> Reals:
    """The highest threshold at which each account's component is large enough."""
    level = np.zeros(similarity.shape[0])
    for threshold in THRESHOLDS:
        strong = similarity * (similarity >= threshold)
        component = connected_components(strong, directed=False)[1]
        is_large = np.bincount(component)[component] >= MIN_COMPONENT
        level[is_large & (level == 0)] = threshold
    return level
