"""Idealised micro-cells and capability tags: what sketches would say of the texts that the event level writes.

The rates and tables were measured at the event level (scenario `demo` at scale 4, seed 3, day 3, sketch version 2; of
templates on 600 of them) and hold for the grammar, not for real prompts. A test compares both levels.
"""

import numpy as np
import numpy.typing as npt

from stillwatch.model.capability import Capability
from stillwatch.simulate.canonical import masked
from stillwatch.simulate.keyed import Ints, Keys, Reals, mix, uniform
from stillwatch.simulate.population import Population
from stillwatch.simulate.topics import TOPIC_CAPABILITY
from stillwatch.simulate.traffic import Exchanges

N_MICRO_BITS = 12
_ALL_BITS = (1 << N_MICRO_BITS) - 1
# Shares are in steps of 1/32. Share of signs where a prompt differs from its kind's centre: two English prompts of one
# topic differ in 37 % of signs, two of one other language, which say nothing of their topic, in 45 %.
_ORGANIC_FLIPS, _FOREIGN_FLIPS = 8 / 32, 11 / 32
# Two prompts of one template differ in 28 % of signs where they are of one topic and in 35 % where not if the item is
# quoted, in 27 and 34 % if it is bare; in 21 % where the item is short, as those in other languages are.
_TEMPLATED_FLIPS, _SHORT_FLIPS = 5 / 32, 4 / 32
_SIGNS_OF_TOPIC = 11 / 32  # of a template's prompts: those that the topic decides

# Share of tags (columns, in the order of CAPABILITIES) that prompts get which ask for a capability (rows).
_ORGANIC_TAGS = np.array(
    [
        [0.70, 0.09, 0.00, 0.00, 0.00, 0.00, 0.00, 0.21],
        [0.00, 0.77, 0.01, 0.03, 0.00, 0.00, 0.00, 0.19],
        [0.00, 0.05, 0.85, 0.00, 0.00, 0.00, 0.00, 0.10],
        [0.00, 0.22, 0.00, 0.78, 0.00, 0.00, 0.00, 0.00],
        [0.00, 0.17, 0.00, 0.00, 0.64, 0.00, 0.00, 0.19],
        [0.00, 0.12, 0.08, 0.00, 0.00, 0.68, 0.00, 0.12],
        [0.00, 0.03, 0.00, 0.00, 0.00, 0.00, 0.76, 0.21],
        [0.00, 0.09, 0.02, 0.00, 0.00, 0.00, 0.00, 0.89],
    ]
)
# The same for templates; all prompts of one have its tag, save those bare English ones whose item claims another.
_TEMPLATED_TAGS = np.array(
    [
        [0.35, 0.34, 0.02, 0.00, 0.00, 0.01, 0.00, 0.28],
        [0.00, 1.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00],
        [0.00, 0.08, 0.92, 0.00, 0.00, 0.00, 0.00, 0.00],
        [0.00, 0.46, 0.00, 0.54, 0.00, 0.00, 0.00, 0.00],
        [0.00, 0.00, 0.00, 0.00, 1.00, 0.00, 0.00, 0.00],
        [0.00, 0.20, 0.03, 0.00, 0.00, 0.77, 0.00, 0.00],
        [0.00, 0.11, 0.00, 0.00, 0.00, 0.01, 0.49, 0.39],
        [0.00, 0.19, 0.03, 0.00, 0.00, 0.02, 0.00, 0.76],
    ]
)
_FOREIGN_TAGS = np.array([0.00, 0.00, 0.00, 0.00, 0.00, 0.08, 0.00, 0.92])
_CLAIMED_BY_ITEM = 0.42  # of bare English prompts: their template's most frequent tag is that of 68 %
# A prompt with tool definitions is tagged as tool use, unless it reads like agentic work or grading.
_UNTOOLED = (Capability.AGENTIC_REASONING.code, Capability.RUBRIC_GRADING.code)


def micro_cells(population: Population, exchanges: Exchanges) -> npt.NDArray[np.int64]:
    """Micro-cell of each exchange's prompt, 0 to 4095; equal prompts have equal ones."""
    templated, foreign = exchanges.template >= 0, is_foreign(population, exchanges)
    language = population.accounts["language"][exchanges.account]
    of_topic = _signs(mix(exchanges.topic, 3))
    from_topic = np.where(foreign, 0, _bits(mix(exchanges.template, 7), _SIGNS_OF_TOPIC))
    of_template = _signs(mix(exchanges.template, 1)) & ~from_topic | of_topic & from_topic
    organic = np.where(foreign, _signs(mix(language, 2)), of_topic)
    rate = np.where(
        templated,
        np.where(foreign, _SHORT_FLIPS, _TEMPLATED_FLIPS),
        np.where(foreign, _FOREIGN_FLIPS, _ORGANIC_FLIPS),
    )
    flips = _bits(mix(exchanges.item, exchanges.template + 1, 0x666C), rate)
    return np.asarray(np.where(templated, of_template, organic) ^ flips)


def _signs(centre: Keys) -> Ints:
    """A random sign pattern for each centre."""
    return (mix(centre, 0x6D63) >> np.uint64(20)).astype(np.int64) & _ALL_BITS


def _bits(key: Keys, share: float | Reals) -> Ints:
    """A pattern for each key in which each bit is set with the probability `share` (in steps of 1/32)."""
    pattern = np.zeros(len(key), dtype=np.int64)
    for bit in range(N_MICRO_BITS):
        draw = (key >> np.uint64(5 * bit) & np.uint64(31)).astype(np.int64)
        pattern |= (draw < np.asarray(share) * 32).astype(np.int64) << bit
    return pattern


def capabilities(population: Population, exchanges: Exchanges) -> Ints:
    """Capability tag of each exchange's prompt and tool definitions."""
    foreign = is_foreign(population, exchanges)
    bare = ~masked(population, exchanges) & ~foreign
    claims = (exchanges.template < 0) | (bare & (uniform(exchanges.item, 8) < _CLAIMED_BY_ITEM))
    shares = np.where(
        claims[:, None],
        np.where(foreign[:, None], _FOREIGN_TAGS, _ORGANIC_TAGS[TOPIC_CAPABILITY[exchanges.topic]]),
        _TEMPLATED_TAGS[exchanges.purpose],
    )
    key = np.where(claims, mix(exchanges.item, 5), mix(exchanges.template, 4))
    tag = (np.cumsum(shares, axis=1) <= uniform(key, 6)[:, None]).sum(axis=1).clip(max=7)
    return np.where((exchanges.tools > 0) & ~np.isin(tag, _UNTOOLED), Capability.TOOL_USE.code, tag)


def is_foreign(population: Population, exchanges: Exchanges) -> npt.NDArray[np.bool_]:
    """Whether each exchange's prompt is in another language than English."""
    language = population.accounts["language"][exchanges.account]
    return np.asarray((language > 0) & ~exchanges.shared_wording)
