"""The compiled kernel and the plain reference give the same bits."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.sketches import hash_text, hash_texts, sketch_prompts
from stillwatch.sketches.batch import sketch_texts
from stillwatch.sketches.lexicon import Cue
from stillwatch.sketches.rows import TextRows
from tests.sketches import reference

PIECES = [
    '"', "'", "`", "```", "```py\n", "“", "”", "«", "»", "「", "」", "\u2018", "\u2019", "\n", "\n\n", "\n \t\r\n",
    " ", "\t", "\u3000", "/", "//", "http://", "./", "</", "\\", ":\\", "@", ".", "-", "{", "}", ";", "=",
    "\x00", "\u200b", "\u202e", "\u0301", "😀", "👩\u200d👧", "中", "文字", "ひらがな", "カナ", "ｶﾅ", "ไทย", "한국어",
    "é", "É", "ß", "İ", "ﬁ", "\uff21", "\U0001d400", "٣", "४", "क़", "ب", "\u1f88", "\uffff", "\ue000", "𠀀𠀁",
    "\U000e0041", "\U0001f1e9", "the", "a", "word", "Explain", "dead", "beef", "550e8400", "12", "3x", "foo_bar",
    "step", "by", "think", "before", "score", "rate", "scale", "of", "python", "api", "plan", "don't", "a.b/c",
    # Words that are kept as material (one in sixteen is), and one that would be if it were longer.
    "milk", "House", "galaxy", "page", "2090", "q117", "'galaxy'", "`house`", "milk/", "你好", "且", "cat",
    "x@y.z", "/usr/lib", "C:\\x", "1,000.5",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=40).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=60).map(" ".join),
)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_every_sketch_of_a_text_equals_the_reference(text: str) -> None:
    row = sketch_prompts(pa.array([text]), pa.nulls(1, pa.string()), pa.nulls(1, pa.string())).to_pylist()[0]
    if not text:
        assert row["prompt_hash"] is None
        return
    scan = reference.Scan(text)
    hashes = scan.hashes()
    assert row["n_chars"] == len(text)
    assert row["prompt_hash"] == reference.signed(reference.chain(hashes))
    assert row["shingles"] == reference.shingles(hashes, len(text))
    assert row["materials"] == reference.materials(scan, len(text))
    assert row["skeleton_hash"] == reference.skeleton(scan)
    assert row["micro_cell"] == reference.micro_cell(scan)
    assert row["cell"] == reference.micro_cell(scan) >> 4


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_cues_and_marks_equal_the_reference_wherever_a_text_stands_in_its_batch(texts: list[str]) -> None:
    sketches = sketch_texts(TextRows.of(pa.array(texts, pa.string())))
    for row, text in enumerate(texts):
        scan = reference.Scan(text)
        assert sketches.cues[row].tolist() == reference.cue_counts(scan, len(Cue))
        assert sketches.marks[row].tolist() == [len(text), scan.n_fences, scan.n_code_marks]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text()), max_size=8))
def test_text_hashes_equal_the_reference(texts: list[str | None]) -> None:
    expected = [None if text is None else reference.text_hash(text) for text in texts]
    assert hash_texts(pa.array(texts, pa.string())).to_pylist() == expected
    assert [None if text is None else hash_text(text) for text in texts] == expected


@pytest.mark.parametrize("n_words", [300, 700, 1500, 5000])
def test_long_texts_equal_the_reference_across_the_scale_of_shingles(n_words: int) -> None:
    text = " ".join(f"w{chr(97 + k % 26)}{chr(97 + k // 26 % 26)}{chr(97 + k // 676)}" for k in range(n_words))
    row = sketch_prompts(pa.array([text]), pa.nulls(1, pa.string()), pa.nulls(1, pa.string())).to_pylist()[0]
    scan = reference.Scan(text)
    assert row["shingles"] == reference.shingles(scan.hashes(), len(text))
    assert row["materials"] == reference.materials(scan, len(text))
    assert row["skeleton_hash"] == reference.skeleton(scan)
    assert row["prompt_hash"] == reference.signed(reference.chain(scan.hashes()))
    assert row["micro_cell"] == reference.micro_cell(scan)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None)
@given(TEXTS)
def test_many_more_texts_have_the_skeleton_of_the_reference(text: str) -> None:
    row = sketch_prompts(pa.array([text]), pa.nulls(1, pa.string()), pa.nulls(1, pa.string())).to_pylist()[0]
    if text:
        assert row["skeleton_hash"] == reference.skeleton(reference.Scan(text))
