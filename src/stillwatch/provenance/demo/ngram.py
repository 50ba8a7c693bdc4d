"""A teacher and its students as n-gram models over a small vocabulary."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stillwatch.provenance.canary.marks import Mark

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

N_WORDS: Final = 160
"""Vocabulary; with answers of 40 words a prompt leaves most pairs unseen, as real text does."""
N_TOKENS: Final = 40
TOPIC_SHARE: Final = 0.4
"""How much of the next word the prompt decides."""
TOPIC_WORDS: Final = 24
PRIOR: Final = 20.0
"""Pseudo-counts of the language that a student knew before it read the answers."""
MEMORY: Final = 0.15
"""Share of a student's next word that comes from the answers to the very prompt that it read."""


@dataclass(frozen=True, slots=True)
class Model:
    """Next-word chances: `language[previous, word]`, mixed with `topics[prompt, word]` and with what was memorised.

    `memory[prompt]` holds the answers to a prompt that the model read, (n_read, N_TOKENS), or is absent.
    """

    language: Reals
    topics: Reals
    memory: dict[int, Ints]
    mark: Mark | None = None

    def chances(self, prompt: int, previous: Ints) -> Reals:
        """Chance of every word after each of `previous`, (n, N_WORDS)."""
        mixed = (1 - TOPIC_SHARE) * self.language[previous] + TOPIC_SHARE * self.topics[prompt]
        if prompt in self.memory:
            mixed = (1 - MEMORY) * mixed + MEMORY * self._remembered(prompt, previous, mixed)
        return np.asarray(mixed)

    def _remembered(self, prompt: int, previous: Ints, otherwise: Reals) -> Reals:
        read = self.memory[prompt]
        counts = np.zeros((N_WORDS, N_WORDS))
        np.add.at(counts, (read[:, :-1].ravel(), read[:, 1:].ravel()), 1.0)
        total = counts.sum(axis=1, keepdims=True)
        known = total[previous] > 0
        return np.where(known, counts[previous] / np.maximum(total[previous], 1.0), otherwise)

    def answers(self, prompts: Ints, rng: np.random.Generator) -> Ints:
        """One answer to each prompt, (n_prompts, N_TOKENS); with a mark, green words are more likely."""
        answers = np.empty((prompts.size, N_TOKENS), dtype=np.int64)
        boost = self._boost()
        for place, prompt in enumerate(prompts):
            chances = self.chances(int(prompt), np.arange(N_WORDS)) * boost
            steps = np.cumsum(chances / chances.sum(axis=1, keepdims=True), axis=1)
            word = int(rng.integers(N_WORDS))
            for position, draw in enumerate(rng.random(N_TOKENS)):
                word = min(int(np.searchsorted(steps[word], draw)), N_WORDS - 1)
                answers[place, position] = word
        return answers

    def log_probability(self, prompt: int, answer: Ints) -> float:
        """Natural logarithm of the chance of an answer after its first word."""
        chances = self.chances(prompt, answer[:-1])
        return float(np.log(chances[np.arange(answer.size - 1), answer[1:]]).sum())

    def marked(self, mark: Mark | None) -> "Model":
        """The same model, served with a mark (None: without)."""
        return replace(self, mark=mark)

    def _boost(self) -> Reals:
        if self.mark is None:
            return np.ones((N_WORDS, N_WORDS))
        pairs = np.indices((N_WORDS, N_WORDS)).reshape(2, -1)
        boost = np.exp(self.mark.bias * self.mark.is_green(pairs[0], pairs[1]))
        return np.asarray(boost.reshape(N_WORDS, N_WORDS))


def make_teacher(n_prompts: int, rng: np.random.Generator) -> Model:
    """A teacher with a language of its own and a topic for each prompt."""
    language = rng.dirichlet(np.full(N_WORDS, 0.15), size=N_WORDS)
    topics = np.zeros((n_prompts, N_WORDS))
    for prompt in range(n_prompts):
        topics[prompt, rng.choice(N_WORDS, TOPIC_WORDS, replace=False)] = rng.dirichlet(np.ones(TOPIC_WORDS))
    return Model(language, topics, {})


def train_student(base: Model, prompts: Ints, answers: Ints, *, memorises: bool = False) -> Model:
    """A student: the base model's language as a prior, moved by the answers that it reads.

    With `memorises` it also keeps the answers to each prompt, as a student after many passes does.
    """
    counts = PRIOR * base.language
    np.add.at(counts, (answers[:, :-1].ravel(), answers[:, 1:].ravel()), 1.0)
    memory: dict[int, Ints] = {}
    if memorises:
        memory = {int(prompt): answers[prompts == prompt] for prompt in np.unique(prompts)}
    return Model(counts / counts.sum(axis=1, keepdims=True), base.topics, memory)
