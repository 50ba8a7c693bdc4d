"""The suite `alarm`: quiet days counted."""

import pytest

from stillwatch.evaluate import alarm
from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.worlds import build_scene
from stillwatch.simulate import Campaign


def part(seed, *, accused=0, reviewed=0):
    values = {"campaigns accuse": accused, "campaigns review": reviewed}
    return Part(seed=seed, values=values, n_windows=alarm.N_WORLDS * alarm.CAMPAIGN_DAYS)


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
    seen, rate, bound = rates([part(9501), part(9502)], bench)["campaign accused"]
    assert (seen, rate) == (0, 0.0)
    assert bound == pytest.approx(2.996 * 365 / 1170, rel=1e-3)


def test_campaigns_under_review_are_counted_and_no_failure(bench):
    parts = [part(9501, reviewed=40), part(9502, reviewed=40)]
    assert rates(parts, bench)["campaign sent to review"][0] == 80
    assert alarm.report(parts, bench).failures == ()


def test_a_watch_remembers_the_campaigns_of_its_earlier_runs(bench):
    campaign = Campaign(name="base", n_accounts=20, start_day=alarm.HISTORY_DAYS)
    scene = build_scene(bench.world([campaign], n_days=alarm.HISTORY_DAYS + 21), seed=9_311)
    watch = alarm.Watch(scene, bench)
    seen = [set(watch.run(day)[0]["campaign_id"].to_pylist()) for day in (20, 21)]
    assert seen[0]
    assert seen[0] & seen[1]
