"""A calibration fitted to honest groups."""

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.errors import CalibrationError
from stillwatch.scoring.fit import FitOptions, HonestGroups, fit
from stillwatch.scoring.strength import standardise, strength_of
from tests.scoring.honest import SIGNALS, calibration, groups_table, honest_groups, signals_table


def test_fitting_twice_gives_equal_bytes():
    assert calibration().to_json() == calibration().to_json()


def test_fitting_does_not_depend_on_the_order_of_rows():
    reference, threshold = honest_groups(1), honest_groups(2)
    rng = np.random.default_rng(0)
    shuffled = HonestGroups(
        reference.groups.take(rng.permutation(reference.groups.num_rows)),
        reference.signals.take(rng.permutation(reference.signals.num_rows)),
    )
    options = FitOptions(kind="fitted", origin="", n_account_windows=1000)
    assert fit(shuffled, threshold, options).to_json() == fit(reference, threshold, options).to_json()


def test_standardised_honest_values_have_no_size_trend():
    fitted = calibration()
    fresh = honest_groups(77).matrix(fitted.signals)
    residuals = standardise(fresh, fitted.curves)
    for column in range(len(SIGNALS)):
        assert abs(np.corrcoef(np.log(fresh.sizes), residuals[:, column])[0, 1]) < 0.06


def test_p_values_of_fresh_honest_groups_are_valid_with_a_fixed_seed():
    fitted = calibration()
    p = strength_of(honest_groups(78).matrix(fitted.signals), fitted).p_values
    for level in (0.01, 0.05, 0.2):
        assert np.all((p <= level).mean(axis=0) < level * 1.5)


def test_each_class_has_its_centroid_and_score_quantile():
    by_name = {lookalike.name: lookalike for lookalike in calibration().lookalikes}
    assert set(by_name) == {"quickstart", "framework"}
    youth = calibration().signals.index("youth")
    assert by_name["quickstart"].centroid[youth] > by_name["framework"].centroid[youth] + 1
    assert by_name["quickstart"].score_q99 > by_name["framework"].score_q99


def test_a_family_with_few_groups_borrows_the_curve_of_all():
    few = honest_groups(5, n=40)
    reference = honest_groups(6)
    renamed = groups_table(
        [f"n{i}" for i in range(40)], few.groups["n_accounts"].to_pylist(), ["nat"] * 40, [0] * 40, kinds="address"
    )
    both = HonestGroups(
        pa.concat_tables([reference.groups, renamed]),
        pa.concat_tables([reference.signals, signals_table(renamed["group_id"].to_pylist(), np.zeros((40, 4)))]),
    )
    fitted = fit(both, honest_groups(7), FitOptions(kind="fitted", origin="", n_account_windows=1000))
    assert {curve.family for curve in fitted.curves} == {"all", "content"}
    assert {"nat"} <= {lookalike.name for lookalike in fitted.lookalikes}


def test_no_groups_are_refused():
    empty = HonestGroups(groups_table([], [], [], []), signals_table([], np.zeros((0, 4))))
    with pytest.raises(CalibrationError, match="got none"):
        fit(empty, honest_groups(1), FitOptions(kind="fitted", origin="", n_account_windows=1000))


def test_two_groups_of_the_same_crowd_are_one_in_the_tail():
    options = FitOptions(kind="fitted", origin="", n_account_windows=1000)
    plain = honest_groups(2, n=50)
    twins = HonestGroups(
        pa.concat_tables([plain.groups, _renamed(plain.groups)]),
        pa.concat_tables([plain.signals, _renamed(plain.signals)]),
    )
    once, twice = (fit(honest_groups(1), groups, options) for groups in (plain, twins))
    assert twice.n_groups == 2 * once.n_groups
    assert twice.tail == once.tail


def _renamed(rows):
    ids = [f"twin-{name}" for name in rows["group_id"].to_pylist()]
    return rows.set_column(rows.schema.get_field_index("group_id"), "group_id", pa.array(ids))
