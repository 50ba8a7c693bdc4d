"""Idealised micro-cells and capability tags: what sketches would say of the texts that the event level writes.

The rates and tables were measured at the event level (scenario `demo` at scale 4, seed 3, day 3, sketch version 1) and
hold for the grammar, not for real prompts. A test compares both levels.
"""

import numpy as np
import numpy.typing as npt

from stillwatch.simulate.canonical import masked
from stillwatch.simulate.keyed import Ints, Keys, Reals, mix, uniform
from stillwatch.simulate.population import Population
from stillwatch.simulate.topics import TOPIC_CAPABILITY
from stillwatch.simulate.traffic import Exchanges

N_MICRO_BITS = 12
# Share of signs where a prompt differs from its kind's centre. Two prompts of one topic differ in 36 % of signs,
# pairs of one template in none where the item is quoted (sketches leave quoted spans out) and in 33 % where it is not.
# Prompts in other languages say nothing of their topic: every one has its own centre.
_ORGANIC_FLIPS = 0.22
_TEMPLATED_FLIPS = 0.21

# Share of tags (columns, in the order of CAPABILITIES) that prompts get which ask for a capability (rows).
_ORGANIC_TAGS = np.array(
    [
        [0.72, 0.10, 0.00, 0.00, 0.00, 0.00, 0.00, 0.18],
        [0.00, 0.77, 0.01, 0.03, 0.00, 0.00, 0.00, 0.19],
        [0.00, 0.07, 0.85, 0.00, 0.00, 0.00, 0.00, 0.08],
        [0.00, 0.27, 0.00, 0.73, 0.00, 0.00, 0.00, 0.00],
        [0.00, 0.17, 0.00, 0.00, 0.65, 0.00, 0.00, 0.18],
        [0.00, 0.13, 0.02, 0.00, 0.00, 0.69, 0.00, 0.16],
        [0.00, 0.03, 0.00, 0.00, 0.00, 0.00, 0.79, 0.18],
        [0.00, 0.10, 0.03, 0.00, 0.00, 0.00, 0.00, 0.87],
    ]
)
# The same for templates: their words outweigh those of what they hold.
_TEMPLATED_TAGS = np.array(
    [
        [0.60, 0.35, 0.03, 0.01, 0.01, 0.00, 0.00, 0.00],
        [0.00, 0.97, 0.01, 0.00, 0.00, 0.00, 0.02, 0.00],
        [0.08, 0.30, 0.44, 0.18, 0.00, 0.00, 0.00, 0.00],
        [0.00, 0.63, 0.01, 0.33, 0.02, 0.00, 0.01, 0.00],
        [0.00, 0.05, 0.03, 0.00, 0.91, 0.00, 0.01, 0.00],
        [0.07, 0.24, 0.00, 0.01, 0.05, 0.57, 0.06, 0.00],
        [0.00, 0.11, 0.00, 0.00, 0.00, 0.00, 0.89, 0.00],
        [0.03, 0.42, 0.02, 0.05, 0.01, 0.00, 0.01, 0.46],
    ]
)
_FOREIGN_TAGS = np.array([0.00, 0.00, 0.00, 0.00, 0.00, 0.07, 0.00, 0.93])


def micro_cells(population: Population, exchanges: Exchanges) -> npt.NDArray[np.int64]:
    """Micro-cell of each exchange's prompt, 0 to 4095; equal prompts have equal ones."""
    is_templated, is_foreign = exchanges.template >= 0, _is_foreign(population, exchanges)
    centre = np.where(
        is_templated,
        mix(exchanges.template, 1),
        np.where(is_foreign, mix(exchanges.item, 2), mix(exchanges.topic, 3)),
    )
    rate = np.where(is_templated, _TEMPLATED_FLIPS, np.where(is_foreign, 0.0, _ORGANIC_FLIPS))
    rate = np.where(masked(population, exchanges), 0.0, rate)
    return scattered(centre, mix(exchanges.item, exchanges.template + 1), rate)


def scattered(centre: Keys, noise: Keys, flip_rate: Reals) -> npt.NDArray[np.int64]:
    """A random sign pattern for each centre, each sign flipped at `flip_rate` (in steps of 1/32) by the noise."""
    signs = (mix(centre, 0x6D63) >> np.uint64(20)).astype(np.int64) & ((1 << N_MICRO_BITS) - 1)
    bits = mix(noise, 0x666C)
    flips = np.zeros(len(signs), dtype=np.int64)
    for bit in range(N_MICRO_BITS):
        draw = (bits >> np.uint64(5 * bit) & np.uint64(31)).astype(np.int64)
        flips |= (draw < flip_rate * 32).astype(np.int64) << bit
    return np.asarray(signs ^ flips)


def capabilities(population: Population, exchanges: Exchanges) -> Ints:
    """Capability tag of each exchange's prompt; prompts of one template have the same."""
    is_templated, is_foreign = exchanges.template >= 0, _is_foreign(population, exchanges)
    shares = np.where(
        is_templated[:, None],
        _TEMPLATED_TAGS[exchanges.purpose],
        np.where(is_foreign[:, None], _FOREIGN_TAGS, _ORGANIC_TAGS[TOPIC_CAPABILITY[exchanges.topic]]),
    )
    key = np.where(is_templated, mix(exchanges.template, 4), mix(exchanges.item, 5))
    return np.asarray((np.cumsum(shares, axis=1) <= uniform(key, 6)[:, None]).sum(axis=1).clip(max=7))


def _is_foreign(population: Population, exchanges: Exchanges) -> npt.NDArray[np.bool_]:
    language = population.accounts["language"][exchanges.account]
    return np.asarray((language > 0) & ~exchanges.shared_wording)
