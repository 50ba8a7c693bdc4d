"""How many were never seen."""

import numpy as np
import pytest

from stillwatch.stats.recapture import missed_by_both


def test_a_worked_example_of_the_estimator() -> None:
    missed = missed_by_both(10, 15, 5)
    assert missed is not None
    assert missed.estimate == pytest.approx(11 * 16 / 6 - 1 - 20)
    assert missed.upper > missed.estimate


def test_nothing_is_missed_where_one_way_sees_all_that_the_other_does() -> None:
    missed = missed_by_both(100, 40, 40)
    assert missed is not None
    assert missed.estimate == missed.upper == 0.0


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 0), (5, 7)])
def test_nothing_can_be_said_without_a_common_catch(first: int, second: int) -> None:
    assert missed_by_both(first, second, 0) is None


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="n_both"):
        missed_by_both(3, 5, 4)


def test_the_upper_end_holds_in_nearly_all_of_many_populations() -> None:
    random = np.random.default_rng(4)
    n, p, q, held = 300, 0.6, 0.5, 0
    for _ in range(400):
        first, second = random.random(n) < p, random.random(n) < q
        missed = missed_by_both(int(first.sum()), int(second.sum()), int((first & second).sum()))
        assert missed is not None
        held += missed.upper >= np.count_nonzero(~(first | second))
    assert held / 400 > 0.95
