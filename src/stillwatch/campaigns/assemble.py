"""Which flagged groups are pieces of one campaign."""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from stillwatch.campaigns.settings import Settings

IntArray = npt.NDArray[np.int64]


def campaign_of_group(
    group: IntArray, account: IntArray, *, n_groups: int, n_accounts: int, settings: Settings
) -> IntArray:
    """Campaign number, 0 to n-1 by first group, of each of `n_groups` flagged groups.

    `group` and `account` are parallel codes of memberships. Two groups belong together when they share at least
    `min_shared_accounts` accounts that are at least `min_shared_share` of the smaller group. Components are safe here,
    and only here: groups were judged one by one before, so there is no crowd to percolate through.
    """
    incidence = sparse.csr_matrix((np.ones(group.size, dtype=np.int32), (group, account)), shape=(n_groups, n_accounts))
    incidence.data[:] = 1
    sizes = np.asarray(incidence.sum(axis=1)).ravel()
    shared = (incidence @ incidence.T).tocoo()
    smaller = np.minimum(sizes[shared.row], sizes[shared.col])
    joined = (shared.data >= settings.min_shared_accounts) & (shared.data >= settings.min_shared_share * smaller)
    graph = sparse.coo_matrix(
        (np.ones(int(joined.sum()), dtype=np.int8), (shared.row[joined], shared.col[joined])),
        shape=(n_groups, n_groups),
    )
    _, labels = csgraph.connected_components(graph, directed=False)
    return _by_first_appearance(labels)


def _by_first_appearance(labels: npt.NDArray[np.int32]) -> IntArray:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse]
