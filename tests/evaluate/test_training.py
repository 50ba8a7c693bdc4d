"""Windows with planted campaigns."""

import msgspec
import numpy as np
import pytest

from stillwatch.config import Config
from stillwatch.engines import open_engine
from stillwatch.evaluate.calibrate import Plan
from stillwatch.evaluate.training import (
    BENCHMARKS,
    EVASIONS,
    MAX_EVASIONS,
    N_CAMPAIGNS,
    join_planted,
    planted_window,
    planted_world,
    random_campaign,
)
from stillwatch.simulate import Campaign

PLAN = Plan(reference_seeds=(1,), threshold_seeds=(2,), training_seeds=(20,), heldout_seeds=(25,), n_accounts=1_500)


def campaigns(n, *, n_days=45):
    return [random_campaign(np.random.default_rng(seed), seed, n_days=n_days) for seed in range(n)]


def test_campaigns_evade_in_up_to_three_ways_at_once():
    counts = {0 if one.name.endswith("plain") else one.name.count("+") + 1 for one in campaigns(200)}
    assert counts == set(range(MAX_EVASIONS + 1))


def test_every_evasion_occurs_and_turns_a_knob():
    plain = Campaign()
    for name in EVASIONS:
        one = next(one for one in campaigns(400) if one.name.endswith(f":{name}"))
        turned = {field for field in one.__struct_fields__ if getattr(one, field) != getattr(plain, field)}
        assert turned - {"name", "n_accounts", "exchanges_per_day", "templates"} or "templates" in name


@pytest.mark.parametrize("n_days", [7, 45])
def test_a_campaign_starts_inside_of_its_window(n_days):
    assert all(0 <= one.start_day < n_days for one in campaigns(200, n_days=n_days))


def test_sizes_span_two_orders_of_magnitude():
    sizes = [one.n_accounts for one in campaigns(300)]
    assert 15 <= min(sizes) < 25
    assert 1200 < max(sizes) <= 2000


def test_held_out_worlds_hold_the_benchmark_campaigns_too():
    assert len(planted_world(PLAN, 20).campaigns) == N_CAMPAIGNS
    assert planted_world(PLAN, 25).campaigns[N_CAMPAIGNS:] == BENCHMARKS


def test_campaigns_of_a_begun_window_have_at_most_a_week_behind_them():
    begun = planted_world(msgspec.structs.replace(PLAN, begun_seeds=(20,)), 20)
    assert len(begun.campaigns) == N_CAMPAIGNS
    assert all(begun.n_days - 7 <= one.start_day < begun.n_days for one in begun.campaigns)
    assert all(one.slow_start_days <= (begun.n_days - one.start_day) / 2 for one in begun.campaigns)
    assert all(one.name.endswith("+begun") for one in begun.campaigns)


def test_a_world_is_the_same_each_time_and_differs_by_seed():
    assert planted_world(PLAN, 20) == planted_world(PLAN, 20)
    assert planted_world(PLAN, 20).campaigns != planted_world(PLAN, 40).campaigns


@pytest.fixture(scope="module")
def window():
    engine = open_engine("duckdb", Config().engines)
    small = msgspec.structs.replace(PLAN, window_lengths=(10,))
    yield planted_window(small, 25, engine=engine, config=Config())
    engine.close()


def test_a_window_has_groups_of_campaigns_and_honest_ones(window):
    rows = window.groups.to_pylist()
    planted = [row for row in rows if row["campaign_share"] > 0.5]
    assert len(planted) > 10
    assert sum(row["campaign_share"] == 0 for row in rows) > 100
    sizes = {row["campaign"]: row["campaign_accounts"] for row in planted}
    assert sizes["base500"] == 500
    assert all(row["window_no"] == 25 and row["group_id"].startswith("25/") for row in rows)


def test_joined_windows_hold_all_groups(window):
    assert join_planted([window, window]).groups.num_rows == 2 * window.groups.num_rows
