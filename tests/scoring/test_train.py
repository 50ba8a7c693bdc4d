"""A boosting fitted to planted campaigns, inside a calibration."""

import msgspec
import numpy as np
import pyarrow.compute as pc
import pytest

from stillwatch.errors import CalibrationError
from stillwatch.scoring import Settings, refit, scored
from stillwatch.scoring.calibration import SCALE_FEATURES, Calibration
from stillwatch.scoring.run import score_groups
from stillwatch.scoring.scorer import scorer_of
from stillwatch.scoring.strength import strength_of
from stillwatch.scoring.train import PlantedGroups, train
from tests.scoring.honest import SIGNALS, calibration, honest_groups
from tests.scoring.planted import boosted_calibration, planted_groups


def accused(fitted, planted):
    """Share of campaign groups that are accused, and people in honest groups that are."""
    strength = strength_of(planted.matrix(fitted.signals), fitted, planted.windows)
    ids = planted.column("group_id").combine_chunks()
    found = scored(ids, strength, fitted, alpha=1e-4, settings=Settings(min_strong_signals=2))
    is_accused = np.asarray(pc.equal(found["tier"], "accuse").to_numpy(), dtype=bool)
    is_campaign = planted.column("campaign_share").to_numpy() > 0
    return is_accused[is_campaign].mean(), int(strength.sizes[is_accused & ~is_campaign].sum())


def test_it_finds_campaigns_that_the_sum_misses_within_the_same_budget_of_honest_people():
    fresh = planted_groups(3001)
    share, n_people = accused(boosted_calibration(), fresh)
    share_of_sum, _ = accused(calibration(), fresh)
    assert share > share_of_sum + 0.1
    # the budget is 500 people; one group of the largest size more or less is chance
    assert n_people <= 800


def test_it_sees_every_signal_and_the_scale_of_a_group():
    assert boosted_calibration().boosting.features == (*sorted(SIGNALS), *SCALE_FEATURES)


def test_the_signals_that_campaigns_are_strong_in_take_the_gain():
    boosting = boosted_calibration().boosting
    gains = dict(zip(boosting.features, boosting.gains, strict=True))
    assert gains["balance"] + gains["likeness"] > 0.6


def test_a_boosted_calibration_survives_its_json():
    assert Calibration.from_json(boosted_calibration().to_json()) == boosted_calibration()


def test_the_tail_is_the_top_of_the_boosted_scores():
    fitted = boosted_calibration()
    everybody = honest_groups(1001)
    matrix = everybody.matrix(fitted.signals)
    evidence = strength_of(matrix, fitted, everybody.windows).evidence
    kept = {(group.n_accounts, group.strengths) for group in fitted.tail}
    for row in np.argsort(-scorer_of(fitted).scores(evidence))[:50]:
        assert (int(matrix.sizes[row]), tuple(np.round(evidence.log10s[row], 2).tolist())) in kept


def test_groups_of_both_kinds_of_people_teach_nothing():
    planted = planted_groups(2001)
    share = planted.groups["campaign_share"]
    mixed = PlantedGroups(
        planted.groups.set_column(
            planted.groups.schema.get_field_index("campaign_share"), "campaign_share", pc.multiply(share, 0.5)
        ),
        planted.signals,
    )
    with pytest.raises(CalibrationError, match="one kind only"):
        train(mixed, calibration().signals, calibration().curves, calibration().ranks)


def test_a_run_scored_by_a_boosting_splits_each_score_into_baseline_and_contributions():
    matrix = honest_groups(5).matrix(boosted_calibration().signals)
    rows = score_groups(matrix, boosted_calibration(), alpha=1e-4, settings=Settings()).to_pylist()
    for row in rows[:200]:
        assert row["baseline"] + sum(row["contributions"]) == pytest.approx(row["score"])
        assert len(row["contributions"]) == len(row["signals"])
    assert min(row["score"] for row in rows) < 0


def test_a_refitted_calibration_keeps_its_boosting():
    own = honest_groups(50, n=1500).matrix(boosted_calibration().signals)
    is_honest = np.arange(1500) == 7
    found = refit(boosted_calibration(), own, is_honest, n_accounts=2_500_000).calibration
    assert found.boosting == boosted_calibration().boosting
    assert len(found.tail) == len(boosted_calibration().tail) + 1


def test_a_calibration_of_the_first_format_has_no_boosting():
    body = msgspec.json.decode(calibration().to_json())
    body["format"] = 1
    del body["boosting"]
    assert Calibration.from_json(msgspec.json.encode(body)).boosting is None


def test_age_alone_is_never_learned_however_young_the_planted_campaigns_are():
    planted = planted_groups(3002)
    names = tuple(sorted(SIGNALS))
    fitted = boosted_calibration()
    found = train(planted, names, fitted.curves, fitted.ranks)
    assert "youth" in names
    assert found.gains[found.features.index("youth")] == 0.0
