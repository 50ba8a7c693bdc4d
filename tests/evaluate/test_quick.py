"""The suite `quick`: counting people and groups, and saying what fails."""

import json

import msgspec
import pyarrow as pa

from stillwatch.evaluate.labels import Truth
from stillwatch.evaluate.quick import (
    CASES,
    SEEDS,
    CampaignRow,
    ClassRow,
    Measured,
    campaign_row,
    class_rows,
    failures,
    passes,
    popular_tokens_accused,
    render,
    to_json,
)
from stillwatch.evaluate.ship import SHIPPED_PLAN
from stillwatch.evaluate.worlds import Judged


def finding(account, tier, queue=None):
    return {"account_id": account, "tier": tier, "queue": queue}


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
    findings = [
        finding("a", "accuse", "enforcement"),
        finding("b", "review", "review"),
        finding("c", "review", "account_manager"),
        finding("x", "accuse", "enforcement"),
        finding("y", "review", "review"),
    ]
    return Judged(
        groups=pa.table({"group_id": ["g1", "p1", "p2"], "is_whole_popular": [False, True, True]}),
        members=pa.table({"group_id": ["p1", "p1", "p2", "p2", "p2"], "account_id": ["a", "b", "a", "b", "d"]}),
        labels=pa.table(labels),
        scores=pa.table({"group_id": labels["group_id"], "tier": ["accuse", "none", "accuse", "accuse"]}),
        findings=pa.Table.from_pylist(findings),
        truth=truth,
    )


def measured(**changes):
    rows = tuple(CampaignRow(1, case.campaign.name, 100, 100, 100) for case in CASES)
    whole = Measured(
        alpha=1e-4,
        calibration_id="ab" * 16,
        seeds=(1,),
        campaigns=rows,
        classes=(ClassRow(1, "class", 100, 2, 0, 900, 0, 0, 0),),
        popular_tokens=3,
        popular_tokens_accused=0,
        size_q95=60.0,
    )
    return msgspec.structs.replace(whole, **changes)


def test_recall_counts_accused_members():
    row = campaign_row(judged(), "base50", 1)
    assert (row.n_accounts, row.n_accused, row.n_flagged, row.recall) == (2, 1, 2, 0.5)


def test_a_class_counts_its_groups_and_people():
    rows = {row.honest_class: row for row in class_rows(judged(), 1)}
    assert rows["class"] == ClassRow(1, "class", 2, 1, 0, 2, 1, 1, 0)


def test_managed_people_are_counted_apart():
    rows = {row.honest_class: row for row in class_rows(judged(), 1)}
    assert (rows["fleet"].n_groups, rows["fleet"].n_people_reviewed, rows["fleet"].n_managed) == (0, 0, 1)


def test_a_popular_token_is_accused_whole_when_half_of_its_adopters_are():
    assert sorted(popular_tokens_accused(judged()).tolist()) == [False, True]


def test_meeting_every_demand_passes():
    assert passes(measured())
    assert "All demands" in render(measured())


def test_low_recall_fails_by_name():
    rows = (CampaignRow(1, "base50", 100, 98, 100), *measured().campaigns[1:])
    assert failures(measured(campaigns=rows)) == ["base50: mean recall 0.980 is below 0.99"]


def test_a_class_with_more_than_two_percent_of_its_groups_accused_fails():
    rows = (ClassRow(1, "class", 100, 3, 0, 900, 30, 0, 0),)
    assert failures(measured(classes=rows)) == ["class: 3 of 100 groups accused, above 2%"]
    assert "FAILS: class" in render(measured(classes=rows))


def test_a_whole_popular_token_fails():
    assert not passes(measured(popular_tokens_accused=1))


def test_json_holds_rows_and_failures():
    body = json.loads(to_json(measured()))
    assert body["failures"] == []
    assert body["measured"]["campaigns"][0]["n_accused"] == 100


def test_seeds_of_the_suite_are_not_those_of_the_shipped_calibration():
    assert not set(SEEDS) & {*SHIPPED_PLAN.reference_seeds, *SHIPPED_PLAN.threshold_seeds}
    assert len(SEEDS) >= 5
