"""The suite `successors`: which accounts replace others, and whether they are linked."""

import msgspec
import pyarrow as pa
import pytest

from stillwatch.evaluate import successors
from stillwatch.evaluate.delay import HISTORY_DAYS, members
from stillwatch.evaluate.outcomes import Fate, Part
from stillwatch.evaluate.worlds import build_scene


@pytest.fixture(scope="module")
def scene(bench):
    honest = msgspec.structs.replace(bench.world(()).honest, n_accounts=200)
    churn = msgspec.structs.replace(successors.CAMPAIGNS[0], n_accounts=40)
    world = bench.world([churn], n_days=HISTORY_DAYS + successors.CAMPAIGN_DAYS)
    return build_scene(msgspec.structs.replace(world, honest=honest), seed=9_307)


def test_accounts_that_begin_on_the_days_of_the_runs_replace_others(scene):
    own = members(scene, "churn")
    found = [successors.began_on(scene, own, day) for day in successors.RUN_DAYS]
    assert sum(len(accounts) for accounts in found) >= 10


def test_an_account_begins_on_one_day_only(scene):
    own = members(scene, "churn")
    days = range(1, successors.CAMPAIGN_DAYS + 1)
    began = pa.concat_arrays([successors.began_on(scene, own, day) for day in days])
    assert len(began) == len(set(began.to_pylist())) == len(own)


def part(n_flagged):
    fates = [Fate(case=c.name, n_accounts=10, n_accused=5, n_flagged=n_flagged) for c in successors.CAMPAIGNS]
    return Part(seed=9001, fates=tuple(fates), n_windows=5)


def test_eight_in_ten_replacements_must_be_linked(bench):
    assert successors.report([part(8)], bench).failures == ()
    assert successors.report([part(7)], bench).failures[0] == (
        "churn: 0.700 of the replacements linked, fewer than 0.8"
    )


@pytest.mark.slow
def test_runs_are_added_up_by_campaign(bench, monkeypatch):
    churn = msgspec.structs.replace(successors.CAMPAIGNS[0], n_accounts=20)
    monkeypatch.setattr(successors, "CAMPAIGNS", (churn,))
    monkeypatch.setattr(successors, "RUN_DAYS", (13, 24))
    found = successors.measure(9_308, bench.at(alpha=None, n_accounts=300))
    assert [fate.case for fate in found.fates] == ["churn"]
    assert found.fates[0].n_accounts > 0
    assert found.n_windows == 2
