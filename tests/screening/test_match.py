"""Matching: candidates miss little, evidence is stated, levels follow from it."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stillwatch.screening.block import candidates
from stillwatch.screening.listed import Entry, Subject
from stillwatch.screening.match import match_names, rarity_of
from stillwatch.screening.names import Kind, parse_name
from stillwatch.screening.outcome import Cause, Hit, Level
from stillwatch.screening.settings import Settings

SETTINGS = Settings(threads=1)
LISTED = Entry(
    "own", "7", "Zorvanek Quillbright Trading LLC", Kind.ORGANISATION, ("Vexley Fintrey",), ("IR",),
    ("12 Salt Road, Tehran, IR",), ("RX-998877",),
)  # fmt: skip
FILLER = [Entry("own", f"f{n}", f"Filler{n} Trading Company", Kind.ORGANISATION) for n in range(30)]
ENTRIES = [LISTED, *FILLER]


def hits(subject: Subject, entries: list[Entry] = ENTRIES) -> list[Hit]:
    return match_names([subject], entries, rarity_of(entries), SETTINGS)


def account(*names: str, **more: tuple[str, ...]) -> Subject:
    return Subject("a", "d", names, Kind.ORGANISATION, **more)


def test_a_rare_whole_name_holds_and_says_why() -> None:
    (hit,) = hits(account("Zorvanek Quillbright Trading Ltd"))
    assert (hit.level, hit.object_id, hit.cause) == (Level.HOLD, "own:7", Cause.NAME)
    assert "zorvanek" in " ".join(hit.reasons)


def test_a_hit_by_alias_names_the_alias() -> None:
    (hit,) = hits(account("Vexley Fintrey"))
    assert hit.reasons[0].startswith("alias 'Vexley Fintrey'")


def test_a_common_word_alone_is_no_hit() -> None:
    assert hits(account("Trading Company")) == []


def test_a_country_that_differs_turns_a_hold_into_a_review() -> None:
    (hit,) = hits(account("Zorvanek Quillbright Trading", countries=("FR",)))
    assert hit.level is Level.REVIEW
    assert any("country differs" in reason for reason in hit.reasons)


def test_an_address_and_a_country_lift_a_match_and_never_make_one() -> None:
    near = account("Zorvanek Quilbrihgt Commerce")
    there = replace(near, countries=("IR",), addresses=("Salt Road 12, Tehran",))
    (plain, lifted) = (max((hit.score or 0.0 for hit in hits(one)), default=0.0) for one in (near, there))
    assert lifted >= plain
    assert hits(account("Other Name Entirely", countries=("IR",), addresses=("12 Salt Road, Tehran",))) == []


def test_an_equal_identifier_holds_a_name_that_is_half_alike() -> None:
    (hit,) = hits(account("Zorvanek Quillbright", identifiers=("RX 998877",)))
    assert hit.level is Level.HOLD
    assert "identifier agrees" in hit.reasons


def test_a_person_is_no_company() -> None:
    assert hits(Subject("a", "d", ("Zorvanek Quillbright Trading",), Kind.PERSON)) == []


def test_reasons_never_quote_words_that_only_the_account_has() -> None:
    (hit,) = hits(Subject("a", "d", ("Vexley Fintrey Secretword",), Kind.ORGANISATION), [
        replace(LISTED, aliases=("Vexley Fintrey Zorvanek Quillbright",)), *FILLER,
    ]) or [None]  # fmt: skip
    assert hit is None or "secretword" not in " ".join(hit.reasons).lower()


def test_the_order_of_accounts_and_entries_changes_nothing() -> None:
    subjects = [
        Subject(str(n), str(n), (name,)) for n, name in enumerate(("Vexley Fintrey", "Zorvanek Quilbright Trading"))
    ]
    rarity = rarity_of(ENTRIES)
    there = match_names(subjects, ENTRIES, rarity, SETTINGS)
    assert match_names(subjects[::-1], ENTRIES[::-1], rarity, SETTINGS) == there
    assert len(there) == 2


def test_nothing_against_nothing_gives_nothing() -> None:
    assert match_names([], ENTRIES, rarity_of(ENTRIES), SETTINGS) == []
    assert match_names([account("Vexley Fintrey")], [], rarity_of([]), SETTINGS) == []
    assert match_names([account("", "—")], ENTRIES, rarity_of(ENTRIES), SETTINGS) == []


def test_geography_and_networks_cannot_be_a_hold() -> None:
    for cause in (Cause.REGION, Cause.NETWORK):
        with pytest.raises(ValueError, match="cannot hold"):
            Hit("a", cause, Level.HOLD, "x", "x", (), "d", "d")


def test_candidates_do_not_depend_on_the_size_of_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [parse_name(entry.name) for entry in ENTRIES]
    whole = candidates(names, names)
    monkeypatch.setattr("stillwatch.screening.block.ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(candidates(names, names), whole)


def test_altered_names_are_found_and_other_people_are_not(shared_data: Path) -> None:
    """At least 95 % of altered names, at most 1 % of unrelated people (rates at 683 and 1,000 names)."""
    folder = shared_data / "screening"
    listed, altered, others = (
        [row["full_name"] for row in csv.DictReader((folder / name).read_text(encoding="utf-8").splitlines())]
        for name in (
            "yente_positives_un_untreated.csv",
            "yente_positives_un_treated.csv",
            "yente_negatives_global.csv",
        )
    )
    entries = [Entry("un", str(n), name, Kind.PERSON) for n, name in enumerate(listed)]
    subjects = [Subject(f"p{n}", f"p{n}", (name,), Kind.PERSON) for n, name in enumerate(altered)]
    subjects += [Subject(f"n{n}", f"n{n}", (name,), Kind.PERSON) for n, name in enumerate(others)]
    found = match_names(subjects, entries, rarity_of(entries), SETTINGS)
    right = {
        hit.account_id for hit in found if hit.object_id == f"un:{hit.account_id[1:]}" and hit.account_id[0] == "p"
    }
    assert len(right) >= 0.95 * len(altered)
    assert len({hit.account_id for hit in found if hit.account_id[0] == "n"}) <= 0.01 * len(others)
