"""The Unicode rule is the same table under every Python."""

import hashlib

import pytest

from stillwatch.sketches.alphabet import CLASS_SHIFT, FOLD_MASK, N_TABLED, CharClass, alphabet
from tests.sketches import reference

DIGEST = "ad4337aa55445dccfd73ada02a656c3a"


def test_the_table_never_changes() -> None:
    assert hashlib.blake2b(alphabet().astype("<u4").tobytes(), digest_size=16).hexdigest() == DIGEST


def test_every_code_point_has_the_class_and_fold_of_the_reference() -> None:
    names = {CharClass.SEPARATOR: "mark", CharClass.SPECIAL: "mark"}
    for point, entry in enumerate(alphabet().tolist()):
        group = CharClass(entry >> CLASS_SHIFT)
        character = chr(point)
        assert reference.kind_of_character(character) == names.get(group, group.name.lower()), hex(point)
        if group in (CharClass.LETTER, CharClass.DIGIT, CharClass.UNSPACED):
            assert chr(entry & FOLD_MASK) == reference.fold(character), hex(point)
    assert alphabet().size == N_TABLED


@pytest.mark.parametrize(
    ("character", "folded"),
    [("A", "a"), ("É", "e"), ("Ё", "е"), ("Ώ", "ω"), ("\uff21", "a"), ("\U0001d400", "a"), ("ß", "ß"), ("٣", "3")],  # noqa: RUF001
)
def test_case_accents_and_compatibility_forms_fold(character: str, folded: str) -> None:
    assert chr(int(alphabet()[ord(character)]) & FOLD_MASK) == folded
