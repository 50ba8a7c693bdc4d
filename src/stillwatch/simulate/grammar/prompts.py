"""Prompts, system instructions and tool definitions of exchanges."""

import json
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.capability import CAPABILITIES, Capability
from stillwatch.simulate.grammar import languages, patterns
from stillwatch.simulate.grammar.compose import Rows, by_case, join, render_choice, restyle
from stillwatch.simulate.keyed import Ints, Keys, choose, mix, uniform
from stillwatch.simulate.topics import TOPIC_CAPABILITY

Flags = npt.NDArray[np.bool_]
PLAIN_AUTHOR = 0
"""The author key without typing habits."""
_PAIR_SHARE = 0.45  # of English prompts have a second task sentence


def organic(rows: Rows, author: Keys, language: Ints) -> pa.Array:
    """Prompts in the authors' own words."""
    text = by_case(
        np.where(language > 0, language, 0),
        rows,
        {0: _english} | {number: _foreign(number) for number in range(1, len(languages.PATTERNS) + 1)},
    )
    return restyle(text, author)


def _english(rows: Rows) -> pa.Array:
    capability = TOPIC_CAPABILITY[rows.topic].astype(np.int64)
    segments = [
        render_choice(patterns.OPENINGS, rows, salt=100),
        _by_capability(capability, rows, patterns.TASKS, salt=200),
        render_choice(patterns.DETAILS, rows, salt=300),
        _second_task(capability, rows),
        _by_capability(capability, rows, patterns.MATERIALS, salt=500),
        render_choice(patterns.ENDINGS, rows, salt=600),
    ]
    return join(*segments)


def _by_capability(capability: Ints, rows: Rows, choices: dict[Capability, tuple[str, ...]], *, salt: int) -> pa.Array:
    makers = {
        tag.code: lambda chosen, tag=tag: render_choice(
            choices.get(tag, choices[Capability.OTHER]), chosen, salt=salt + 17 * tag.code
        )
        for tag in CAPABILITIES
    }
    return by_case(capability, rows, makers)


def _second_task(capability: Ints, rows: Rows) -> pa.Array:
    other = Rows(mix(rows.item, 2), rows.entity, rows.topic)
    text = join(_by_capability(capability, other, patterns.TASKS, salt=400), pa.array([". "] * len(rows)))
    return pc.if_else(pa.array(uniform(rows.item, 401) < _PAIR_SHARE), text, "")


def _foreign(language: int) -> Callable[[Rows], pa.Array]:
    return lambda rows: render_choice(languages.PATTERNS[language - 1], rows, salt=700)


def templated(body: pa.Array, template: Ints, purpose: Ints, *, is_masked: Flags) -> pa.Array:
    """A template's fixed purpose, head and tail around each body.

    Where the template is masked the body is quoted, so that the skeleton is the same for every body; else it stands
    bare before the head.
    """
    fixed, first, inverse = np.unique(template, return_index=True, return_inverse=True)
    instructions = _instructions(mix(fixed, 0x7E))
    aim = _by_capability(purpose[first], instructions, patterns.PURPOSES, salt=750)
    head = join(aim, render_choice(patterns.HEADS, instructions, salt=800)).take(pa.array(inverse))
    tail = render_choice(patterns.TAILS, instructions, salt=850).take(pa.array(inverse))
    line = pc.replace_substring_regex(body, r'[\n"`]+', " ")
    quoted = pc.binary_join_element_wise(head, ' "', line, '"', tail, "")
    return pc.if_else(pa.array(is_masked), quoted, pc.binary_join_element_wise(body, "\n", head, tail, ""))


def systems(system: Ints) -> pa.Array:
    """System instructions by id; null for 0."""
    return _by_id(system, lambda key: render_choice(patterns.SYSTEMS, _instructions(key), salt=900))


def tools(identity: Ints) -> pa.Array:
    """Tool definitions by id, a JSON list of two to five functions; null for 0."""
    return _by_id(identity, _tool_json)


def _by_id(identity: Ints, make: Callable[[Keys], pa.Array]) -> pa.Array:
    unique, inverse = np.unique(identity, return_inverse=True)
    text = make(mix(unique, 0x5C))
    return pc.if_else(pa.array(unique > 0), text, pa.scalar(None, pa.string())).take(pa.array(inverse))


def _instructions(key: Keys) -> Rows:
    return Rows(key, key, np.zeros(len(key), dtype=np.int64))


def _tool_json(key: Keys) -> pa.Array:
    n_functions = 2 + choose(4, key, 901)
    names = [render_choice(("{function}",), _instructions(mix(key, n)), salt=902).to_pylist() for n in range(5)]
    texts = [render_choice(patterns.TOOL_TEXTS, _instructions(mix(key, n)), salt=903).to_pylist() for n in range(5)]
    fields = [render_choice(("{stem}",), _instructions(mix(key, n)), salt=904).to_pylist() for n in range(5)]
    return pa.array(
        [
            json.dumps([_function(names[n][row], texts[n][row], fields[n][row]) for n in range(int(count))])
            for row, count in enumerate(n_functions)
        ],
        type=pa.string(),
    )


def _function(name: str, text: str, field: str) -> dict[str, object]:
    properties = {field: {"type": "string"}, "limit": {"type": "integer"}}
    parameters = {"type": "object", "properties": properties, "required": [field]}
    return {"type": "function", "function": {"name": name, "description": text, "parameters": parameters}}
