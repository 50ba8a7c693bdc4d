"""The suite `alarm`: quiet days counted, and two alarms compared."""

import numpy as np
import pytest

from stillwatch.evaluate import alarm
from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.worlds import build_scene
from stillwatch.simulate import Campaign

DAYS = range(1, alarm.CAMPAIGN_DAYS + 1)


def days_of(name, scores):
    return {f"{name} day {day}": float(score) for day, score in zip(DAYS, scores, strict=True)}


def part(seed, *, accused=0, reviewed=0, late=None):
    """Quiet worlds with scores of their own, and one campaign whose days stand out from the third on."""
    rng = np.random.default_rng(seed)
    values = {"campaigns accuse": accused, "campaigns review": reviewed}
    for number in range(alarm.N_WORLDS):
        values |= days_of(f"quiet {number}", rng.normal(size=len(DAYS)))
    loud = rng.normal(size=len(DAYS)) + np.where(np.array(DAYS) >= 3, 30.0, 0.0)
    values |= days_of("planted 0", loud) | {f"0 served {day}": day / len(DAYS) for day in DAYS}
    values |= {} if late is None else {"0 review": late / 2, "0 accuse": late}
    return Part(seed=seed, values=values, n_windows=alarm.N_WORLDS * len(DAYS))


def rates(parts, bench):
    return {row[0]: row[1:] for row in alarm.report(parts, bench).tables[0].rows}


def test_two_seeds_are_days_enough_and_no_false_campaign_passes(bench):
    body = alarm.report([part(9501), part(9502)], bench)
    assert body.failures == ()
    assert body.tables[0].title == "Quiet worlds: 1170 provider-days"


def test_one_seed_is_too_few_days(bench):
    assert alarm.report([part(9501)], bench).failures == ("585 quiet provider-days are fewer than 1095",)


def test_more_false_campaigns_than_one_a_year_fail(bench):
    (failure,) = alarm.report([part(9501, accused=3), part(9502, accused=1)], bench).failures
    assert "1.25 false campaigns" in failure


def test_the_bound_stands_beside_the_rate(bench):
    seen, rate, bound = rates([part(9501), part(9502)], bench)["daily run: campaigns accused"]
    assert (seen, rate) == (0, 0.0)
    assert bound == pytest.approx(2.996 * 365 / 1170, rel=1e-3)


def test_campaigns_under_review_are_counted_and_no_failure(bench):
    parts = [part(9501, reviewed=40), part(9502, reviewed=40)]
    assert rates(parts, bench)["daily run: campaigns sent to review"][0] == 80
    assert alarm.report(parts, bench).failures == ()


def test_the_detector_alarms_within_days_of_a_change():
    (_, days), *_ = alarm.detector_alarms([part(9501), part(9502)], "planted")
    assert 3 <= days[0] <= 5


def test_quiet_days_are_ranked_among_those_of_other_worlds_only():
    own = {"campaigns accuse": 0} | days_of("quiet 0", np.full(len(DAYS), 9.0))
    found = alarm.detector_alarms([Part(seed=1, values=own)], "quiet")
    assert found[0][0].tolist() == [0.5] * len(DAYS)


def test_what_never_happens_has_served_everything():
    shares = {row[0]: row[1:] for row in alarm.delay_table([part(9501), part(9502, late=0.1)]).rows}
    assert shares["daily run: first account accused"] == pytest.approx((0.55, 1.0))
    assert shares["e-detector"][1] <= 5 / len(DAYS)


@pytest.fixture(scope="module")
def small(bench):
    campaign = Campaign(name="base500", n_accounts=20, start_day=alarm.HISTORY_DAYS)
    return [build_scene(bench.world([campaign], n_days=alarm.N_DAYS), seed=seed) for seed in (9_311, 9_312)]


def test_the_share_served_grows_to_all(small):
    shares = alarm.served_by_day(small[0], alarm.members(small[0], "base500"))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_watch_remembers_the_campaigns_of_its_earlier_runs(small, bench):
    watch = alarm.Watch(small[0], bench)
    seen = [set(watch.run(day)[0]["campaign_id"].to_pylist()) for day in (20, 21)]
    assert seen[0]
    assert seen[0] & seen[1]
