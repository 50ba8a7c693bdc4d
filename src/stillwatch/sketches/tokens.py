"""The tokens of one request: the same values as a batch's sketches, without what a batch costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pyarrow as pa

from stillwatch.sketches.batch import sketch_prompts, sketch_texts
from stillwatch.sketches.hashing import hash_rows
from stillwatch.sketches.rows import TextRows


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """What a prompt is recognised by: signed 64-bit hashes."""

    skeleton: int
    shingles: tuple[int, ...]


def prompt_capability(prompt: str) -> int:
    """The code of the capability that one prompt asks for, as `sketch_prompts` gives it to a prompt alone."""
    batch = sketch_prompts(*(pa.array([text], pa.string()) for text in (prompt, None, None)))
    return int(batch["capability"][0].as_py())


def prompt_tokens(prompt: str) -> PromptTokens:
    """Skeleton and shingles of one prompt that is not empty, equal to those of `sketch_prompts`.

    Raises:
        UnicodeEncodeError: the text holds a lone surrogate.
    """
    sketch = sketch_texts(_rows([prompt]))
    return PromptTokens(int(sketch.hashes[0, 0].view(np.int64)), tuple(sketch.shingles.view(np.int64).tolist()))


def text_tokens(texts: Sequence[str]) -> list[int]:
    """The text hash of each text, equal to those of `hash_texts`.

    Raises:
        UnicodeEncodeError: a text holds a lone surrogate.
    """
    hashes: list[int] = hash_rows(_rows(texts)).view(np.int64).tolist()
    return hashes


def _rows(texts: Sequence[str]) -> TextRows:
    encoded = [text.encode() for text in texts]
    bounds = np.array([0, *accumulate(map(len, encoded))])
    content = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    return TextRows(content, bounds[:-1], bounds[1:], np.zeros(len(texts), dtype=np.bool_))
