"""The 50 % rule."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.errors import ListError
from stillwatch.screening.ownership import Stake, close_ownership, read_stakes
from stillwatch.screening.settings import OwnershipRule

DAY = date(2026, 5, 10)
NODES = "abcdef"


def closed(*stakes: Stake, blocked: str = "BX", on: date = DAY) -> dict[str, tuple[float, bool]]:
    found = close_ownership(stakes, set(blocked), on=on)
    return {name: (owned.percent, owned.is_certain) for name, owned in found.items()}


def test_sixty_percent_of_one_blocked_owner_is_enough() -> None:
    assert closed(Stake("B", "a", 60)) == {"a": (60, True)}


def test_two_blocked_owners_add_up() -> None:
    assert closed(Stake("B", "a", 25), Stake("X", "a", 30)) == {"a": (55, True)}
    assert closed(Stake("B", "a", 25), Stake("X", "a", 24.9)) == {}


def test_exactly_half_is_enough_however_it_is_written() -> None:
    assert closed(Stake("B", "a", 16.7), Stake("X", "a", 33.3)) == {"a": (50, True)}


def test_a_chain_is_not_multiplied() -> None:
    chain = (Stake("B", "a", 50), Stake("a", "b", 50), Stake("b", "c", 50))
    assert closed(*chain) == {"a": (50, True), "b": (50, True), "c": (50, True)}


def test_a_broken_chain_stops() -> None:
    assert closed(Stake("B", "a", 49), Stake("a", "b", 100)) == {}


def test_two_lines_meet_in_one_company() -> None:
    lines = (Stake("B", "a", 60), Stake("X", "b", 60), Stake("a", "c", 25), Stake("b", "c", 25))
    assert closed(*lines)["c"] == (50, True)


def test_a_ring_does_not_block_itself() -> None:
    assert closed(Stake("a", "b", 100), Stake("b", "a", 100)) == {}
    assert closed(Stake("a", "b", 60), Stake("b", "a", 40), Stake("B", "a", 50)) == {"a": (90, True), "b": (60, True)}


def test_a_share_that_nobody_states_is_a_question_and_no_verdict() -> None:
    assert closed(Stake("B", "a", None)) == {"a": (0, False)}
    assert closed(Stake("B", "a", None), Stake("honest", "a", 51)) == {}
    assert closed(Stake("B", "a", None), Stake("X", "a", 50)) == {"a": (50, True)}


def test_a_question_is_handed_down_the_chain() -> None:
    assert closed(Stake("B", "a", None), Stake("a", "b", 80)) == {"a": (0, False), "b": (0, False)}


def test_stakes_count_from_their_first_day_until_they_end() -> None:
    stake = Stake("B", "a", 60, starts_on=DAY, ends_on=DAY + timedelta(days=10))
    assert closed(stake, on=DAY - timedelta(days=1)) == {}
    assert closed(stake, on=DAY) == {"a": (60, True)}
    assert closed(stake, on=DAY + timedelta(days=10)) == {}


def test_a_rule_holds_in_its_periods_only() -> None:
    rule = OwnershipRule(periods=((date(2025, 9, 29), date(2025, 11, 10)), (date(2026, 11, 10), None)))
    days = (date(2025, 9, 28), date(2025, 9, 29), date(2025, 11, 10), date(2026, 11, 9), date(2027, 1, 1))
    assert [rule.is_in_force(day) for day in days] == [False, True, False, False, True]


@given(
    st.lists(
        st.builds(
            Stake, st.sampled_from(NODES), st.sampled_from(NODES), st.sampled_from([None, 10.0, 25.0, 40.0, 50.0, 60.0])
        ),
        max_size=12,
    ),
    st.sets(st.sampled_from(NODES), max_size=2),
)
@settings(max_examples=200, deadline=None)
def test_certain_closure_equals_sweeping_until_nothing_changes(stakes: list[Stake], blocked: set[str]) -> None:
    reached = set(blocked)
    for _ in NODES:
        for company in NODES:
            held = sum(
                stake.percent or 0.0
                for stake in stakes
                if stake.owned == company and stake.owner in reached and stake.owner != company
            )
            if held >= 50:
                reached.add(company)
    found = close_ownership(stakes, blocked, on=DAY)
    assert {name for name, owned in found.items() if owned.is_certain} == reached - blocked


def test_a_table_of_owners_is_read_and_nonsense_refused() -> None:
    stakes = read_stakes("owner,owned,percent,from,owner_country\nB,a,25 %,2026-01-01,Iran\nB,b,,,\n")
    assert stakes == [Stake("B", "a", 25.0, date(2026, 1, 1), None, "IR"), Stake("B", "b", None)]
    for body in ("owner,owned,percent\nB,a,140\n", "owner,owned,percent\n,a,14\n", "owner,owned,percent\nB,a,most\n"):
        with pytest.raises(ListError):
            read_stakes(body)
