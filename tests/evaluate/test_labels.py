"""Labels of groups from labels of accounts."""

import pyarrow as pa
import pytest

from stillwatch.evaluate.labels import Truth, label_groups

TRUTH = Truth(
    memberships=pa.table(
        {
            "account_id": ["a", "b", "c", "c", "d", "e"],
            "honest_class": ["class", "class", "class", "viral", "ordinary", "viral"],
        }
    ),
    campaigns=pa.table({"account_id": ["x", "y"], "campaign": ["base", "base"]}),
    managed=pa.table({"account_id": ["a", "d"]}),
)


def label(*accounts):
    members = pa.table({"group_id": ["g"] * len(accounts), "account_id": list(accounts)})
    return label_groups(members, TRUTH).to_pylist()[0]


def test_a_group_has_the_class_of_the_majority():
    assert label("a", "b", "d")["honest_class"] == "class"


def test_an_account_of_two_classes_counts_for_both():
    assert label("c", "e")["honest_class"] == "viral"
    assert label("c", "a")["honest_class"] == "class"


def test_a_group_without_a_majority_is_ordinary():
    assert label("a", "e", "d")["honest_class"] == "ordinary"
    assert label("a", "d")["honest_class"] == "ordinary"


def test_an_account_with_several_slices_counts_once():
    assert label("a", "a", "a", "e", "d")["n_accounts"] == 3


def test_a_group_of_campaign_accounts_names_the_campaign():
    found = label("x", "y", "a")
    assert (found["campaign"], found["campaign_share"]) == ("base", pytest.approx(2 / 3))
    assert label("x", "a")["campaign"] is None


def test_the_managed_share_counts_verified_accounts():
    assert label("a", "b", "d", "e")["managed_share"] == 0.5


def test_several_groups_are_labelled_in_the_order_of_their_ids():
    members = pa.table({"group_id": ["h", "g", "g"], "account_id": ["x", "a", "b"]})
    found = label_groups(members, TRUTH)
    assert found["group_id"].to_pylist() == ["g", "h"]
    assert found["campaign"].to_pylist() == [None, "base"]


def test_no_members_give_no_labels():
    empty = pa.table({"group_id": pa.array([], pa.string()), "account_id": pa.array([], pa.string())})
    assert label_groups(empty, TRUTH).num_rows == 0
