"""Runs that lack a kind of evidence, and what they are judged by."""

import json
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillwatch.errors import CalibrationError
from stillwatch.model.tier import Tier
from stillwatch.scoring.calibration import Calibration
from stillwatch.scoring.fit import FitOptions, HonestGroups, fit
from stillwatch.scoring.refit import JUDGED_CLASS, refit
from stillwatch.scoring.run import score_groups
from stillwatch.scoring.settings import Settings
from stillwatch.scoring.train import PlantedGroups, Reduction
from tests.scoring.honest import SIGNALS, honest_groups
from tests.scoring.planted import planted_groups

LACKED = ("likeness", "youth")
STRONG = tuple(SIGNALS.index(name) for name in ("balance", "hours", "likeness"))
REDUCTION = Reduction(lacks=LACKED, families=("content",))
ALPHA = 1e-4


@cache
def fitted_with(*reductions):
    options = FitOptions(kind="fitted", origin="", n_account_windows=5_000_000, reductions=reductions)
    return fit(honest_groups(1), honest_groups(1001, n=9000), options, planted_groups(2001, strong=STRONG))


def reduced_calibration():
    return fitted_with(REDUCTION)


def measured(*, less=()):
    return np.array([name not in less for name in sorted(SIGNALS)])


def without(sample, names):
    is_lacked = pc.is_in(sample.signals["signal"], value_set=pa.array(names))
    return type(sample)(sample.groups, sample.signals.filter(pc.invert(is_lacked)))


def n_accused(sample: HonestGroups | PlantedGroups, calibration: Calibration) -> int:
    scored = score_groups(sample.matrix(calibration.signals), calibration, alpha=ALPHA, settings=Settings())
    return scored["tier"].to_pylist().count(Tier.ACCUSE.value)


def test_a_run_with_every_signal_goes_by_the_whole_calibration():
    found = reduced_calibration()
    assert found.seen_by(measured()) == found
    assert found.seen_by(measured(less=["likeness"])) == found


def test_a_run_that_lacks_a_kind_of_evidence_goes_by_what_was_fitted_without_it():
    found = reduced_calibration()
    seen = found.seen_by(measured(less=[*LACKED, "hours"]))
    assert (seen.tail, seen.boosting) == (found.reduced[0].tail, found.reduced[0].boosting)
    assert (seen.curves, seen.ranks, seen.n_account_windows) == (found.curves, found.ranks, found.n_account_windows)


def test_of_several_that_fit_the_one_that_lacks_most_is_taken():
    found = fitted_with(Reduction(lacks=("youth",), families=("content",)), REDUCTION)
    assert found.seen_by(measured(less=LACKED)).tail == found.reduced[1].tail
    assert found.seen_by(measured(less=["youth"])).tail == found.reduced[0].tail


def test_lacked_signals_weigh_nothing_in_what_was_fitted_without_them():
    found = reduced_calibration().reduced[0]
    columns = [sorted(SIGNALS).index(name) for name in LACKED]
    assert not np.array([group.strengths for group in found.tail])[:, columns].any()
    assert not np.array(found.boosting.gains)[columns].any()


def test_campaigns_are_found_by_what_is_left_and_honest_people_are_not_accused():
    planted = without(planted_groups(4001, strong=STRONG), LACKED)
    assert n_accused(planted, reduced_calibration()) > 80
    assert n_accused(without(honest_groups(5001), LACKED), reduced_calibration()) <= 1


def test_a_kind_of_evidence_without_any_group_is_left_out():
    assert fitted_with(Reduction(lacks=LACKED, families=("identity",))).reduced == ()


def test_a_deployment_fits_what_it_goes_by_without_a_kind_of_evidence_too():
    shipped = reduced_calibration()
    own = honest_groups(50, n=500).matrix(shipped.signals)
    found = refit(shipped, own, np.isin(np.arange(500), [7]), n_accounts=100).calibration.reduced[0]
    assert {group.weight for group in found.tail[:-1]} == {4.0}
    assert found.lookalikes[-1].name == JUDGED_CLASS


def test_it_survives_its_json_and_a_damaged_one_is_refused():
    found = reduced_calibration()
    assert Calibration.from_json(found.to_json()) == found
    damaged = json.loads(found.to_json())
    damaged["reduced"][0]["tail"][0][7].pop()
    with pytest.raises(CalibrationError, match="fit it again"):
        Calibration.from_json(json.dumps(damaged))
