"""The Python API on a small workspace: the calls that a notebook and the command line share."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.errors import UsageError
from stillwatch.model.tables import CAMPAIGNS
from tests.small_world import END, copied, found_world, opened, small_world

__all__ = ["found_world", "small_world"]

CONTRACT = ["account_id", "tier", "campaign_id", "score", "p_value", "q_value", "first_flagged_at", "reasons"]


def test_the_planted_campaign_is_found(found_world: Path, small_world: Path) -> None:
    truth = pq.read_table(small_world / "truth.parquet")
    planted = set(truth.filter(truth["is_campaign"])["account_id"].to_pylist())
    with opened(found_world, small_world) as watch:
        accounts = watch.accounts().table
    found = set(accounts.filter(pc.not_equal(accounts["tier"], "none"))["account_id"].to_pylist())
    assert len(found & planted) > len(planted) / 2


def test_every_account_seen_is_listed_exactly_once_with_the_columns_of_the_contract(
    found_world: Path, small_world: Path
) -> None:
    sent = {
        account_id
        for file in (small_world / "exchanges").iterdir()
        for account_id in pc.unique(pq.read_table(file, columns=["account_id"])["account_id"]).to_pylist()
    }
    with opened(found_world, small_world) as watch:
        accounts = watch.accounts().table
    assert accounts.column_names[: len(CONTRACT)] == CONTRACT
    assert sorted(accounts["account_id"].to_pylist()) == sorted(sent)
    assert set(accounts["tier"].to_pylist()) <= {"none", "review", "accuse"}
    flagged = pc.not_equal(accounts["tier"], "none")
    assert pc.is_valid(accounts["campaign_id"]).equals(flagged)
    assert pc.is_valid(accounts["first_flagged_at"]).equals(flagged)


def test_an_explanation_holds_finding_campaign_and_slices(found_world: Path, small_world: Path) -> None:
    with opened(found_world, small_world) as watch:
        account_id = watch.accounts().table["account_id"][0].as_py()
        shown = watch.explain(account_id)
    assert shown.finding is not None
    assert shown.campaign is not None
    assert shown.finding["campaign_id"] == shown.campaign["campaign_id"]
    assert {row["account_id"] for row in shown.slices} == {account_id}


def test_an_account_without_finding_is_explained_as_such(found_world: Path, small_world: Path) -> None:
    with opened(found_world, small_world) as watch:
        shown = watch.explain("nobody")
    assert (shown.finding, shown.campaign, shown.slices) == (None, None, [])


def test_a_campaign_judged_honest_is_not_found_again_by_the_same_or_a_later_question(
    found_world: Path, small_world: Path, tmp_path: Path
) -> None:
    with copied(found_world, tmp_path / "judged", small_world, clock=END) as watch:
        campaign_id = watch.campaigns().table["campaign_id"][0].as_py()
        members = set(watch.members(campaign_id).table["account_id"].to_pylist())
        watch.judge(campaign_id, "honest", author="ana", note="a class of students")
        same = watch.detect().campaigns["campaign_id"].to_pylist()
        later = watch.detect(as_of=END + timedelta(days=1))
    assert campaign_id not in same
    assert len(members & set(later.findings["account_id"].to_pylist())) < len(members) / 2


def test_a_fitted_calibration_is_used_by_the_next_run(found_world: Path, small_world: Path, tmp_path: Path) -> None:
    with copied(found_world, tmp_path / "fitted", small_world) as watch:
        shipped = watch.calibration()
        watch.calibrate()
        fitted = watch.calibration()
        outcome = watch.detect()
    assert (shipped["kind"], fitted["kind"]) == ("shipped", "fitted")
    assert outcome.summary["calibration_id"] == fitted["calibration_id"]
    assert set(outcome.campaigns["calibration"].to_pylist()) <= {"fitted"}


def test_polars_pandas_and_arrow_hold_the_same_rows(found_world: Path, small_world: Path) -> None:
    with opened(found_world, small_world) as watch:
        rows = watch.accounts()
    names = rows.to_arrow()["account_id"].to_pylist()
    assert len(rows) == len(names)
    assert rows.to_polars()["account_id"].to_list() == names
    assert rows.to_pandas()["account_id"].tolist() == names
    assert rows.to_polars().columns == list(rows.to_pandas().columns) == rows.to_arrow().column_names
    scores = [None if score != score else score for score in rows.to_pandas()["score"].tolist()]
    assert rows.to_polars()["score"].to_list() == scores == rows.to_arrow()["score"].to_pylist()


def test_an_unknown_run_is_an_error_that_names_it(found_world: Path, small_world: Path) -> None:
    with opened(found_world, small_world) as watch, pytest.raises(UsageError, match="no-such-run"):
        watch.campaigns("no-such-run")


def test_accused_come_before_those_to_review_whatever_their_scores(
    found_world: Path, small_world: Path, tmp_path: Path
) -> None:
    with copied(found_world, tmp_path / "copy", small_world) as watch:
        found = watch.campaigns().table.to_pylist()
        raised = [row | {"tier": "review", "score": 99.0, "campaign_id": f"x{row['campaign_id']}"} for row in found]
        lowered = [row | {"tier": "accuse"} for row in found]
        with watch.workspace.lake.write() as writer:
            rows = pa.Table.from_pylist([*raised, *lowered], schema=CAMPAIGNS.schema)
            writer.replace(CAMPAIGNS, found[0]["run_id"], rows)
            writer.commit()
        tiers = watch.campaigns().table["tier"].to_pylist()
    assert tiers == ["accuse"] * len(found) + ["review"] * len(found)
