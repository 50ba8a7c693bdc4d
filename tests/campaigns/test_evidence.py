"""Counting the exchanges of a member."""

import numpy as np
import pyarrow as pa

from stillwatch.campaigns.evidence import exchanges_by_pair


def links(rows: list[tuple[int, str, int]]) -> pa.Table:
    slices, kinds, n = zip(*rows, strict=True)
    return pa.table({"slice_id": pa.array(slices, pa.int64()), "token_kind": kinds, "n": pa.array(n, pa.int64())})


def test_a_slice_that_several_groups_hold_counts_once():
    one, twice = [(7, "system", 5)], [(7, "system", 5), (7, "system", 5)]
    pair = np.zeros(2, np.int64)
    assert exchanges_by_pair(pair[:1], links(one), "n", 1).tolist() == [5]
    assert exchanges_by_pair(pair, links(twice), "n", 1).tolist() == [5]


def test_slices_of_one_kind_add_up_and_those_of_other_kinds_may_be_the_same_exchanges():
    rows = links([(1, "system", 5), (2, "system", 4), (3, "tools", 8)])
    assert exchanges_by_pair(np.zeros(3, np.int64), rows, "n", 1).tolist() == [9]


def test_pairs_are_counted_apart():
    rows = links([(1, "system", 5), (1, "system", 5), (2, "system", 3)])
    assert exchanges_by_pair(np.array([0, 1, 1]), rows, "n", 3).tolist() == [5, 8, 0]
