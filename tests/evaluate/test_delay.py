"""The suite `delay`: what a run at a day sees, and when accounts are named."""

from datetime import date, timedelta

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillwatch.evaluate import delay
from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.worlds import build_scene
from stillwatch.simulate import Campaign

START = date(2026, 4, 22)


@pytest.fixture(scope="module")
def scene(bench):
    small = Campaign(name="base50", n_accounts=20, start_day=delay.HISTORY_DAYS)
    honest = msgspec.structs.replace(bench.world(()).honest, n_accounts=200)
    world = msgspec.structs.replace(bench.world([small], n_days=90), honest=honest)
    return build_scene(world, seed=9_302)


def found(**tiers):
    columns = {"account_id": list(tiers), "tier": list(tiers.values())}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def times(*runs, n=10):
    accounts = pa.array([f"a{number}" for number in range(n)])
    return delay.times_of_events(accounts, runs, [0.01, 0.02, 0.05][: len(runs)])


def test_a_run_sees_the_45_days_before_its_end(scene):
    cut = delay.scene_at(scene, 3)
    days = pc.unique(cut.token_uses["day"]).to_pylist()
    assert min(days) >= START + timedelta(days=3)
    assert max(days) == START + timedelta(days=delay.HISTORY_DAYS + 2)
    assert cut.window.n_days == 45


def test_a_run_sees_nothing_of_later_days_of_accounts(scene):
    cut = delay.scene_at(scene, 1)
    assert max(pc.unique(cut.account_days["day"]).to_pylist()) == START + timedelta(days=delay.HISTORY_DAYS)


def test_the_share_served_grows_to_all(scene):
    shares = delay.served_shares(scene, delay.members(scene, "base50"))
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.03
    assert shares[-1] == 1.0


def test_an_event_is_dated_at_the_first_run_that_has_it():
    assert times(found(), found(a1="review"), found(a1="accuse"))["first_review"] == 0.02
    assert times(found(), found(a1="review"), found(a1="accuse"))["first_accusation"] == 0.05


def test_what_never_happens_is_dated_at_the_end():
    assert times(found(), found())["first_review"] == delay.NEVER


def test_accounts_stay_named_once_a_run_has_named_them():
    first = found(**{f"a{number}": "accuse" for number in range(5)})
    second = found(**{f"a{number}": "accuse" for number in range(5, 8)})
    assert times(first, second)["most_named"] == 0.02
    assert times(first, second)["nearly_all_named"] == delay.NEVER


def test_accounts_under_review_are_not_named():
    everybody = found(**{f"a{number}": "review" for number in range(10)})
    assert times(everybody)["most_named"] == delay.NEVER


def test_accused_accounts_of_no_campaign_are_counted(scene):
    planted = delay.members(scene, "base50")[0].as_py()
    assert delay.honest_accused(scene, found(**{planted: "accuse", "x": "accuse", "y": "review"})) == 1


def part(**late):
    values = {f"{c.name} {event}": 0.005 for c in delay.campaigns() for event, _, _ in delay.EVENTS}
    return Part(seed=9001, values=values | late, n_windows=10)


def test_early_events_pass(bench):
    assert delay.report([part()], bench).failures == ()


def test_a_late_alarm_fails(bench):
    late = {"base500 first_accusation": 0.03}
    assert delay.report([part(**late)], bench).failures == (
        "base500: first account accused after 0.030 of the campaign, later than 0.01",
    )


def test_small_campaigns_are_only_reported(bench):
    assert delay.report([part(**{"base50 first_accusation": 1.0})], bench).failures == ()


def test_a_bar_over_its_goal_is_a_miss(bench):
    bars = {bar.name: bar for bar in delay.report([part(**{"base500 first_accusation": 0.03})], bench).bars}
    assert not bars["base500: first account accused"].is_met
    assert bars["base500: 80 % of accounts accused"].is_met
