"""The registry of named worlds."""

import pytest

from stillwatch.errors import UsageError
from stillwatch.simulate import SCENARIOS, scenario


def test_every_scenario_is_described_and_knows_its_name() -> None:
    for name, found in SCENARIOS.items():
        assert found.name == name
        assert found.description
        assert found.difficulty


def test_scale_shrinks_the_honest_world_but_not_the_campaign() -> None:
    world = scenario("base500").at_scale(0.1)
    assert world.honest.n_accounts == 20_000
    assert world.campaigns[0].n_accounts == 500


def test_the_reference_keeps_the_published_ratio_at_every_scale() -> None:
    for scale in (1.0, 0.01):
        world = scenario("reference").at_scale(scale)
        (campaign,) = world.campaigns
        assert campaign.n_accounts == 25_000 * scale
        assert campaign.exchanges_per_day * 25_000 * world.n_days == pytest.approx(28.8e6, rel=0.01)
        assert world.honest.n_accounts / campaign.n_accounts == 400


def test_an_unknown_scenario_or_scale_is_refused() -> None:
    with pytest.raises(UsageError, match="no scenario is called 'nothing'"):
        scenario("nothing")
    with pytest.raises(UsageError, match="scale must be above 0"):
        scenario("demo").at_scale(0.0)
