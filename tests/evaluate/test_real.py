"""The suite `real`: dealing sets of prompts to simulated accounts."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.errors import UsageError
from stillwatch.evaluate import real
from stillwatch.evaluate.outcomes import Fate, Part
from stillwatch.evaluate.real import deal_prompts

TRUTH = pa.table({"account_id": ["x", "y", "h"], "campaign_name": ["case", "case", None]})
SET = pa.array([f"real {number}" for number in range(5)])


@pytest.fixture
def exchanges(tmp_path):
    days = {
        "2026-04-22": [("x", "p1"), ("y", "p2"), ("h", "own"), ("x", "p1")],
        "2026-04-23": [("y", "p3"), ("h", "p1"), ("x", "p4")],
    }
    for day, rows in days.items():
        table = pa.table({"account_id": [row[0] for row in rows], "prompt": [row[1] for row in rows]})
        pq.write_table(table, tmp_path / f"{day}.parquet")
    return tmp_path


def prompts(folder):
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_members_of_the_campaign_send_prompts_of_the_set(exchanges):
    assert deal_prompts(exchanges, TRUTH, {"case": SET}, seed=1) == {"case": 4}
    sent = [row["prompt"] for row in prompts(exchanges) if row["account_id"] != "h"]
    assert set(sent) <= set(SET.to_pylist())


def test_nobody_else_is_touched(exchanges):
    deal_prompts(exchanges, TRUTH, {"case": SET}, seed=1)
    assert [row["prompt"] for row in prompts(exchanges) if row["account_id"] == "h"] == ["own", "p1"]


def test_each_prompt_is_dealt_once_and_repeats_stay_repeats(exchanges):
    deal_prompts(exchanges, TRUTH, {"case": SET}, seed=1)
    first, second, again, third, fourth = (row["prompt"] for row in prompts(exchanges) if row["account_id"] != "h")
    assert first == again
    assert len({first, second, third, fourth}) == 4


def test_a_set_that_is_used_up_starts_anew(exchanges):
    assert deal_prompts(exchanges, TRUTH, {"case": SET.slice(0, 2)}, seed=1) == {"case": 4}
    sent = [row["prompt"] for row in prompts(exchanges) if row["account_id"] != "h"]
    assert sorted(pc.value_counts(pa.array(sent)).field("counts").to_pylist()) == [2, 3]


def test_another_seed_deals_in_another_order(exchanges, tmp_path):
    many = pa.array([f"real {number}" for number in range(500)])
    deal_prompts(exchanges, TRUTH, {"case": many}, seed=1)
    once = prompts(exchanges)
    deal_prompts(exchanges, TRUTH, {"case": many}, seed=2)
    assert prompts(exchanges) != once


def test_without_data_the_suite_says_what_it_needs(bench):
    with pytest.raises(UsageError, match="--data"):
        real.measure(9_001, bench)


def test_attacks_and_controls_stand_in_one_table(bench):
    fates = tuple(Fate(case=deal.name, n_accounts=60, n_accused=30, n_flagged=60) for deal in real.DEALS)
    values = {f"{deal.name} {what}": 10.0 for deal in real.DEALS for what in ("dealt", "size")}
    body = real.report([Part(seed=9001, fates=fates, values=values)], bench)
    kinds = {row[0]: row[2] for row in body.tables[0].rows}
    assert kinds["general instructions"] == "attack set"
    assert kinds["control: school maths"] == "honest set"
    assert body.failures == ()


@pytest.mark.slow
def test_real_sets_go_through_the_whole_pipeline(bench, shared_data, monkeypatch):
    deals = (real.Deal("tool requests", "distill-metatool", n_accounts=12), real.Deal("reference", "", kind="grammar"))
    monkeypatch.setattr(real, "DEALS", deals)
    monkeypatch.setattr(real, "N_DAYS", 3)
    part = real.measure(9_306, replace(bench, data=shared_data, n_accounts=300))
    assert [(fate.case, fate.n_accounts) for fate in part.fates] == [("tool requests", 12), ("reference", 60)]
    assert part.values["tool requests size"] == 20_550
    assert 300 < part.values["tool requests dealt"] < 900
    assert part.n_honest > 250
