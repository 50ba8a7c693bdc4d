"""What the skeleton abstracts, and what it must keep."""

import pyarrow as pa
import pytest

from stillwatch.sketches import sketch_prompts


def skeletons(*prompts: str) -> list[int]:
    absent = pa.nulls(len(prompts), pa.string())
    hashes: list[int] = sketch_prompts(pa.array(prompts), absent, absent)["skeleton_hash"].to_pylist()
    return hashes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("add 3 and 17 now", "add 400,000.25 and 9 now"),
        ('say "good morning" to her', 'say "it is far too late for this" to her'),
        ("say 'good morning' to her", "say 'don't be late' to her"),
        ("say «bonjour» to her", "say «bonne nuit à tous» to her"),
        ("他说「你好」然后走", "他说「再见了朋友」然后走"),
        ("run `ls -l` here", "run `grep -r x .` here"),
        ("fix\n```py\nprint(1)\n```\nplease", "fix\n```\nwhile True: do(that) and this\n```\nplease"),
        ("open 550e8400-e29b-41d4-dead-446655440000 now", "open 9f1c2d3e-aaaa-4bbb-8ccc-0123456789ab now"),
        ("user ab12cd34 failed", "user zz9 failed"),
        ("read /usr/lib/thing please", "read ../other/place/file.txt please"),
        ("see https://example.org/a?b=c please", "see http://example.net/other please"),
        ("open C:\\temp\\x please", "open D:\\y please"),
        ("write to ann@example.org today", "write to bob.b@example.net today"),
        ("edit src/app.py today", "edit lib/deep/code.rs today"),
    ],
)
def test_what_fills_a_slot_does_not_matter(one: str, other: str) -> None:
    assert skeletons(one)[0] == skeletons(other)[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("add 3 and 17 now", "take 3 and 17 now"),
        ('say "good morning" to her', "say good morning to her"),
        ("choose tea and/or milk", "choose ham and/or eggs"),
        ("5 men\" stay here", "5 cats\" stay here"),
        ('an open "quote here\n\nand more', 'an open "word there\n\nand more'),
        ("end it </think> now", "end it </done> now"),
        ("the men's coats", "the dogs' coats"),
        ("do it step-by-step", "do it line-by-line"),
    ],
)  # fmt: skip
def test_words_outside_of_slots_do_matter(one: str, other: str) -> None:
    assert skeletons(one)[0] != skeletons(other)[0]


def test_a_template_with_free_words_after_its_sixteenth_word_has_one_skeleton() -> None:
    template = "please solve the following programming task and explain every single step of the way as you go: "
    first, second = skeletons(template + "sort a list of names", template + "parse a calendar file into rows of text")
    assert first == second


def test_free_words_inside_the_first_sixteen_change_the_skeleton() -> None:
    first, second = skeletons("solve step by step: sort names", "solve step by step: parse a calendar")
    assert first != second


def test_case_accents_width_and_invisible_characters_do_not_change_any_sketch() -> None:
    spellings = ["Résumé the CAFÉ", "re\u0301sume\u0301 the cafe", "\uff52ésumé the ca\u200bfe\u202e"]
    absent = pa.nulls(3, pa.string())
    batch = sketch_prompts(pa.array(spellings), absent, absent)
    for column in ("skeleton_hash", "prompt_hash", "micro_cell", "shingles"):
        assert len({str(value) for value in batch[column].to_pylist()}) == 1, column
