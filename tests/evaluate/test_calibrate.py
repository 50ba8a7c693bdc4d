"""Honest windows as samples of a calibration, and the report on classes left out."""

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.evaluate.calibrate import HonestWindows, Plan, honest_window, join_windows, leave_one_class_out
from stillwatch.evaluate.worlds import Proposed
from stillwatch.scoring import HonestGroups, Settings, boosting
from tests.scoring.honest import groups_table, honest_groups, signals_table
from tests.scoring.planted import planted_groups


def proposed(*, managed=(0.0, 0.0, 0.0), customers=()):
    ids = ["a", "b", "c"]
    groups = groups_table(ids, [5, 6, 7], ["x"] * 3, [0] * 3).drop(["window_no", "honest_class"])
    labels = pa.table({"group_id": ids, "honest_class": ["nat", "class", "class"], "managed_share": list(managed)})
    return Proposed(
        groups=groups,
        signals=signals_table(ids, np.ones((3, 4))),
        labels=labels,
        customers=pa.array(list(customers), pa.string()),
        n_accounts=100,
    )


def test_a_window_keeps_judged_groups_with_their_class_and_window():
    window = honest_window(proposed(), 7)
    assert window.honest.groups["group_id"].to_pylist() == ["7/a", "7/b", "7/c"]
    assert window.honest.groups["honest_class"].to_pylist() == ["nat", "class", "class"]
    assert set(window.honest.groups["window_no"].to_pylist()) == {7}
    assert window.n_account_windows == 100


@pytest.mark.parametrize("left_out", [{"managed": (0.95, 0.0, 0.0)}, {"customers": ("a",)}])
def test_managed_groups_and_single_customers_take_no_part(left_out):
    window = honest_window(proposed(**left_out), 7)
    assert window.honest.groups["group_id"].to_pylist() == ["7/b", "7/c"]
    assert set(window.honest.signals["group_id"].to_pylist()) == {"7/b", "7/c"}


def test_joined_windows_add_up():
    both = join_windows([honest_window(proposed(), 1), honest_window(proposed(), 2)])
    assert both.n_account_windows == 200
    assert both.honest.groups.num_rows == 6


@pytest.mark.parametrize("name", ["threshold_seeds", "training_seeds", "heldout_seeds"])
def test_the_windows_of_a_plan_must_be_disjoint(name):
    seeds = {"reference_seeds": (1, 2), "threshold_seeds": (3,)} | {name: (2, 4)}
    with pytest.raises(ValueError, match=r"seeds \[2\]"):
        Plan(**seeds)


def test_worlds_vary_in_length_and_in_how_much_material_is_their_own():
    plan = Plan(reference_seeds=(1,), threshold_seeds=(2,))
    worlds = [plan.world(seed) for seed in range(20)]
    pairs = {(world.n_days, world.honest.material_scale) for world in worlds}
    assert pairs == {(days, scale) for days in (45, 21, 7) for scale in (1.0, 3.0, 10.0, 30.0)}


def with_odd_class(seed, *, shift):
    """Honest windows in which the class `odd` lies `shift` spreads above all others in every signal."""
    plain = honest_groups(seed)
    ids = [f"{seed}-odd-{number}" for number in range(60)]
    rng = np.random.default_rng(seed)
    odd = signals_table(ids, 0.5 * np.log(30) + shift + rng.normal(size=(60, 4)))
    table = groups_table(ids, [30] * 60, ["odd"] * 60, rng.integers(0, 5, 60))
    groups = HonestGroups(pa.concat_tables([plain.groups, table]), pa.concat_tables([plain.signals, odd]))
    return HonestWindows(groups, 5_000_000)


def test_a_class_far_from_all_others_is_accused_once_it_is_left_out():
    report = leave_one_class_out(
        with_odd_class(1, shift=8.0), with_odd_class(2, shift=8.0), alpha=1e-4, settings=Settings()
    )
    accused = {row.honest_class: row.n_accused for row in report}
    assert accused["odd"] > 30
    assert accused["framework"] == 0


def test_an_ordinary_class_may_be_left_out():
    report = leave_one_class_out(
        with_odd_class(1, shift=0.0), with_odd_class(2, shift=0.0), alpha=1e-4, settings=Settings()
    )
    odd = next(row for row in report if row.honest_class == "odd")
    assert (odd.n_groups, odd.n_people, odd.n_accused) == (60, 1800, 0)


def test_a_class_is_left_out_of_the_boosting_too(monkeypatch):
    monkeypatch.setattr(boosting, "N_TREES", 10)
    planted = planted_groups(3)
    report = leave_one_class_out(
        with_odd_class(1, shift=0.0), with_odd_class(2, shift=0.0), planted, alpha=1e-4, settings=Settings()
    )
    assert {row.honest_class for row in report} == {"framework", "odd", "quickstart"}
    assert sum(row.n_groups for row in report) == with_odd_class(2, shift=0.0).honest.groups.num_rows
