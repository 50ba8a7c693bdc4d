"""Names: what is folded away, and what two names have in common."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.screening.likeness import compare
from stillwatch.screening.names import Kind, folded, parse_name, sound
from stillwatch.screening.rarity import MAX_BITS, Rarity

RARITY = Rarity.of(parse_name(name) for name in ("Mohammed Ali", "Mohammed Zorvanek", "Ali Hassan", "Trading Company"))
TEXT = st.text(max_size=20)


def likeness(one: str, other: str, kind: Kind) -> float:
    return compare(parse_name(one, kind), parse_name(other, kind), RARITY, kind).score


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Vexley Holdings p.l.c.", "VEXLEY HOLDING PLC"),
        ("OAO Zorvanek", "Zorvanek Joint Stock Company"),
        ("Salt & Stone Ltd", "Salt and Stone Limited"),
        ("Brigade Four", "4th Brigade"),
        ("Zorvanek Sp. z o.o.", "Zorvanek"),
    ],
)
def test_spellings_of_one_company_are_equal(one: str, other: str) -> None:
    assert likeness(one, other, Kind.ORGANISATION) >= 0.98


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Владимир Зорванек", "Vladimir Zorvanek"),
        ("ZORVANEK, Vladimir", "Vladimir Zorvanek"),
        ("Muhammad bin Zorvanek", "Mohamed Zorvanek"),
        ("Osama Qadir", "Usama Kader"),
        ("Dr. Bill Zorvanek", "William Zorvanek"),
        ("Vladimir Petrovich Zorvanek", "Vladimir Zorvanek"),
        ("Al Zorvanek-Fintrey", "Zorvanekfintrey Al"),
    ],
)
def test_spellings_of_one_person_are_for_review(one: str, other: str) -> None:
    assert likeness(one, other, Kind.PERSON) >= 0.8


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("Anna Zorvanek", "Berta Zorvanek", Kind.PERSON),
        ("Zorvanek", "Zorvanek Abdul Ghafoor Fintrey", Kind.PERSON),
        ("Vexley Fund 4", "Vexley Fund 5", Kind.ORGANISATION),
        ("Vexley Shipping", "Vexley Mining", Kind.ORGANISATION),
        ("Vexley", "Vexley Global Advisors Trust", Kind.ORGANISATION),
    ],
)
def test_names_that_contradict_each_other_are_not(one: str, other: str, kind: Kind) -> None:
    assert likeness(one, other, kind) < 0.8


@given(TEXT)
@settings(max_examples=100, deadline=None)
def test_folding_gives_plain_letters_and_changes_nothing_twice(raw: str) -> None:
    once = folded(raw)
    assert not set(once) - set("abcdefghijklmnopqrstuvwxyz0123456789 ")
    assert folded(once) == once


@given(TEXT, TEXT, st.sampled_from(Kind))
@settings(max_examples=100, deadline=None)
def test_likeness_is_a_share_and_does_not_depend_on_the_side(one: str, other: str, kind: Kind) -> None:
    left, right = parse_name(one, kind), parse_name(other, kind)
    there = compare(left, right, RARITY, kind)
    assert 0.0 <= there.score <= 1.0
    if left.core:
        assert compare(left, left, RARITY, kind).score >= 0.999


def test_a_word_that_no_list_holds_tells_more_than_one_that_many_names_share() -> None:
    assert RARITY.bits("unheardof") > RARITY.bits("mohammed")
    assert RARITY.bits("unheardof") <= MAX_BITS
    assert RARITY.bits("al") < 1


def test_romanisations_share_a_sound() -> None:
    assert sound("qadir") == sound("kader")
    assert sound("khan") != sound("kim")
