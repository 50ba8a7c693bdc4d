"""A teacher and its students as n-gram models over a small vocabulary."""

from dataclasses import dataclass, replace
from itertools import pairwise
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

    `memory[prompt]` is the answer to a prompt that the model knows by heart, (n_prompts, N_TOKENS), or is null.
    """

    language: Reals
    topics: Reals
    memory: Ints | None = None
    mark: Mark | None = None

    def chances(self, prompts: Ints, previous: Ints) -> Reals:
        """Chance of every word after each of `previous` in an answer to each prompt, (n_prompts, N_WORDS)."""
        mixed = (1 - TOPIC_SHARE) * self.language[previous] + TOPIC_SHARE * self.topics[prompts]
        if self.memory is not None:
            mixed = (1 - MEMORY) * mixed + MEMORY * _remembered(self.memory[prompts], previous, mixed)
        return np.asarray(mixed)

    def answers(self, prompts: Ints, rng: np.random.Generator, begun: Ints | None = None) -> Ints:
        """One answer to each prompt, (n_prompts, N_TOKENS); with a mark, green words are more likely."""
        said = list((rng.integers(N_WORDS, size=(prompts.size, 1)) if begun is None else begun).T)
        boost = self._boost()
        while len(said) < N_TOKENS:
            steps = np.cumsum(self.chances(prompts, said[-1]) * boost[said[-1]], axis=1)
            drawn = (steps < steps[:, -1:] * rng.random((prompts.size, 1))).sum(axis=1)
            said.append(np.minimum(drawn, N_WORDS - 1))
        return np.stack(said, axis=1)

    def log_probabilities(self, prompts: Ints, answers: Ints) -> Reals:
        """Natural logarithm of the chance of each answer after its first word, (n_prompts,)."""
        rows = np.arange(prompts.size)
        steps = [np.log(self.chances(prompts, previous)[rows, word]) for previous, word in pairwise(answers.T)]
        return np.asarray(np.sum(steps, axis=0))

    def marked(self, mark: Mark) -> "Model":
        """The same model, served with a mark."""
        return replace(self, mark=mark)

    def _boost(self) -> Reals:
        if self.mark is None:
            return np.ones((N_WORDS, N_WORDS))
        pairs = np.indices((N_WORDS, N_WORDS)).reshape(2, -1)
        boost = np.exp(self.mark.bias * self.mark.is_green(pairs[0], pairs[1]))
        return np.asarray(boost.reshape(N_WORDS, N_WORDS))


def _remembered(known: Ints, previous: Ints, otherwise: Reals) -> Reals:
    """How often each word follows `previous` in the answer known by heart; `otherwise` where none does."""
    row, place = np.nonzero(known[:, :-1] == previous[:, None])
    counts = np.zeros_like(otherwise)
    np.add.at(counts, (row, known[row, place + 1]), 1.0)
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1.0), otherwise)


@dataclass(frozen=True, slots=True)
class NGrams:
    """The school of n-gram models: pure numpy, seconds."""

    def teacher_and_stranger(self, n_prompts: int, rng: np.random.Generator) -> tuple[Model, Model]:
        """Two models with a language each, and one topic for each prompt that both know."""
        topics = np.zeros((n_prompts, N_WORDS))
        for prompt in range(n_prompts):
            topics[prompt, rng.choice(N_WORDS, TOPIC_WORDS, replace=False)] = rng.dirichlet(np.ones(TOPIC_WORDS))
        teacher, stranger = (Model(rng.dirichlet(np.full(N_WORDS, 0.15), size=N_WORDS), topics) for _ in range(2))
        return teacher, stranger

    def student(
        self, stranger: Model, prompts: Ints, answers: Ints, _rng: np.random.Generator, /, *, memorises: bool
    ) -> Model:
        """The stranger's language as a prior, moved by the answers; with `memorises` it keeps one to each prompt."""
        counts = PRIOR * stranger.language
        np.add.at(counts, (answers[:, :-1].ravel(), answers[:, 1:].ravel()), 1.0)
        memory = answers[np.argsort(prompts)] if memorises else None
        return Model(counts / counts.sum(axis=1, keepdims=True), stranger.topics, memory)
