"""Counting what became of planted campaigns and of honest people."""

import pyarrow as pa

from stillwatch.evaluate.labels import Truth
from stillwatch.evaluate.outcomes import ClassRow, campaign_fate, class_rows, fate_of, popular_tokens_accused
from stillwatch.evaluate.outcomes import honest_accounts as honest_of
from stillwatch.evaluate.worlds import Judged


def finding(account, tier, queue=None, campaign="c-1"):
    return {"account_id": account, "tier": tier, "queue": queue, "campaign_id": campaign}


def findings(*rows):
    return pa.Table.from_pylist(list(rows))


def judged():
    truth = Truth(
        memberships=pa.table({"account_id": ["a", "b", "c"], "honest_class": ["class", "class", "fleet"]}),
        campaigns=pa.table({"account_id": ["x", "y"], "campaign": ["base50", "base50"]}),
        managed=pa.table({"account_id": ["c"]}),
    )
    labels = {
        "group_id": ["g1", "g2", "g3", "g4"],
        "honest_class": ["class", "class", "ordinary", "fleet"],
        "campaign": [None, None, "base50", None],
        "campaign_share": [0.0, 0.0, 1.0, 0.0],
        "managed_share": [0.0, 0.0, 0.0, 1.0],
    }
    return Judged(
        groups=pa.table({"group_id": ["g1", "p1", "p2"], "is_whole_popular": [False, True, True]}),
        members=pa.table({"group_id": ["p1", "p1", "p2", "p2", "p2"], "account_id": ["a", "b", "a", "b", "d"]}),
        labels=pa.table(labels),
        scores=pa.table({"group_id": labels["group_id"], "tier": ["accuse", "none", "accuse", "accuse"]}),
        findings=findings(
            finding("a", "accuse", "enforcement"),
            finding("b", "review", "review"),
            finding("c", "review", "account_manager"),
            finding("x", "accuse", "enforcement", "c-2"),
            finding("y", "review", "review", "c-2"),
        ),
        truth=truth,
    )


def test_recall_counts_accused_members():
    fate = campaign_fate(judged(), "base50")
    assert (fate.n_accounts, fate.n_accused, fate.n_flagged, fate.recall, fate.flagged) == (2, 1, 2, 0.5, 1.0)


def test_a_fate_can_be_named_otherwise_than_its_campaign():
    assert campaign_fate(judged(), "base50", case="without text").case == "without text"


def test_a_campaign_found_in_one_piece_has_one_piece_and_no_strangers():
    fate = campaign_fate(judged(), "base50")
    assert (fate.n_pieces, fate.n_gathered, fate.n_strangers) == (1, 2, 0)


def test_others_in_a_found_campaign_are_strangers():
    found = findings(finding("x", "accuse"), finding("y", "accuse"), finding("a", "accuse"))
    fate = fate_of("case", pa.array(["x", "y"]), found)
    assert (fate.n_pieces, fate.n_gathered, fate.n_strangers) == (1, 2, 1)


def test_a_stray_account_is_no_piece():
    own = [f"x{number}" for number in range(40)]
    found = findings(*(finding(name, "accuse") for name in own[:39]), finding(own[39], "accuse", campaign="c-2"))
    assert fate_of("case", pa.array(own), found).n_pieces == 1


def test_a_class_counts_its_groups_and_people():
    rows = {row.honest_class: row for row in class_rows(judged())}
    assert rows["class"] == ClassRow("class", 2, 1, 0, 2, 1, 1, 0)


def test_managed_people_are_counted_apart():
    rows = {row.honest_class: row for row in class_rows(judged())}
    assert (rows["fleet"].n_groups, rows["fleet"].n_people_reviewed, rows["fleet"].n_managed) == (0, 0, 1)


def test_honest_accounts_are_those_of_no_campaign_each_once():
    assert honest_of(judged()).to_pylist() == ["a", "b", "c"]


def test_a_popular_token_is_accused_whole_when_half_of_its_adopters_are():
    assert sorted(popular_tokens_accused(judged()).tolist()) == [False, True]
