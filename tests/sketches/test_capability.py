"""The stated rules of capability tags and requests."""

import pyarrow as pa
import pytest

from stillwatch.model.capability import Capability
from stillwatch.sketches import sketch_prompts


def sketch(prompt: str, system: str | None = None, tools: str | None = None) -> dict[str, object]:
    texts = [pa.array([text], pa.string()) for text in (prompt, system, tools)]
    row: dict[str, object] = sketch_prompts(*texts).to_pylist()[0]
    return row


@pytest.mark.parametrize(
    ("capability", "prompt"),
    [
        (Capability.SOFTWARE_ENGINEERING, "Write a python function that merges two lists"),
        (Capability.SOFTWARE_ENGINEERING, "What is wrong here?\n```\nx\n```"),
        (Capability.SOFTWARE_ENGINEERING, "int main() { int a = 1; a = 2; return a; }"),
        (Capability.LONG_HORIZON_PLANNING, "Make a plan for the launch with milestones"),
        (Capability.LONG_HORIZON_PLANNING, "We need a timeline and a budget for our move"),
        (Capability.TOOL_USE, "Find an API that tells me the weather"),
        (Capability.DATA_ANALYSIS, "Analyze the data in this csv and report the median and the variance"),
        (Capability.REASONING_ELICITATION, "Who is lying? Think step by step."),
        (Capability.REASONING_ELICITATION, "Solve this riddle about two doors"),
        (Capability.REASONING_ELICITATION, "¿Quién miente? Explícalo paso a paso."),
        (Capability.REASONING_ELICITATION, "谁在说谎?请一步一步思考。"),
        (Capability.RUBRIC_GRADING, "Score the essay below on a scale of 1 to 5, step by step"),
        (Capability.RUBRIC_GRADING, "Which response is better, A or B?"),
        (Capability.AGENTIC_REASONING, "You are an autonomous agent. State the next action and the observation."),
        (Capability.OTHER, "Tell me about the history of tea"),
    ],
)
def test_a_prompt_gets_the_tag_of_the_first_rule_that_holds(capability: Capability, prompt: str) -> None:
    assert sketch(prompt)["capability"] == capability.code


def test_defined_tools_make_tool_use() -> None:
    assert sketch("what is the weather", tools='[{"name": "weather"}]')["capability"] == Capability.TOOL_USE.code


def test_defined_tools_beside_agent_cues_in_the_system_make_agentic_reasoning() -> None:
    system = "You are an agent. Work autonomously until the goal is met."
    row = sketch("what is the weather", system=system, tools='[{"name": "weather"}]')
    assert row["capability"] == Capability.AGENTIC_REASONING.code


def test_empty_tool_definitions_are_no_tools() -> None:
    assert sketch("what is the weather", tools="")["capability"] == Capability.OTHER.code


def test_cues_inside_quotes_and_code_do_not_count() -> None:
    row = sketch('Translate "think step by step and score the answer" into German')
    assert not row["asks_reasoning"]
    assert not row["asks_grading"]


def test_reasoning_asked_for_by_the_system_instructions_counts() -> None:
    row = sketch("Who is lying?", system="Put your reasoning in <think> </think> tags.")
    assert row["asks_reasoning"]
    assert row["capability"] == Capability.REASONING_ELICITATION.code


def test_grading_asked_for_counts_beside_any_capability() -> None:
    row = sketch("Use the rubric to compare the two essays")
    assert row["asks_grading"]
    assert not row["asks_reasoning"]


def test_equal_system_instructions_are_told_apart_from_absent_ones() -> None:
    prompts = pa.array(["who is lying"] * 4)
    system = pa.array(["think step by step", None, "", "think step by step"])
    asks = sketch_prompts(prompts, system, pa.nulls(4, pa.string()))["asks_reasoning"].to_pylist()
    assert asks == [True, False, False, True]
