"""What a prompt asks a model to do, by stated rules over cues and structure.

The codes are those of `model.capability.Capability`; sketches import no model, so a test compares the two.
"""

import numpy as np
import numpy.typing as npt

from stillwatch.sketches.kinds import Ints
from stillwatch.sketches.lexicon import Cue

(
    AGENTIC_REASONING,
    SOFTWARE_ENGINEERING,
    LONG_HORIZON_PLANNING,
    TOOL_USE,
    DATA_ANALYSIS,
    REASONING_ELICITATION,
    RUBRIC_GRADING,
    OTHER,
) = range(8)

FENCES_OF_A_BLOCK = 2
CODE_MARKS = 4  # at least so many of { } ; = ...
CHARACTERS_PER_CODE_MARK = 60  # ... and at least one in so many characters

Counts = npt.NDArray[np.uint8]
Claims = npt.NDArray[np.bool_]


def capabilities(prompt: Counts, system: Counts, marks: Ints, has_tools: Claims) -> npt.NDArray[np.int16]:
    """Capability code of each prompt: the first rule that holds.

    `prompt` and `system` are cue counts (n_rows, n_cues), `marks` is that of `Words`. Rules, in order:
    (1) grading is asked for; (2) tools are defined: agentic with two agent cues, else tool use; (3) a plan is asked;
    (4) data cues outnumber code cues; (5) code by fence, punctuation or words; (6) two agent cues; (7) a tool word;
    (8) two planning words; (9) reasoning is asked for, or two words of reasoning; otherwise other.
    """
    count = {cue: prompt[:, cue].astype(np.int64) for cue in Cue}
    code_words = count[Cue.CODE] + 2 * count[Cue.CODE_SURE]
    agent_cues = count[Cue.AGENT] + system[:, Cue.AGENT]
    rules = (
        (asks(prompt, system, Cue.ASKS_GRADING), RUBRIC_GRADING),
        (has_tools & (agent_cues >= 2), AGENTIC_REASONING),
        (has_tools, TOOL_USE),
        (count[Cue.PLAN_SURE] >= 1, LONG_HORIZON_PLANNING),
        ((count[Cue.DATA] >= 2) & (2 * count[Cue.DATA] > code_words), DATA_ANALYSIS),
        (looks_like_code(marks) | _asks_for_code(count, code_words), SOFTWARE_ENGINEERING),
        (agent_cues >= 2, AGENTIC_REASONING),
        (count[Cue.TOOL] >= 1, TOOL_USE),
        (count[Cue.PLAN] >= 2, LONG_HORIZON_PLANNING),
        (asks(prompt, system, Cue.ASKS_REASONING) | (count[Cue.REASON] >= 2), REASONING_ELICITATION),
    )
    codes = np.select([holds for holds, _ in rules], [np.int16(code) for _, code in rules], np.int16(OTHER))
    return codes.astype(np.int16)


def asks(prompt: Counts, system: Counts, cue: Cue) -> Claims:
    """Whether the prompt or its system instructions hold the cue."""
    return (prompt[:, cue] > 0) | (system[:, cue] > 0)


def looks_like_code(marks: Ints) -> Claims:
    """Whether a text holds a fenced block or dense code punctuation."""
    n_characters, n_fences, n_code_marks = marks.T
    is_dense = (n_code_marks >= CODE_MARKS) & (n_code_marks * CHARACTERS_PER_CODE_MARK >= n_characters)
    looks: Claims = (n_fences >= FENCES_OF_A_BLOCK) | is_dense
    return looks


def _asks_for_code(count: dict[Cue, Ints], code_words: Ints) -> Claims:
    """Whether words name code: a sure one or three others, or two beside a verb of making."""
    return (count[Cue.CODE_SURE] >= 1) | (code_words >= 3) | ((code_words >= 2) & (count[Cue.MAKE] >= 1))
