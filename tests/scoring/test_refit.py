"""A shipped calibration fitted to a deployment's own history."""

import numpy as np
import pytest

from stillwatch.scoring.calibration import Calibration
from stillwatch.scoring.refit import JUDGED_CLASS, refit
from stillwatch.scoring.scorer import scorer_of
from stillwatch.scoring.settings import Settings
from stillwatch.scoring.strength import strength_of
from stillwatch.scoring.threshold import honest_tail
from tests.scoring.honest import calibration, honest_groups


def own_matrix(seed=50, n=1500):
    return honest_groups(seed, n=n).matrix(calibration().signals)


def refitted(own, honest=(), *, n_accounts=2_500_000):
    is_honest = np.isin(np.arange(len(own.sizes)), list(honest))
    return refit(calibration(), own, is_honest, n_accounts=n_accounts)


def test_a_history_of_the_shipped_mix_leaves_weights_near_one():
    weights = [group.weight for group in refitted(own_matrix()).calibration.tail]
    assert np.mean(weights) == pytest.approx(1.0, abs=0.15)


def test_twice_as_many_groups_for_each_account_double_the_weights():
    plain = [group.weight for group in refitted(own_matrix()).calibration.tail]
    dense = [group.weight for group in refitted(own_matrix(), n_accounts=1_250_000).calibration.tail]
    assert dense == pytest.approx([2 * weight for weight in plain], abs=1e-3)


def test_no_history_moves_a_weight_by_more_than_four():
    weights = [group.weight for group in refitted(own_matrix(), n_accounts=10).calibration.tail]
    assert set(weights) == {4.0}


def test_what_honest_signals_look_like_stays_as_shipped():
    found = refitted(own_matrix()).calibration
    assert (found.kind, found.curves, found.ranks) == ("fitted", calibration().curves, calibration().ranks)


def test_groups_judged_honest_raise_the_threshold_and_become_a_class():
    own = own_matrix()
    top = int(np.argmax(scorer_of(calibration()).scores(strength_of(own, calibration()).evidence)))
    found = refitted(own, [top]).calibration
    assert found.lookalikes[-1].name == JUDGED_CLASS
    assert len(found.tail) == len(calibration().tail) + 1
    tail = honest_tail(found, np.ones(4, dtype=bool), settings=Settings())
    assert len(tail.scores) == len(found.tail)
    assert Calibration.from_json(found.to_json()) == found


def test_misfit_is_one_in_a_hundred_where_the_shipped_class_fits():
    misfit = refitted(own_matrix(n=3000)).misfit
    assert misfit["framework"] < 0.04


def test_the_summary_names_the_worst_class_first():
    shares = list(refitted(own_matrix()).summary()["share_above_class_quantile"].values())
    assert shares == sorted(shares, reverse=True)
