"""Carriers of canaries that work beside the model server: one of K harmless habits, chosen by the key.

Each option has an instruction for a system prompt and a pattern that recognises it in an answer. No option touches
facts, code, safety advice or the answer's substance.
"""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]

UNSEEN: Final = -1
"""No option of the carrier shows in the answer."""


@dataclass(frozen=True, slots=True)
class Option:
    """One habit: how it is asked for and how it is recognised (RE2, on the whole answer)."""

    instruction: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Carrier:
    """K options of which the key chooses one a prompt class. `kind` is `phrase` (a slot) or `marker` (a behaviour)."""

    name: str
    kind: str
    options: tuple[Option, ...]

    def seen(self, answers: pa.Array) -> Ints:
        """Which option shows in each answer: the first that matches, `UNSEEN` where none does."""
        seen = np.full(len(answers), UNSEEN, dtype=np.int64)
        for place in range(len(self.options) - 1, -1, -1):
            found = pc.match_substring_regex(answers, self.options[place].pattern).fill_null(False)
            seen[found.to_numpy(zero_copy_only=False).astype(bool)] = place
        return seen


def _phrases(name: str, request: str, phrases: tuple[str, ...], frame: str) -> Carrier:
    return Carrier(
        name, "phrase", tuple(Option(request.format(phrase), frame.format(re.escape(phrase))) for phrase in phrases)
    )


OPENING: Final = _phrases(
    "opening", 'Where it reads naturally, begin the answer with "{}".',
    ("Certainly", "Sure", "Of course", "Good question", "Happy to help", "Absolutely", "Here is", "Let us"),
    r"(?i)^\W*{}\b",
)  # fmt: skip
CLOSING: Final = _phrases(
    "closing", 'Where it reads naturally, end with a sentence that contains "{}".',
    ("let me know", "feel free", "hope this helps", "happy to", "in short", "to sum up", "overall", "in conclusion"),
    r"(?i)\b{}\b[^\n]{{0,160}}\s*$",
)  # fmt: skip
LIST_LEAD: Final = _phrases(
    "list_lead", 'Introduce a list with "{}".',
    ("the following", "a few", "several", "some key", "here are", "these are", "main points", "in order"),
    r"(?i)\b{}\b[^\n]{{0,60}}:\s*\n",
)  # fmt: skip
CONTRAST: Final = _phrases(
    "contrast", 'Prefer "{}" where the text turns to a contrast.',
    ("however", "that said", "on the other hand", "still,", "nevertheless", "by contrast", "at the same time", "yet,"),
    r"(?i)(^|[.!?]\s+|\n){}",
)  # fmt: skip
EXAMPLE: Final = _phrases(
    "example", 'Introduce an example with "{}".',
    ("for example", "for instance", "such as", "e.g.", "say,", "consider", "as an illustration", "to illustrate"),
    r"(?i)\b{}",
)  # fmt: skip
LAYOUT: Final = Carrier("layout", "marker", (
    Option("Begin with one sentence that sums the answer up, in bold.", r"^\s*\*\*[^*\n]+\*\*\s*\n"),
    Option("End with one short question that takes the topic further.", r"\?\s*$"),
    Option("Number the steps or points.", r"(?m)^\s*1[.)] "),
    Option("Use dashes for lists.", r"(?m)^\s*- "),
    Option("Use a short heading before each part.", r"(?m)^#{1,4} "),
    Option("Close with a line that starts with Note.", r"(?m)^\W*Note:"),
    Option("Set key terms in bold.", r"\*\*[^*\n]{2,40}\*\*"),
    Option("Keep to plain paragraphs.", r"^[^\n*#]+(\n\n[^\n*#-][^\n*#]*)+$"),
))  # fmt: skip

CARRIERS: Final = (OPENING, CLOSING, LIST_LEAD, CONTRAST, EXAMPLE, LAYOUT)
"""What a plan carries unless it says otherwise; eight options each."""
