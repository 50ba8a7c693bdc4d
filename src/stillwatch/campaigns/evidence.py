"""What flagged groups say about accounts, as columns on the driver.

Flagged groups are few (thousands) and their members at most millions: everything here is Arrow and numpy.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

FAMILIES: dict[str, str] = {
    "skeleton": "prompt",
    "shingle_bundle": "prompt",
    "linked": "prompt",
    "system": "system",
    "tools": "tools",
    "address": "network",
    "prefix": "network",
    "ja4": "network",
}
"""Token kinds whose evidence is not independent of each other; a kind that is not listed is a family of its own."""

SENT_FAMILIES = frozenset({"prompt", "system", "tools"})
"""Families of what accounts send, beside those of what they are and where they come from."""

OVERLAPPING_KINDS = frozenset({"shingle_bundle", "linked"})
"""Kinds of which one exchange may carry several tokens, so that slices of one account must not be added up."""


@dataclass(frozen=True, slots=True)
class Codes:
    """Dense codes of a string column: `values[codes[i]]` is row i."""

    codes: npt.NDArray[np.int64]
    values: tuple[str, ...]


def encode(values: pa.ChunkedArray) -> Codes:
    """Dense codes in the sort order of the distinct values, so that codes do not depend on row order."""
    distinct, codes = np.unique(np.asarray(values.to_pylist(), dtype=object).astype(str), return_inverse=True)
    return Codes(codes.astype(np.int64), tuple(str(value) for value in distinct))


def family_codes(kinds: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A dense code of the independent family of each row's token kind."""
    encoded = encode(kinds)
    families = [FAMILIES.get(kind, kind) for kind in encoded.values]
    order = {family: code for code, family in enumerate(sorted(set(families)))}
    return np.asarray([order[family] for family in families], dtype=np.int64)[encoded.codes]


def exchanges_by_pair(pair: npt.NDArray[np.int64], links: pa.Table, name: str, n_pairs: int) -> npt.NDArray[np.int64]:
    """Lower bound, for each pair code, of the distinct exchanges inside its slices; with another `name`, of tokens.

    `pair` is parallel to `links`. A slice that several groups hold counts once: a token is judged whole and by strata.
    Slices of one kind are disjoint (an exchange has one skeleton, one address, ...) and add up; slices of overlapping
    kinds and of different kinds may hold the same exchanges, so the largest counts.
    """
    once = _first_of_each(pair, links["slice_id"].to_numpy())
    pair, rows_once = pair[once], links.take(pa.array(once))
    n, encoded = rows_once[name].to_numpy(), encode(rows_once["token_kind"])
    best = np.zeros(n_pairs, dtype=np.int64)
    for code, kind in enumerate(encoded.values):
        rows = encoded.codes == code
        counts = np.zeros(n_pairs, dtype=np.int64)
        if kind in OVERLAPPING_KINDS:
            np.maximum.at(counts, pair[rows], n[rows])
        else:
            np.add.at(counts, pair[rows], n[rows])
        np.maximum(best, counts, out=best)
    return best


def _first_of_each(pair: npt.NDArray[np.int64], slices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The first row of every slice of every pair."""
    order = np.lexsort((slices, pair))
    pairs, sorted_slices = pair[order], slices[order]
    is_new = np.ones(order.size, dtype=bool)
    is_new[1:] = (pairs[1:] != pairs[:-1]) | (sorted_slices[1:] != sorted_slices[:-1])
    return np.sort(order[is_new])


def count_distinct(pair: npt.NDArray[np.int64], code: npt.NDArray[np.int64], n_pairs: int) -> npt.NDArray[np.int64]:
    """How many distinct codes each pair has."""
    if pair.size == 0:
        return np.zeros(n_pairs, dtype=np.int64)
    width = int(code.max()) + 1
    distinct = np.unique(pair * width + code)
    return np.bincount(distinct // width, minlength=n_pairs).astype(np.int64)
