"""Two scorers behind one interface."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.scoring.scorer import Boosted, Evidence, LabelFreeSum, scorer_of, tail_evidence
from tests.scoring.honest import calibration
from tests.scoring.planted import boosted_calibration

FITTED = [calibration, boosted_calibration]


def evidence(log10s, *, sizes=50, volume=20.0, n_tests=1):
    rows = np.array(log10s, dtype=float)
    n = len(rows)
    return Evidence(rows, np.full(n, sizes), np.full(n, volume), np.full(n, np.log10(n_tests)))


def test_the_calibration_names_its_scorer():
    assert isinstance(scorer_of(calibration()), LabelFreeSum)
    assert isinstance(scorer_of(boosted_calibration()), Boosted)


@pytest.mark.parametrize("fitted", FITTED)
@given(row=st.lists(st.floats(0, 4), min_size=4, max_size=4), place=st.integers(0, 3), more=st.floats(0, 3))
def test_stronger_evidence_never_lowers_a_score(fitted, row, place, more):
    raised = [value + more * (number == place) for number, value in enumerate(row)]
    before, after = scorer_of(fitted()).scores(evidence([row, raised]))
    assert after >= before


@pytest.mark.parametrize("fitted", FITTED)
def test_a_signal_that_was_not_measured_counts_as_the_weakest_evidence(fitted):
    strong = evidence([[3.0] * 4])
    less = strong.only(np.array([True, True, False, True]))
    scorer = scorer_of(fitted())
    assert scorer.scores(less) == pytest.approx(scorer.scores(evidence([[3.0, 3.0, 0.0, 3.0]])))
    assert scorer.scores(less) < scorer.scores(strong)


@pytest.mark.parametrize(("fitted", "cost"), [(calibration, 1.0), (boosted_calibration, np.log(10.0))])
def test_each_further_test_of_a_token_costs_its_logarithm(fitted, cost):
    one, ten = (scorer_of(fitted()).scores(evidence([[3.0] * 4], n_tests=n))[0] for n in (1, 10))
    assert one - ten == pytest.approx(cost)


def test_context_counts_a_quarter_in_the_sum_of_the_signals_own_evidence():
    context = calibration().signals.index("youth")
    row = [1.0, 2.0, 3.0, 4.0]
    assert scorer_of(calibration()).scores(evidence([row]))[0] == pytest.approx(sum(row) - 0.75 * row[context])


def test_a_sum_is_never_negative_and_a_boosting_may_be():
    weak = evidence([[0.0] * 4], n_tests=1000)
    assert scorer_of(calibration()).scores(weak).tolist() == [0.0]
    assert scorer_of(boosted_calibration()).scores(weak)[0] < 0


@pytest.mark.parametrize("fitted", FITTED)
def test_contributions_leave_one_baseline_to_groups_of_one_size_volume_and_number_of_tests(fitted):
    scorer = scorer_of(fitted())
    rows = evidence(np.random.default_rng(0).exponential(1.0, (50, 4)), n_tests=1)
    baseline = scorer.scores(rows) - scorer.contributions(rows).sum(axis=1)
    if fitted is calibration:
        assert baseline == pytest.approx(np.zeros(50), abs=1e-9)
    assert scorer.contributions(rows).shape == (50, 4)
    assert np.all(np.isfinite(baseline))


def test_more_accounts_with_the_same_evidence_never_score_lower():
    scores = [scorer_of(boosted_calibration()).scores(evidence([[2.0] * 4], sizes=n))[0] for n in (5, 20, 80, 300)]
    assert scores == sorted(scores)


def test_the_tail_scores_as_its_groups_did():
    fitted = boosted_calibration()
    scores = scorer_of(fitted).scores(tail_evidence(fitted.tail, n_signals=4))
    assert np.all(np.diff(scores) <= 1e-2)


def test_a_boosting_over_other_signals_is_refused():
    from stillwatch.errors import CalibrationError
    from stillwatch.scoring.calibration import Calibration

    fitted = boosted_calibration()
    other = msgspec.structs.replace(fitted.boosting, features=("a", *fitted.boosting.features[1:]))
    with pytest.raises(CalibrationError, match="fit it again"):
        Calibration.from_json(msgspec.structs.replace(fitted, boosting=other).to_json())
