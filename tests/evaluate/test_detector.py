"""The suite `detector`: days ranked among those of other worlds, and two alarms compared."""

import numpy as np
import pytest

from stillwatch.evaluate import detector
from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.worlds import build_scene

DAYS = range(1, detector.CAMPAIGN_DAYS + 1)


def days_of(name, scores):
    return {f"{name} day {day}": float(score) for day, score in zip(DAYS, scores, strict=True)}


def part(seed, *, late=None):
    """Quiet worlds with scores of their own, and one campaign whose days stand out from the third on."""
    rng = np.random.default_rng(seed)
    values = {}
    for number in range(detector.N_WORLDS):
        values |= days_of(f"quiet {number}", rng.normal(size=len(DAYS)))
    loud = rng.normal(size=len(DAYS)) + np.where(np.array(DAYS) >= 3, 30.0, 0.0)
    values |= days_of("planted 0", loud) | {f"0 served {day}": day / len(DAYS) for day in DAYS}
    values |= {} if late is None else {"0 review": late / 2, "0 accuse": late}
    return Part(seed=seed, values=values, n_windows=detector.N_WORLDS * len(DAYS))


def test_the_detector_alarms_within_days_of_a_change():
    (_, days), *_ = detector.detector_alarms([part(9501), part(9502)], "planted")
    assert 3 <= days[0] <= 5


def test_quiet_days_are_ranked_among_those_of_other_worlds_only():
    own = days_of("quiet 0", np.full(len(DAYS), 9.0))
    found = detector.detector_alarms([Part(seed=1, values=own)], "quiet")
    assert found[0][0].tolist() == [0.5] * len(DAYS)


def test_what_never_happens_has_served_everything():
    shares = {row[0]: row[1:] for row in detector.delay_table([part(9501), part(9502, late=0.1)]).rows}
    assert shares["daily run: first account accused"] == pytest.approx((0.55, 1.0))
    assert shares["e-detector"][1] <= 5 / len(DAYS)


def test_quiet_days_without_order_have_few_alarms_and_a_fair_mean(bench):
    body = detector.report([part(9501), part(9502)], bench)
    assert body.failures == ()
    assert body.tables[0].rows[0][1] <= 3


def test_a_provider_that_is_unusual_for_days_has_alarms_that_fail(bench):
    stuck = {f"quiet 0 day {day}": 50.0 for day in DAYS}
    odd = [Part(seed=seed, values=part(seed).values | stuck, n_windows=len(DAYS)) for seed in (9501, 9502)]
    assert detector.report(odd, bench).failures


def test_the_share_served_grows_to_all(bench):
    campaign = detector.Campaign(name="base500", n_accounts=20, start_day=detector.HISTORY_DAYS)
    scene = build_scene(bench.world([campaign], n_days=detector.N_DAYS), seed=9_311)
    shares = detector.served_by_day(scene, detector.members(scene, "base500"))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
