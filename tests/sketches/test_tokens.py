"""Tokens of one request are the tokens that ingest stores."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.sketches import hash_text, prompt_tokens, sketch_prompts, text_tokens

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
WORDS = st.lists(st.sampled_from(["sort", "the", "list", "12", '"apple"', "{x}", "and", "explain.", "\n"]), min_size=1)


@settings(deadline=None)  # the first example may compile the kernel
@given(st.one_of(TEXT, WORDS.map(" ".join)))
def test_a_prompt_has_the_skeleton_and_shingles_of_its_sketch(prompt: str) -> None:
    none = pa.nulls(1, pa.string())
    sketch = sketch_prompts(pa.array([prompt]), none, none)
    found = prompt_tokens(prompt)
    assert found.skeleton == sketch["skeleton_hash"][0].as_py()
    assert list(found.shingles) == sketch["shingles"][0].as_py()


@settings(deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4))
def test_texts_have_the_published_hash(texts: list[str]) -> None:
    assert text_tokens(texts) == [hash_text(text) for text in texts]


def test_a_lone_surrogate_is_told_and_not_guessed() -> None:
    with pytest.raises(UnicodeEncodeError):
        prompt_tokens("\ud800")
