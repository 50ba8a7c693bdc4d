"""Scenes side by side: nothing of one meets anything of another, and each is judged as if it were alone."""

import pyarrow.compute as pc
import pytest

from stillwatch.evaluate import blocks
from stillwatch.evaluate.worlds import build_scene
from stillwatch.simulate import Campaign


@pytest.fixture(scope="module")
def scene(bench):
    return build_scene(bench.world([Campaign(name="base", n_accounts=40, start_day=3)], n_days=6), seed=9_321)


def test_a_day_stands_alone_at_the_start_of_the_scene(scene):
    day = blocks.day_of(scene, 4)
    assert pc.unique(day.token_uses["day"]).to_pylist() == [scene.window.start.date()]
    moved = pc.min(day.token_uses["first_seen_at"]).as_py()
    assert day.window.start <= moved < day.window.end
    assert day.window.n_days == 1


def test_ages_of_accounts_stay_as_they_were(scene):
    day = blocks.day_of(scene, 4)
    account = day.accounts["account_id"][0].as_py()
    created = [
        rows.filter(pc.equal(rows["account_id"], account))["created_at"][0].as_py()
        for rows in (scene.accounts, day.accounts)
    ]
    assert (created[0] - created[1]).days == 4


def test_scenes_side_by_side_have_nothing_in_common(scene):
    both = blocks.side_by_side([scene, scene])
    for name, column in (
        ("token_uses", "token"),
        ("accounts", "email"),
        ("accounts", "org_id"),
        ("accounts", "device_id"),
    ):
        alone, together = (pc.count_distinct(getattr(one, name)[column]).as_py() for one in (scene, both))
        assert together == 2 * alone, column


def test_counts_stay_as_they_were(scene):
    both = blocks.side_by_side([scene, scene])
    for column in ("n", "input_tokens"):
        assert pc.sum(both.token_uses[column]).as_py() == 2 * pc.sum(scene.token_uses[column]).as_py()


def test_days_together_have_the_scores_that_they_have_alone(scene, bench):
    options = {"engine": bench.engine, "config": bench.config}
    together = blocks.best_scores([(scene, 2), (scene, 4)], bench.calibration, **options)
    alone = [blocks.best_scores([(scene, day)], bench.calibration, **options)[0] for day in (2, 4)]
    assert together.tolist() == pytest.approx(alone)
    assert together[1] > together[0]


def test_a_day_without_a_group_that_could_be_accused_has_no_score(scene, bench):
    empty = blocks.best_scores([(scene, 50)], bench.calibration, engine=bench.engine, config=bench.config)
    assert empty.tolist() == [blocks.NO_GROUP]
