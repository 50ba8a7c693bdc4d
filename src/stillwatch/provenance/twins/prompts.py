"""One prompt of each cluster of near-duplicates: pairs on the same prompt are not independent."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from stillwatch.provenance.passive.channels import token_grams, word_tokens
from stillwatch.sketches.hashing import hash_rows
from stillwatch.sketches.rows import TextRows

Ints = npt.NDArray[np.int64]


def distinct_prompts(prompts: pa.Array, *, near_duplicate: float) -> Ints:
    """Places of prompts to keep, ascending: the first of each cluster.

    Two prompts are near-duplicates when they share at least `near_duplicate` of the word 3-grams of the shorter one,
    or all of their text; clusters are the connected components.
    """
    tokens = word_tokens(prompts)
    grams = token_grams(tokens)
    whole = hash_rows(TextRows.of(prompts))
    keys = np.concatenate([grams.keys, whole])
    owner = np.concatenate([grams.answer, np.arange(whole.size)])
    found, column = np.unique(keys, return_inverse=True)
    has = sp.csr_matrix((np.ones(keys.size, np.float32), (owner, column)), shape=(whole.size, found.size))
    has.sum_duplicates()
    has.data[:] = 1
    sizes = np.asarray(has.sum(axis=1)).ravel()
    shared = (has @ has.T).tocoo()
    close = shared.data >= near_duplicate * np.minimum(sizes[shared.row], sizes[shared.col])
    graph = sp.csr_matrix((np.ones(int(close.sum())), (shared.row[close], shared.col[close])), shape=shared.shape)
    _, cluster = connected_components(graph, directed=False)
    return np.sort(np.unique(cluster, return_index=True)[1])
