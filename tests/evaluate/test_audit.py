"""The audit of simulated worlds by single-account rules."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from stillwatch.evaluate.audit import audit, passes, render, strictest_needed
from stillwatch.simulate import Campaign, World, scenario, simulate


@pytest.fixture(scope="module")
def easy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world whose campaign gives itself away: one card for all and by far the largest volumes."""
    folder = tmp_path_factory.mktemp("easy")
    campaign = Campaign(name="careless", n_accounts=60, exchanges_per_day=3000.0, p_share=1.0, cluster=60)
    honest = msgspec.structs.replace(scenario("demo").at_scale(0.3).honest, lookalikes=())
    simulate(World(honest=honest, campaigns=(campaign,), n_days=2), seed=5, out_dir=folder)
    return folder


def test_a_careless_campaign_is_called_too_easy(easy: Path) -> None:
    table = audit(easy)
    recall = {
        (rule, direction): value
        for rule, direction, value in zip(
            *(table[name].to_pylist() for name in ("rule", "direction", "recall")), strict=True
        )
    }
    assert not passes(table)
    assert recall["volume_per_active_day", "high"] > 0.9
    assert recall["accounts_with_same_payment", "high"] > 0.9
    assert recall["volume", "low"] == 0.0
    assert "too easy" in render(table, n_rows=5)


def test_some_forty_rules_are_tried_in_both_directions(easy: Path) -> None:
    table = audit(easy)
    assert len(set(table["rule"].to_pylist())) >= 40
    assert table.num_rows == 2 * len(set(table["rule"].to_pylist()))


def test_no_rule_accuses_more_honest_accounts_than_it_may(easy: Path) -> None:
    assert max(audit(easy, false_positive_rate=0.01)["false_positive_rate"].to_pylist()) <= 0.01


def test_the_threshold_is_the_least_strict_one_that_is_allowed() -> None:
    honest = np.arange(1000.0)
    assert strictest_needed(honest, 0.01) == 989.0
    assert (honest > strictest_needed(honest, 0.01)).sum() == 10


def test_accounts_without_the_trait_are_never_accused_and_count_as_honest_accounts() -> None:
    honest = np.array([np.nan] * 98 + [1.0, 2.0])
    assert strictest_needed(honest, 0.01) == 1.0
    assert strictest_needed(honest, 0.02) == float("-inf")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_single_account_rule_finds_the_default_campaign(seed: int, tmp_path: Path) -> None:
    simulate("base500", seed=seed, scale=0.1, out_dir=tmp_path)
    table = audit(tmp_path)
    assert passes(table), render(table, n_rows=6)
