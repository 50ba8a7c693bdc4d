"""Shapes, nulls, shingles, cells and hostile input of the batch function."""

import os
import subprocess
import sys
import time

import pyarrow as pa
import pytest

from stillwatch.model.tables import PROMPT_SKETCHES
from stillwatch.sketches import SKETCH_SCHEMA, sketch_prompts

NONE = pa.nulls(1, pa.string())
MATERIALS = ("house", "milk", "page", "galaxy")  # words that are kept, found by trying everyday ones
PROMPT_COLUMNS = ("skeleton_hash", "prompt_hash", "cell", "micro_cell", "capability", "asks_reasoning", "asks_grading")


def sketch(*prompts: str | None) -> pa.RecordBatch:
    absent = pa.nulls(len(prompts), pa.string())
    return sketch_prompts(pa.array(prompts, pa.string()), absent, absent)


def words(start: int, stop: int) -> str:
    """Distinct words without a digit."""
    return " ".join("w" + "".join(chr(97 + int(digit)) for digit in f"{k:05d}") for k in range(start, stop))


def materials(*prompts: str | None) -> list[list[int]]:
    column: list[list[int]] = sketch(*prompts)["materials"].to_pylist()
    return column


def test_columns_and_types_are_those_of_the_floor_plan() -> None:
    for field in SKETCH_SCHEMA:
        assert field.type == PROMPT_SKETCHES.schema.field(field.name).type, field.name
    assert sketch("a prompt").schema == SKETCH_SCHEMA


@pytest.mark.parametrize("prompt", [None, ""])
def test_a_prompt_that_is_not_there_has_null_columns_and_empty_lists(prompt: str | None) -> None:
    row = sketch(prompt).to_pylist()[0]
    assert row["shingles"] == row["materials"] == []
    assert all(row[name] is None for name in (*PROMPT_COLUMNS, "n_chars"))


def test_system_and_tools_are_hashed_also_without_a_prompt() -> None:
    row = sketch_prompts(NONE, pa.array(["be kind"]), pa.array(["[]"])).to_pylist()[0]
    assert row["system_hash"] is not None
    assert row["tools_hash"] is not None
    assert row["prompt_hash"] is None


def test_an_empty_batch_gives_an_empty_batch() -> None:
    empty = pa.array([], pa.string())
    assert sketch_prompts(empty, empty, empty).num_rows == 0


def test_a_slice_and_a_large_string_column_give_the_rows_of_the_whole() -> None:
    prompts = pa.array(["first one", None, "the second prompt here", "", "third"])
    absent = pa.nulls(5, pa.string())
    whole = sketch_prompts(prompts, absent, absent).slice(2, 3).to_pylist()
    for column in (prompts.slice(2, 3), prompts.cast(pa.large_string()).slice(2, 3)):
        assert sketch_prompts(column, absent.slice(2, 3), absent.slice(2, 3)).to_pylist() == whole


def test_a_prompt_of_fewer_than_five_words_has_one_shingle() -> None:
    assert [len(shingles) for shingles in sketch("one two three four", "?!").to_pydict()["shingles"]] == [1, 1]


def test_about_an_eighth_of_the_shingles_of_a_short_prompt_is_kept() -> None:
    kept = sum(map(len, sketch(*(words(300 * k, 300 * k + 200) for k in range(40))).to_pydict()["shingles"]))
    assert 0.8 * 40 * 196 / 8 < kept < 1.2 * 40 * 196 / 8


def test_shingles_of_a_longer_prompt_are_sparser_and_bounded() -> None:
    assert len(sketch(words(0, 90_000)).to_pydict()["shingles"][0]) < 100


def test_shingles_of_a_long_prompt_are_a_subset_of_those_at_full_scale() -> None:
    text = words(0, 290)
    short = set(sketch(text).to_pydict()["shingles"][0])
    long = set(sketch(text + " " + text).to_pydict()["shingles"][0])
    assert len(text) < 2000 + 100
    assert len(long & short) >= len(long) - 4


def test_a_shared_word_is_kept_by_both_prompts_or_by_neither() -> None:
    both, first, second = materials(
        words(400, 500), words(400, 500) + " " + words(0, 150), words(2000, 2150) + "\n" + words(400, 500)
    )
    assert both
    assert set(both) <= set(first) & set(second)


def test_materials_of_a_long_prompt_are_a_subset_of_those_at_full_scale() -> None:
    text = words(0, 285)
    short, long = materials(text, " ".join([text] * 9))
    assert set(long) < set(short)


def test_about_a_sixteenth_of_the_words_of_a_short_prompt_is_kept_as_material() -> None:
    kept = sum(map(len, materials(*(words(300 * k, 300 * k + 200) for k in range(40)))))
    assert 0.85 * 40 * 200 / 16 < kept < 1.15 * 40 * 200 / 16


def test_words_of_every_kind_are_material() -> None:
    assert len({str(row) for row in materials("galaxy", '"galaxy"', "`galaxy`", "/galaxy", "the Galaxy of now")}) == 1
    assert all(len(row) == 1 for row in materials("galaxy", "2090", "q117", "你好"))


def test_a_word_of_fewer_than_four_characters_is_no_material() -> None:
    assert materials("cat", "the cat is as fat as you") == [[], []]


def test_a_prompt_of_which_no_word_is_kept_has_no_material() -> None:
    assert materials("nothing", "?!") == [[], []]


def test_materials_do_not_depend_on_order_or_repetition_of_words() -> None:
    once, often = materials("house milk page galaxy", "galaxy page, milk: house house milk page galaxy galaxy")
    assert once == often == sorted(set(once))
    assert len(once) == len(MATERIALS)


def test_materials_of_a_hostile_prompt_are_sorted_and_distinct() -> None:
    kept = " ".join(MATERIALS) + " "
    for row in materials(kept * 80, words(0, 60_000), kept * 2):
        assert row == sorted(set(row))
        assert 0 <= min(row) <= max(row) < 1 << 15


def test_prompts_of_one_template_share_shingles_where_their_skeletons_differ() -> None:
    template = words(0, 60)
    first, second = sketch("apples grow " + template, "a clock ticks " + template).to_pylist()
    assert first["skeleton_hash"] != second["skeleton_hash"]
    assert set(first["shingles"]) & set(second["shingles"])


def test_a_cell_is_the_first_eight_bits_of_the_micro_cell() -> None:
    batch = sketch(*(words(k, k + 9) for k in range(200))).to_pydict()
    assert batch["cell"] == [micro >> 4 for micro in batch["micro_cell"]]
    assert max(batch["micro_cell"]) < 4096
    assert min(batch["micro_cell"]) >= 0


def test_a_small_edit_moves_a_long_prompt_less_than_another_prompt_does() -> None:
    edited = far = 0
    for k in range(0, 4000, 100):
        base, edit, other = sketch(words(k, k + 60), words(k + 3, k + 63), words(k + 9000, k + 9060))[
            "micro_cell"
        ].to_pylist()
        edited += (base ^ edit).bit_count()
        far += (base ^ other).bit_count()
    assert edited < far / 2


def test_numbers_paths_and_code_do_not_move_the_cell() -> None:
    one, other = sketch(
        "translate `print` of /usr/share/words into german 3000 times",
        "translate `sorted` of ./poems/winter.txt into german 88888 times",
    ).to_pylist()
    assert one["micro_cell"] == other["micro_cell"]


def test_cells_of_one_template_differ_by_the_item_that_stands_in_quotes() -> None:
    items = [words(k, k + 6) for k in range(0, 600, 6)]
    batch = sketch(*(f'translate "{item}" into german 3 times' for item in items)).to_pydict()
    assert len(set(batch["micro_cell"])) > 60
    assert len(set(batch["skeleton_hash"])) == 1


def test_where_a_row_stands_in_a_batch_does_not_change_it() -> None:
    prompts = [words(k, k + 40) for k in range(50)] + ["x" * 2_000_000, None, "tail of the batch"]
    together = sketch(*prompts).to_pylist()
    assert together == [sketch(prompt).to_pylist()[0] for prompt in prompts]


@pytest.mark.parametrize(
    "text",
    [
        "\x00",
        "\x00\x00 \x00",
        "\u202e\u2066",
        "\ufeff",
        "\U0010ffff",
        "`" * 1000,
        '"' * 999,
        "/" * 1000,
        "-" * 50,
        "\n" * 500,
    ],
)
def test_lone_controls_and_marks_are_sketched(text: str) -> None:
    row = sketch(text).to_pylist()[0]
    assert row["n_chars"] == len(text)
    assert len(row["shingles"]) == 1


@pytest.mark.parametrize(
    "unit", ["a", "a ", '"a ', "'a b' ", "`", "a/", "中", "😀", "1-", "\n", "\n ", "x\u0301", "step by "]
)
def test_a_prompt_of_a_million_characters_takes_linear_time(unit: str) -> None:
    sketch(unit)
    text = unit * (1_000_000 // len(unit))
    started = time.process_time()
    sketch(text)
    assert time.process_time() - started < 2.0


def test_many_kept_shingles_are_sorted_and_distinct() -> None:
    text = " ".join("abcdefghijklmnopqrst"[k * k % 20] for k in range(990))
    kept = sketch(text + words(0, 1), words(0, 280)).to_pydict()["shingles"]
    assert all(row == sorted(set(row)) for row in kept)


def test_another_process_without_a_cache_gives_the_same_sketches(tmp_path: os.PathLike[str]) -> None:
    code = (
        "import pyarrow as pa; from stillwatch.sketches import sketch_prompts as s;"
        "a = pa.array(['Think step by step: 3 apples', '中文 é']); print(s(a, a, a).to_pylist())"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    prompts = pa.array(["Think step by step: 3 apples", "中文 é"])
    assert run.stdout.strip() == str(sketch_prompts(prompts, prompts, prompts).to_pylist())
