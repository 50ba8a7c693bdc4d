"""Renders patterns into text, a column at a time: the words are a pure function of keys."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.simulate.grammar import languages, words
from stillwatch.simulate.grammar.names import names
from stillwatch.simulate.keyed import Ints, Keys, choose, mix, uniform

N_NAMES = 3
"""Names of each kind that an entity has: three people, three files, ... that its prompts come back to."""
_SLOT = re.compile(r"\{(@?)(\w+)\}")


@dataclass(frozen=True, slots=True)
class Rows:
    """What the words of some prompts depend on; arrays of equal length."""

    item: Keys
    entity: Keys
    topic: Ints

    def take(self, chosen: npt.NDArray[np.bool_]) -> "Rows":
        """The rows where `chosen`."""
        return Rows(self.item[chosen], self.entity[chosen], self.topic[chosen])

    def __len__(self) -> int:
        return len(self.item)


@cache
def _bank(name: str) -> pa.Array:
    bank = words.BANKS.get(name) or languages.BANKS[name]
    return pa.array(bank, type=pa.string())


@cache
def _parse(pattern: str) -> tuple[str | tuple[bool, str], ...]:
    """Literals and (is of the entity, bank) slots of a pattern, in order."""
    parts: list[str | tuple[bool, str]] = []
    end = 0
    for match in _SLOT.finditer(pattern):
        if match.start() > end:
            parts.append(pattern[end : match.start()])
        parts.append((match[1] == "@", match[2]))
        end = match.end()
    if end < len(pattern):
        parts.append(pattern[end:])
    return tuple(parts)


def render(pattern: str, rows: Rows, *, salt: int) -> pa.Array:
    """One text for each row."""
    parts = _parse(pattern)
    if not parts:
        return pa.array([""] * len(rows), type=pa.string())
    columns: list[pa.Scalar | pa.Array] = []
    for number, part in enumerate(parts):
        if isinstance(part, str):
            columns.append(pa.scalar(part))
        else:
            columns.append(_fill(*part, rows, salt=salt + number))
    if all(isinstance(column, pa.Scalar) for column in columns):
        return pa.array([pattern] * len(rows), type=pa.string())
    return pc.binary_join_element_wise(*columns, pa.scalar(""))


def _fill(of_entity: bool, name: str, rows: Rows, *, salt: int) -> pa.Array:  # noqa: FBT001 - the slot's own flag
    if name == "subject":
        n = words.N_SUBJECTS_PER_TOPIC
        return _subjects().take(pa.array(rows.topic * n + choose(n, rows.item, salt)))
    if of_entity:
        return names(name, mix(rows.entity, choose(N_NAMES, rows.item, salt)))
    bank = _bank(name)
    return bank.take(pa.array(choose(len(bank), rows.item, salt, len(bank))))


@cache
def _subjects() -> pa.Array:
    return pa.array(words.SUBJECTS, type=pa.string())


def render_choice(patterns: Sequence[str], rows: Rows, *, salt: int) -> pa.Array:
    """One text for each row by a pattern that the row's item picks."""
    picks = choose(len(patterns), rows.item, salt)
    return by_case(picks, rows, {n: _bind(pattern, salt) for n, pattern in enumerate(patterns)})


def _bind(pattern: str, salt: int) -> Callable[[Rows], pa.Array]:
    return lambda rows: render(pattern, rows, salt=salt + 1)


def by_case(case: Ints, rows: Rows, makers: Mapping[int, Callable[[Rows], pa.Array]]) -> pa.Array:
    """One text for each row by the maker of its case; every case that occurs must have one."""
    order: list[Ints] = []
    texts: list[pa.Array] = []
    for number in np.unique(case):
        chosen = case == number
        order.append(np.flatnonzero(chosen))
        texts.append(makers[int(number)](rows.take(chosen)))
    if not texts:
        return pa.array([], type=pa.string())
    return pa.concat_arrays(texts).take(pa.array(np.argsort(np.concatenate(order), kind="stable")))


def join(*columns: pa.Array) -> pa.Array:
    """Texts side by side."""
    return pc.binary_join_element_wise(*columns, pa.scalar(""))


def restyle(text: pa.Array, author: Keys) -> pa.Array:
    """The author's typing habits: a quarter writes in lower case, some leave out full stops, some add spaces."""
    draw = np.where(author == 0, 0.5, uniform(author, 0x57))
    text = pc.if_else(pa.array(draw < 0.25), pc.utf8_lower(text), text)
    plain = pc.replace_substring(text, ". ", " ")
    text = pc.if_else(pa.array((draw > 0.2) & (draw < 0.4)), plain, text)
    return pc.if_else(pa.array(draw > 0.93), pc.replace_substring(text, ", ", " ,"), text)
