"""Idealised prompts and materials: the bins that the content lists of the aggregates would hold.

A prompt is named by what decides its words. A word is kept or not by the word alone, as the sketches do, so that equal
material gives equal bins. The counts were measured at the event level (scenario `demo` at scale 4, seed 3, day 3,
sketch version 2) and hold for the grammar, not for real prompts. A test compares both levels.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.simulate.cells import is_foreign
from stillwatch.simulate.keyed import Ints, Keys, Reals, choose, mix, uniform
from stillwatch.simulate.population import Population
from stillwatch.simulate.traffic import Exchanges

N_BINS = 1 << 15
_SAMPLED = np.uint64(3)  # prompts are kept where these bits are 0
_N_FIELDS = 64  # topics of one field have the same words
_TOPIC_WORDS = 5  # words that all English prompts of a topic have, before any is left out
# Names of its entity that a prompt holds on average, before any is left out, of so many that the entity has. Two
# prompts of one entity share a third of them.
_NAMES, _FOREIGN_NAMES = 4.5, 2.9
_MOST_NAMES, _ENTITY_NAMES = 5, 11


@dataclass(frozen=True, slots=True)
class Words:
    """Words of some prompts, one entry each: position of the prompt, and bin."""

    prompt: Ints
    bin: Ints


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """Kept words that many prompts have: `mean` of them in a prompt, of `size`; rank is size u**skew."""

    mean: float
    size: int
    skew: float

    def counts(self, key: Keys) -> Ints:
        """A Poisson number for each key."""
        terms = np.exp(-self.mean) * np.cumprod(np.r_[1.0, self.mean / np.arange(1, 20)])
        return np.searchsorted(np.cumsum(terms), uniform(key, 0x58), side="right")


# The commonest English word is in a third of all prompts, the commonest instruction in a fifth of all templates. Each
# language has its own words; a template adds its own to those of what it holds.
_ENGLISH, _FOREIGN = _Vocabulary(2.2, 40, 3.0), _Vocabulary(0.55, 6, 3.0)
_INSTRUCTIONS = _Vocabulary(2.2, 40, 1.6)


def prompt_bins(wording: Keys) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Bin of each prompt, and whether it is in the quarter of all prompts that is kept."""
    key = mix(wording, 0x50)
    return (key >> np.uint64(2)).astype(np.int64) & (N_BINS - 1), (key & _SAMPLED) == 0


def materials(population: Population, exchanges: Exchanges) -> Words:
    """The kept words of each exchange's prompt, prompts in order, distinct and ascending inside each."""
    foreign = is_foreign(population, exchanges)
    language = np.where(foreign, population.accounts["language"][exchanges.account], 0).astype(np.int64)
    english, templated = np.flatnonzero(~foreign), np.flatnonzero(exchanges.template >= 0)
    parts = [
        _common(english, exchanges.item, language, _ENGLISH),
        _common(np.flatnonzero(foreign), exchanges.item, language, _FOREIGN),
        _common(templated, mix(exchanges.template), np.zeros_like(language), _INSTRUCTIONS),
        _of_topics(english, exchanges.topic),
        _of_entities(exchanges, np.where(foreign, _FOREIGN_NAMES, _NAMES)),
    ]
    packed = np.sort(np.concatenate([part.prompt * N_BINS + part.bin for part in parts]))
    packed = packed[np.diff(packed, prepend=-1) > 0]
    return Words(packed // N_BINS, packed % N_BINS)


def _common(prompts: Ints, key: Keys, language: Ints, vocabulary: _Vocabulary) -> Words:
    """Words that many prompts have, of the chosen prompts: equal keys get equal words."""
    n_words = vocabulary.counts(key[prompts])
    prompt = np.repeat(prompts, n_words)
    place = np.arange(len(prompt)) - np.repeat(np.cumsum(n_words) - n_words, n_words)
    rank = vocabulary.size * uniform(key[prompt], place, 0x51) ** vocabulary.skew
    return Words(prompt, _bin(mix(language[prompt], rank.astype(np.int64), 0x52)))


def _of_topics(prompts: Ints, topic: Ints) -> Words:
    """Words of the field that the topic of each chosen prompt belongs to."""
    words = mix(np.arange(_N_FIELDS)[:, None], np.arange(_TOPIC_WORDS), 0x53)
    field, place = np.nonzero(_is_kept(words)[topic[prompts] % _N_FIELDS])
    return Words(prompts[field], _bin(words[topic[prompts[field]] % _N_FIELDS, place]))


def _of_entities(exchanges: Exchanges, mean: Reals) -> Words:
    """The names of each prompt's entity that the prompt holds."""
    n_names = (mean + uniform(exchanges.item, 0x59)).astype(np.int64)
    parts = []
    for place in range(_MOST_NAMES):
        word = mix(exchanges.entity, choose(_ENTITY_NAMES, exchanges.item, place, 0x54), 0x55)
        prompt = np.flatnonzero((place < n_names) & _is_kept(word))
        parts.append(Words(prompt, _bin(word[prompt])))
    return Words(np.concatenate([part.prompt for part in parts]), np.concatenate([part.bin for part in parts]))


def _is_kept(word: Keys) -> npt.NDArray[np.bool_]:
    """One word in 16, as the sketches keep."""
    return np.asarray(word >> np.uint64(60) == 0)


def _bin(word: Keys) -> Ints:
    return word.astype(np.int64) & (N_BINS - 1)
