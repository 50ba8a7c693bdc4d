"""A small simulated window through every stage."""

import msgspec
import pyarrow.compute as pc
import pytest

from stillwatch import scoring
from stillwatch.config import Config
from stillwatch.engines import open_engine
from stillwatch.evaluate.calibrate import honest_window
from stillwatch.evaluate.worlds import build_scene, judge, propose
from stillwatch.simulate import Campaign, HonestMix, World
from stillwatch.simulate.lookalikes import LOOKALIKES

WORLD = World(
    honest=HonestMix(n_accounts=1_500, n_frameworks=12, lookalikes=LOOKALIKES),
    campaigns=(Campaign(name="base50", n_accounts=50),),
    n_days=30,
)


@pytest.fixture(scope="module")
def engine():
    opened = open_engine("duckdb", Config().engines)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def scene():
    return build_scene(WORLD, seed=9_100)


def test_a_scene_knows_what_its_accounts_are(scene):
    assert scene.truth.campaigns.num_rows == 50
    assert "viral_prompt" in scene.truth.memberships["honest_class"].to_pylist()
    assert scene.truth.managed.num_rows > 0
    assert scene.window.n_days == 30


def test_the_planted_campaign_is_flagged(scene, engine):
    found = judge(scene, scoring.shipped(), engine=engine, config=Config())
    planted = scene.truth.campaigns["account_id"].combine_chunks()
    flagged = found.findings.filter(pc.invert(pc.equal(found.findings["tier"], "none")))["account_id"]
    assert pc.sum(pc.is_in(flagged, value_set=planted)).as_py() >= 45


def test_a_quiet_window_gives_honest_groups_with_every_signal(engine):
    quiet = build_scene(msgspec.structs.replace(WORLD, campaigns=()), seed=9_101)
    window = honest_window(propose(quiet, engine=engine, config=Config()), 0)
    assert set(window.honest.signal_names()) == set(scoring.shipped().signals)
    assert window.honest.groups.num_rows > 100
    assert window.n_account_windows <= pc.count_distinct(quiet.accounts["account_id"]).as_py()
