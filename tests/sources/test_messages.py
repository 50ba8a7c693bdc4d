"""Chat messages of every vendor's shape."""

import pytest

from stillwatch.sources.flat_lists import unflatten
from stillwatch.sources.messages import output_text, prompt_text, reply_messages, system_text, tool_call_names

USER = (
    [{"role": "user", "content": "ask"}],
    [{"role": "user", "content": [{"type": "text", "text": "ask"}]}],
    [{"role": "user", "content": [{"type": "input_text", "text": "ask"}]}],
    [{"role": "user", "parts": [{"type": "text", "content": "ask"}]}],
    [{"role": "user", "content": "before"}, {"role": "assistant", "content": "x"}, {"role": "user", "content": "ask"}],
    [{"role": "user", "content": "ask"}, {"role": "user", "content": [{"type": "tool_result", "content": "42"}]}],
    [{"role": "user", "content": "ask"}, {"role": "tool", "content": "42"}],
    "ask",
)


@pytest.mark.parametrize("messages", USER)
def test_the_prompt_is_the_text_of_the_last_message_of_the_user(messages: object) -> None:
    assert prompt_text(messages) == "ask"


@pytest.mark.parametrize("messages", [None, 3, [], [None], [{}], [{"role": "user"}], {"role": "user"}, [["user"]]])
def test_what_is_no_message_has_no_prompt(messages: object) -> None:
    assert prompt_text(messages) is None


def test_system_text_joins_what_is_given_apart_and_what_stands_among_messages() -> None:
    messages = [{"role": "developer", "content": "two"}, {"role": "user", "content": "x"}]
    assert system_text(messages, [{"type": "text", "text": "one"}]) == "one\n\ntwo"


def test_output_leaves_reasoning_out() -> None:
    parts = [{"type": "reasoning", "content": "hidden"}, {"type": "text", "content": "shown"}]
    assert output_text([{"role": "assistant", "parts": parts}]) == "shown"


@pytest.mark.parametrize(
    "response",
    [
        {"choices": [{"message": {"tool_calls": [{"function": {"name": "turn"}}]}}]},
        {"output": [{"type": "function_call", "name": "turn"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "name": "turn"}]},
    ],
)
def test_tool_calls_of_every_provider_are_found(response: object) -> None:
    assert tool_call_names(reply_messages(response)) == ["turn"]


def test_numbered_attributes_become_a_list_in_the_order_of_their_numbers() -> None:
    flat = {"p.10.role": "user", "p.10.content": "last", "p.2.role": "user", "p.2.content": "first", "p.x.role": "?"}
    assert unflatten(flat, ("q", "p")) == [{"role": "user", "content": "first"}, {"role": "user", "content": "last"}]
