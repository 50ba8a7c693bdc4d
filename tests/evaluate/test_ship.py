"""Windows that are kept, and what is written about a calibration."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.config import Config
from stillwatch.evaluate import ship
from stillwatch.evaluate.calibrate import HonestWindows, Plan
from stillwatch.evaluate.ship import SHIPPED_PLAN, Samples, kept_window
from stillwatch.scoring import Calibration, boosting
from tests.scoring.honest import honest_groups
from tests.scoring.planted import planted_groups

ROWS = pa.table({"x": [1, 2]}), pa.table({"y": [3]})


def test_a_window_is_made_once_and_then_read(tmp_path):
    asked = []

    def make(seed):
        asked.append(seed)
        return ROWS

    assert kept_window(7, tmp_path, make) == ROWS
    assert kept_window(7, tmp_path, make) == ROWS
    assert asked == [7]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7-groups.parquet", "7-signals.parquet"]


def test_a_window_of_which_one_part_is_missing_is_made_again(tmp_path):
    pq.write_table(ROWS[0], tmp_path / "7-groups.parquet")
    with pytest.raises(ZeroDivisionError):
        kept_window(7, tmp_path, lambda seed: 1 / 0)


def test_seeds_of_the_shipped_plan_stay_below_those_of_evaluation():
    lists = (
        SHIPPED_PLAN.reference_seeds,
        SHIPPED_PLAN.threshold_seeds,
        SHIPPED_PLAN.training_seeds,
        SHIPPED_PLAN.heldout_seeds,
    )
    assert all(seeds and max(seeds) < 1000 for seeds in lists)


def test_only_windows_of_the_asked_seeds_are_made(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(ship, "kept_window", lambda seed, folder, make: made.append(seed))
    plan = Plan(reference_seeds=(1, 2), threshold_seeds=(3,), training_seeds=(4, 5), heldout_seeds=(6,))
    ship.make_windows(plan, range(2, 5), tmp_path, engine=None, config=Config())
    assert made == [2, 3, 4]


def test_a_shipped_calibration_comes_with_its_card_and_benchmark(tmp_path, monkeypatch):
    monkeypatch.setattr(boosting, "N_TREES", 10)
    plan = Plan(reference_seeds=(1,), threshold_seeds=(2,), training_seeds=(3, 4, 5), heldout_seeds=(7,))
    samples = Samples(
        HonestWindows(honest_groups(1, n=1500), 5_000_000),
        HonestWindows(honest_groups(1001, n=1500), 5_000_000),
        planted_groups(2001),
        planted_groups(3001),
    )
    ship.ship(plan, samples, samples, tmp_path, config=Config())
    fitted = Calibration.from_json((tmp_path / "shipped.json").read_bytes())
    assert fitted.boosting is not None
    card = (tmp_path / "model-card.md").read_text()
    assert fitted.calibration_id[:12] in card
    assert "- seeds, training: 3 to 5" in card
    for heading in ("Data", "Share of the gain by feature", "Held-out campaigns", "Without one signal", "Limits"):
        assert f"## {heading}" in card
    assert (tmp_path / "benchmark.md").read_text().splitlines()[0] in card
    assert "quickstart" in (tmp_path / "leave-one-class-out.json").read_text()


def test_a_thinned_plan_keeps_windows_of_every_length_and_all_that_it_is_tested_on():
    few = ship.thinned(SHIPPED_PLAN)
    assert few.heldout_seeds == SHIPPED_PLAN.heldout_seeds
    for seeds, every in (
        (few.threshold_seeds, SHIPPED_PLAN.threshold_seeds),
        (few.training_seeds, SHIPPED_PLAN.training_seeds),
    ):
        assert set(seeds) < set(every)
        assert {few.world(seed).n_days for seed in seeds} == {7, 21, 45}
        assert {few.world(seed).honest.material_scale for seed in seeds} == {1.0, 3.0, 10.0, 30.0}
