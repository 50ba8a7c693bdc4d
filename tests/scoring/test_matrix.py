"""Groups and signals as a matrix."""

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.scoring.matrix import family_of, group_matrix
from tests.scoring.honest import groups_table


def long_form(rows):
    ids, names, values = zip(*rows, strict=True)
    return pa.table(
        {
            "group_id": list(ids),
            "signal": list(names),
            "conservative_value": pa.array(values, pa.float64()),
        }
    )


@pytest.mark.parametrize(
    ("token_kind", "proposal", "family"),
    [
        ("skeleton", "token", "content"),
        ("prefix", "token", "network"),
        ("payment", "token", "identity"),
        ("system", "stratum", "stratum"),
        ("linked", "community", "linked"),
    ],
)
def test_a_group_is_compared_within_its_family(token_kind, proposal, family):
    assert family_of(token_kind, proposal) == family


def test_values_land_at_their_group_and_signal():
    groups = groups_table(["b", "a"], [7, 9], ["x", "x"], [0, 0])
    found = group_matrix(groups, long_form([("b", "one", 1.0), ("a", "two", 2.0), ("c", "one", 5.0)]), ("one", "two"))
    assert found.group_ids.to_pylist() == ["a", "b"]
    assert found.sizes.tolist() == [9, 7]
    assert np.array_equal(found.values, [[np.nan, 2.0], [1.0, np.nan]], equal_nan=True)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_missing(value):
    groups = groups_table(["a"], [9], ["x"], [0])
    assert np.isnan(group_matrix(groups, long_form([("a", "one", value)]), ("one",)).values).all()


def test_an_unknown_signal_is_left_out():
    groups = groups_table(["a"], [9], ["x"], [0])
    assert group_matrix(groups, long_form([("a", "new", 1.0)]), ("one",)).values.shape == (1, 1)
