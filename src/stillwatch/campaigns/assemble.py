"""Which flagged groups are pieces of one campaign."""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from stillwatch.campaigns.settings import Settings

IntArray = npt.NDArray[np.int64]
FlagArray = npt.NDArray[np.bool_]


def campaign_of_group(
    group: IntArray, account: IntArray, *, is_accused: FlagArray, n_accounts: int, settings: Settings
) -> IntArray:
    """Campaign number, 0 to n-1 by first group, of each flagged group; `is_accused` has one entry a group.

    `group` and `account` are parallel codes of memberships. Two groups belong together when they share at least
    `min_shared_accounts` accounts that are at least `min_shared_share` of the smaller group. Components are safe here,
    and only here: groups were judged one by one before, so there is no crowd to percolate through.

    Groups that are only to be reviewed join no accused groups to each other: the accounts of several campaigns meet
    behind one exit or in one stratum. Such a group goes with the accused one that it shares most accounts with, and
    with others like it where there is none.
    """
    n_groups = is_accused.size
    incidence = sparse.csr_matrix((np.ones(group.size, dtype=np.int32), (group, account)), shape=(n_groups, n_accounts))
    incidence.data[:] = 1
    sizes = np.asarray(incidence.sum(axis=1)).ravel()
    shared = (incidence @ incidence.T).tocoo()
    smaller = np.minimum(sizes[shared.row], sizes[shared.col])
    joined = (shared.data >= settings.min_shared_accounts) & (shared.data >= settings.min_shared_share * smaller)
    kept = _edges(shared.row[joined], shared.col[joined], shared.data[joined], is_accused)
    graph = sparse.coo_matrix((np.ones(len(kept), dtype=np.int8), (kept[:, 0], kept[:, 1])), shape=(n_groups, n_groups))
    _, labels = csgraph.connected_components(graph, directed=False)
    return _by_first_appearance(labels)


def _edges(row: IntArray, col: IntArray, n_shared: IntArray, is_accused: FlagArray) -> IntArray:
    """Which of the pairs (row, col) of groups make campaigns, shape (n, 2)."""
    to_accused = np.flatnonzero(~is_accused[row] & is_accused[col])
    best = to_accused[np.lexsort((col[to_accused], -n_shared[to_accused], row[to_accused]))]
    attached, first = np.unique(row[best], return_index=True)
    is_alone = ~is_accused
    is_alone[attached] = False
    is_peer = (is_accused[row] & is_accused[col]) | (is_alone[row] & is_alone[col])
    chosen = np.concatenate([np.flatnonzero(is_peer), best[first]])
    return np.column_stack([row[chosen], col[chosen]])


def _by_first_appearance(labels: npt.NDArray[np.int32]) -> IntArray:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse]
