"""Recall of planted campaigns, counted from groups."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillwatch.evaluate.calibrate import HonestWindows
from stillwatch.evaluate.heldout import CampaignFound, HeldOut, comparison_table, judge_planted, without_each_signal
from stillwatch.scoring import PlantedGroups, Settings
from tests.scoring.honest import SIGNALS, groups_table, honest_groups, signals_table
from tests.scoring.planted import boosted_calibration, labelled, planted_groups

LOOSE = Settings(min_strong_signals=2)


def found(campaign, n_accounts, n_in_largest, *, window_no=0):
    return CampaignFound(
        window_no=window_no, campaign=campaign, n_accounts=n_accounts, n_groups=3, n_groups_accused=1,
        n_accounts_accused=n_in_largest,
    )  # fmt: skip


def held_out(*campaigns):
    return HeldOut(campaigns=campaigns, n_windows=1, n_honest_groups=9, n_honest_accused=2, n_honest_people_accused=30)


def window_of(share, values, *, accounts=80):
    """One group of 40 accounts of which `share` belong to a campaign of `accounts`, among honest groups."""
    honest = honest_groups(70)
    own = groups_table(["x"], [40], ["ordinary"], [0])
    groups = pa.concat_tables([labelled(honest.groups, 0.0, None), labelled(own, share, "queue", accounts=accounts)])
    return PlantedGroups(groups, pa.concat_tables([honest.signals, signals_table(["x"], values)]))


def test_recall_is_the_campaigns_share_in_its_largest_accused_group():
    result = judge_planted(
        window_of(0.75, np.full((1, 4), 9.0)), boosted_calibration(), alpha=1e-4, settings=Settings()
    )
    (one,) = result.campaigns
    assert (one.n_groups, one.n_groups_accused, one.n_accounts_accused, one.recall) == (1, 1, 30, 30 / 80)


def test_a_campaign_without_an_accused_group_has_no_recall():
    result = judge_planted(window_of(1.0, np.zeros((1, 4))), boosted_calibration(), alpha=1e-4, settings=Settings())
    assert result.recall() == 0.0


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_group_without_a_majority_of_a_campaign_is_neither_found_nor_honest(share):
    result = judge_planted(
        window_of(share, np.full((1, 4), 9.0)), boosted_calibration(), alpha=1e-4, settings=Settings()
    )
    assert result.campaigns == ()
    assert result.n_honest_groups == 3000


def test_recall_by_evasion_counts_a_campaign_once_for_each():
    result = held_out(found("0:aged+hours", 10, 5), found("1:aged", 10, 10), found("base50", 50, 0))
    assert (result.recall("aged"), result.recall("hours"), result.recall("base50")) == (0.75, 0.5, 0.0)
    assert result.kinds() == ["base50", "aged", "hours"]


def test_the_comparison_has_a_column_for_each_calibration():
    table = comparison_table({"sum": held_out(found("base50", 50, 25)), "boosting": held_out(found("base50", 50, 50))})
    assert table[0] == "| campaign or evasion | campaigns | sum | boosting |"
    assert "| base50 | 1 | 0.50 | 1.00 |" in table
    assert "| people in them |  | 30 | 30 |" in table


def test_without_the_signals_that_carry_it_the_recall_falls():
    reference, threshold = (HonestWindows(honest_groups(seed), 5_000_000) for seed in (1, 1001))
    training, heldout = planted_groups(2001), planted_groups(3001)
    less = without_each_signal(reference, threshold, training, heldout, alpha=1e-4, settings=LOOSE)
    full = judge_planted(heldout, boosted_calibration(), alpha=1e-4, settings=LOOSE)
    assert set(less) == set(SIGNALS)
    accused = {name: sum(one.n_groups_accused for one in result.campaigns) for name, result in less.items()}
    whole = sum(one.n_groups_accused for one in full.campaigns)
    assert accused["balance"] < 0.5 * whole
    assert accused["youth"] > 0.8 * whole
    assert pc.sum(heldout.groups["campaign_share"]).as_py() == 300
