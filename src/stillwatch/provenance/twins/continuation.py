"""Continuing a prefix: does a suspect that is given the first words of an answer go on as that answer does?

The metric for suspects that show text only: it keeps more of what a student memorised than free answers do. It needs an
endpoint that goes on with an assistant message.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from stillwatch.provenance.twins.sampler import Twin

PREFIXES: Final = (6, 14, 22, 30)
"""Words of the answer that the suspect is given; the lengths of the study behind this design."""
_SIDES: Final = ("served", "twin")


def continuation_prompts(twins: Sequence[Twin]) -> list[dict[str, str]]:
    """Rows of `prompt_id`, `prompt` and `prefix` for a probe plan, in an order that does not tell served from twin."""
    rows = [
        {"prompt_id": _name(twin, side, n_words), "prompt": twin.prompt, "prefix": " ".join(words[:n_words])}
        for twin in twins
        for side in _SIDES
        for words in [getattr(twin, side).split()]
        for n_words in PREFIXES
        if len(words) > n_words
    ]
    return sorted(rows, key=lambda row: hashlib.sha256(row["prompt_id"].encode()).digest())


def continuation_gaps(twins: Sequence[Twin], answers: Mapping[str, Sequence[str]]) -> npt.NDArray[np.float64]:
    """Words that continue the served answer less words that continue the twin, mean over prefixes that both have.

    NaN where no prefix of both was answered.
    """
    return np.array([_gap(twin, answers) for twin in twins], dtype=np.float64)


def _gap(twin: Twin, answers: Mapping[str, Sequence[str]]) -> float:
    gaps = []
    for n_words in PREFIXES:
        said = [answers.get(_name(twin, side, n_words), ()) for side in _SIDES]
        if all(said):
            served, other = (
                np.mean([_continued(getattr(twin, side).split()[n_words:], text.split()) for text in texts])
                for side, texts in zip(_SIDES, said, strict=True)
            )
            gaps.append(served - other)
    return float(np.mean(gaps)) if gaps else float("nan")


def _continued(expected: Sequence[str], said: Sequence[str]) -> int:
    """How many first words agree."""
    return next((n for n, (a, b) in enumerate(zip(expected, said, strict=False)) if a != b), min(len(expected), len(said)))  # fmt: skip  # noqa: E501


def _name(twin: Twin, side: str, n_words: int) -> str:
    return f"{twin.call_id}/{side}/{n_words}"
