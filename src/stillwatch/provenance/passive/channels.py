"""What of an answer is compared: rare phrases, words, the opening, and structure.

A channel turns answers into keys: 64-bit hashes that two answers to the same prompt may share. Structure serves
transcripts of agents and of coding: the order of tool calls, the shape of the plan, the style of code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.sketches.hashing import hash_texts
from stillwatch.sketches.rows import TextRows
from stillwatch.sketches.scanning import scanned

Codes = npt.NDArray[np.uint32]
Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

GRAM: Final = 3
"""Words, or shapes, in a row that make one key; three is the longest that short answers still share."""
OPENING: Final = 8
"""Words of the shared opening; refusals and preambles differ within them."""
_MIX: Final = np.uint64(0xFF51AFD7ED558CCD)  # fmix64, first multiplier (Appleby 2011)
_SHIFT: Final = np.uint64(33)
_INDENTS: Final = (1, 3, 5, 9)
"""Columns of leading space at which the indent bucket changes: none, 1-2, 3-4, 5-8, deeper."""
_LENGTHS: Final = (40, 100, 200, 400)
"""Characters at which the bucket of a paragraph's length changes."""
_LINE_SHAPES: Final = (
    r"^\s*$",
    r"^\s*```|^\s*~~~",
    r"^\s*#{1,6} ",
    r"^\s*[-*+•] ",
    r"^\s*\d+[.)] ",
    r"^\s*\|.*\|",
    r"^\s*> ",
    r"^\s*(#|//|/\*|\*|--) ?",
    r"^\s*(def|async def|func|fn|function|public|private|static|class|interface|struct)\b",
    r"^\s*(import|from|use|using|#include|require|package)\b",
    r"^\s*(for|while|loop)\b.*[:{(]",
    r"^\s*(if|elif|else|switch|match|case|try|except|catch|finally)\b.*[:{(]",
    r"^\s*(return|yield|raise|throw|break|continue|pass)\b",
    r"^\s*(const|let|var|final|auto|mut)\b|^\s*[\w.\[\]]+\s*(:\s*[\w\[\], .|]+)?\s*=[^=]",
    r"^\s*[\w.]+\(.*\)[;,]?\s*$",
    r"[;{}]\s*$",
    r":\s*$",
    r"^\s*\*\*[^*]+\*\*",
)
"""Shapes of a line, first match wins; what matches none is prose, by its length."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token codes of answers, end to end: answer `i` has those from `ends[i - 1]` (0 for the first) to `ends[i]`."""

    codes: Codes
    ends: Ints

    @property
    def counts(self) -> Ints:
        """Tokens of each answer."""
        return np.diff(self.ends, prepend=0)


@dataclass(frozen=True, slots=True)
class Grams:
    """Keys of answers, answers in ascending order; `answer[i]` is whose key `keys[i]` is."""

    keys: Keys
    answer: Ints


def word_tokens(texts: pa.Array) -> Tokens:
    """The words of each text as 32-bit codes, so that a pool need not keep the text."""
    words = scanned(TextRows.of(texts))
    n_words = int(words.ends[-1]) if words.ends.size else 0
    return Tokens((words.words[:n_words] >> np.uint64(32)).astype(np.uint32), words.ends)


def shape_tokens(texts: pa.Array, tools: pa.Array | None = None) -> Tokens:
    """The shape of each line as a code, after a code for each tool that was called, in order.

    `tools` is a list of tool names for each text, or None.
    """
    lines = pc.split_pattern(texts.fill_null(""), "\n")
    codes = _line_codes(lines.flatten())
    n_lines = pc.list_value_length(lines).to_numpy(zero_copy_only=False).astype(np.int64)
    if tools is None:
        return Tokens(codes, np.cumsum(n_lines))
    n_tools = pc.fill_null(pc.list_value_length(tools), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    names = hash_texts(tools.flatten().cast(pa.string())).to_numpy().view(np.uint64)
    owner = np.concatenate([np.repeat(np.arange(n_tools.size), n_tools), np.repeat(np.arange(n_lines.size), n_lines)])
    joined = np.concatenate([(names >> np.uint64(32)).astype(np.uint32), codes])
    return Tokens(joined[np.argsort(owner, kind="stable")], np.cumsum(n_tools + n_lines))


def _line_codes(lines: pa.Array) -> Codes:
    lines = lines.cast(pa.string())
    shape = np.full(len(lines), len(_LINE_SHAPES), dtype=np.int64)
    for place in range(len(_LINE_SHAPES) - 1, -1, -1):
        matches = pc.match_substring_regex(lines, _LINE_SHAPES[place]).to_numpy(zero_copy_only=False).astype(bool)
        shape[matches] = place
    lengths = pc.utf8_length(lines).to_numpy(zero_copy_only=False)
    indents = lengths - pc.utf8_length(pc.utf8_ltrim_whitespace(lines)).to_numpy(zero_copy_only=False)
    is_prose = shape == len(_LINE_SHAPES)
    shape[is_prose] += np.digitize(lengths[is_prose], _LENGTHS)
    return np.asarray(shape * (len(_INDENTS) + 1) + np.digitize(indents, _INDENTS), dtype=np.uint32)


def _mixed(state: Keys) -> Keys:
    state = (state ^ (state >> _SHIFT)) * _MIX
    return state ^ (state >> _SHIFT)


def token_grams(tokens: Tokens) -> Grams:
    """Every run of `GRAM` tokens of each answer."""
    answer = np.repeat(np.arange(tokens.ends.size), tokens.counts)
    codes = tokens.codes.astype(np.uint64)
    n_runs = max(codes.size - GRAM + 1, 0)
    state = np.zeros(n_runs, dtype=np.uint64)
    for place in range(GRAM):
        state = _mixed(state + codes[place : place + n_runs] + np.uint64(1))
    whole = answer[:n_runs] == answer[GRAM - 1 :] if n_runs else np.zeros(0, dtype=bool)
    return Grams(state[whole], answer[:n_runs][whole])


def single_tokens(tokens: Tokens) -> Grams:
    """Every token of each answer, repeats included."""
    return Grams(_mixed(tokens.codes.astype(np.uint64)), np.repeat(np.arange(tokens.ends.size), tokens.counts))


def openings(tokens: Tokens) -> Grams:
    """Every beginning of each answer, of one to `OPENING` tokens: two answers share as many as their first words."""
    starts = tokens.ends - tokens.counts
    state = np.zeros(tokens.ends.size, dtype=np.uint64)
    keys, answers = [], []
    for place in range(OPENING):
        long_enough = np.flatnonzero(tokens.counts > place)
        state[long_enough] = _mixed(
            state[long_enough] * np.uint64(OPENING) + tokens.codes[starts[long_enough] + place].astype(np.uint64)
        )
        keys.append(state[long_enough])
        answers.append(long_enough)
    answer = np.concatenate(answers)
    order = np.argsort(answer, kind="stable")
    return Grams(np.concatenate(keys)[order], answer[order])


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to compare: which tokens it reads (`words` or `shapes`), how it makes keys, whether repeats count."""

    name: str
    tokens: str
    keys: Callable[[Tokens], Grams]
    counts_repeats: bool = False


CHANNELS: Final[Mapping[str, Channel]] = {
    channel.name: channel
    for channel in (
        Channel("phrases", "words", token_grams),
        Channel("words", "words", single_tokens, counts_repeats=True),
        Channel("opening", "words", openings),
        Channel("structure", "shapes", token_grams),
    )
}
TEXT_CHANNELS: Final = ("phrases", "words", "opening")
"""For answers in prose. Transcripts of agents add `structure`."""
