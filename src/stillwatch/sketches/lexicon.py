"""Words and phrases that say what a prompt asks for, in a table that the kernel can search.

Written for this project. Phrases pass through the same scanner as prompts, so case, accents and spelling marks do not
matter. Languages other than English are covered for the two requests that campaigns make most: reasoning and grading.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.sketches.rows import TextRows
from stillwatch.sketches.scanning import scanned
from stillwatch.sketches.wordwork import CONTINUES, GRAM, KEY_SHIFT

N_SLOTS = 4096  # a power of two, several times the number of phrases


class Cue(IntEnum):
    """What a word or phrase hints at. The value is a bit of the table and a column of the counts."""

    MAKE = 0
    CODE = 1
    CODE_SURE = 2
    DATA = 3
    TOOL = 4
    AGENT = 5
    PLAN = 6
    PLAN_SURE = 7
    REASON = 8
    ASKS_REASONING = 9
    ASKS_GRADING = 10


PHRASES: dict[Cue, str] = {
    Cue.MAKE: "write|implement|create|build|develop|generate|design|fix|convert|construct|modify|edit|rewrite|optimize|"
    "optimise|define|explain|given|following|correct|improve|output|what",
    Cue.CODE: "function|functions|class|classes|method|methods|program|code|script|algorithm|"
    "array|arrays|string|strings|"
    "integer|integers|loop|loops|variable|variables|boolean|query|database|library|module|compile|compiler|runtime|"
    "syntax|object|interface|framework|server|input|parameter|parameters|element|elements|list|webpage|exception|"
    "programming|recursive|pointer|shell|command",
    Cue.CODE_SURE: "python|javascript|typescript|java|rust|golang|kotlin|php|sql|mysql|html|css|react|node js|django|"
    "flask|bash script|regex|regular expression|unit test|unit tests|refactor|debug|code snippet|source code|numpy|"
    "linked list|binary tree|binary search|data structure|data structures|git|dockerfile|kubernetes|json|printf|"
    "stack trace|time complexity|c program|swift|matlab|tensorflow|pytorch|mongodb|jquery|palindrome|fibonacci",
    Cue.DATA: "dataset|datasets|csv|dataframe|pandas|spreadsheet|excel|statistics|statistical|regression|correlation|"
    "histogram|scatter plot|bar chart|pie chart|median|variance|outlier|outliers|time series|data analysis|"
    "analyze the data|analyse the data|pivot table|columns|rows|visualize|visualise|visualization|quartile",
    Cue.TOOL: "api|apis|plugin|plugins|tool|tools|function call|function calling|tool call|"
    "tool calls|endpoint|endpoints|"
    "pretrained model|machine learning model|webhook|call the function|use the browser|search the web",
    Cue.AGENT: "agent|agents|agentic|autonomous|autonomously|sub goal|subgoal|subtask|subtasks|observation|next action|"
    "environment|trajectory|browse|terminal|execute the|take action|taking any actions|multi step|act as an agent|"
    "thought action|react loop|scratchpad",
    Cue.PLAN: "plan|plans|planning|roadmap|milestone|milestones|itinerary|schedule|phases|timeline|strategy|deadlines|"
    "prioritize|long term|budget",
    Cue.PLAN_SURE: "project plan|step plan|action plan|detailed plan|long term plan|break down the project|week plan|"
    "day plan|month plan|implementation plan|make a plan|create a plan|develop a plan|roadmap for|plan for the next",
    Cue.REASON: "logic|logical|logically|puzzle|riddle|deduce|deduction|prove|proof|theorem|reasoning|infer|solve|"
    "equation|contradiction|premise|conclusion|calculate|derive|hypothesis",
    Cue.ASKS_REASONING: "step by step|chain of thought|think before|think carefully|think through|think out loud|"
    "think aloud|show your work|show your working|show your reasoning|show all steps|explain your reasoning|"
    "explain your thinking|reasoning process|your reasoning|reason through|think think|think tags|lets think|"
    "let us think|think deeply|inner monologue|before answering|before you answer|"
    "paso a paso|explica tu razonamiento|passo a passo|etape par etape|pas a pas|explique ton raisonnement|"
    "schritt fur schritt|schrittweise|erklare deine uberlegungen|шаг за шагом|пошагово|ход рассуждений|"
    "一步一步|逐步|一步步|思考过程|推理过程|ステップバイステップ|段階的に|順を追って|단계별로|차근차근|"
    "خطوة بخطوة|चरण दर चरण|adim adim|langkah demi langkah|tung buoc",
    Cue.ASKS_GRADING: "rubric|rubrics|scale of|scale from|score the|score this|score each|rate the|rate this|rate each|"
    "grade the|grade this|grade each|overall score|which response is better|which answer is better|"
    "which output is better|"
    "response is better|output is better|answer is better|better response|better answer|better output|"
    "compare the two|compare the answers|compare the responses|compare the outputs|"
    "evaluate the response|evaluate the answer|evaluate the output|evaluate the following|evaluating the quality|"
    "impartial judge|act as a judge|as a grader|pairwise comparison|preference label|"
    "puntua|califica la respuesta|evalue la reponse|note la reponse|bewerte die antwort|bewerte|оцени ответ|"
    "оцените ответ|评分|打分|评估以下|哪个回答|採点|評価してください|채점|평가하세요",
}


@dataclass(frozen=True, slots=True)
class CueTable:
    """Open-addressing table from hash of a word or phrase to a bit set of cues; key 0 is an empty slot.

    `filter_bits` has a bit for each value of a key's highest 16 bits: set if some key has it.
    """

    filter_bits: npt.NDArray[np.uint8]
    keys: npt.NDArray[np.uint64]
    values: npt.NDArray[np.int64]


def _bits_by_key() -> dict[int, int]:
    """Cue bits of each word and phrase; what begins a longer phrase carries CONTINUES."""
    entries = [(phrase, cue) for cue, joined in PHRASES.items() for phrase in joined.split("|")]
    words = scanned(TextRows.of(pa.array([phrase for phrase, _ in entries])))
    bits: dict[int, int] = {}
    start = 0
    for (_, cue), end in zip(entries, words.ends.tolist(), strict=True):
        key = 0
        for place, word in enumerate(words.words[start:end].tolist(), start=start + 1):
            key = (key * int(GRAM) + word) % (1 << 64)
            bits[key] = bits.get(key, 0) | (1 << cue if place == end else CONTINUES)
        start = end
    return bits


@cache
def cue_table() -> CueTable:
    """The table of all cues, built once in a process."""
    filter_bits = np.zeros(1 << (64 - KEY_SHIFT) >> 3, dtype=np.uint8)
    keys = np.zeros(N_SLOTS, dtype=np.uint64)
    values = np.zeros(N_SLOTS, dtype=np.int64)
    for key, bits in _bits_by_key().items():
        top = key >> KEY_SHIFT
        filter_bits[top >> 3] |= 1 << (top & 7)
        slot = top % N_SLOTS
        while keys[slot]:
            slot = (slot + 1) % N_SLOTS
        keys[slot], values[slot] = key, bits
    return CueTable(filter_bits, keys, values)
