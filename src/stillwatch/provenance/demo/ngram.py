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

    def answers(self, prompts: Ints, rng: np.random.Generator, begun: Ints | None = None) -> Ints:
        """One answer to each prompt, (n_prompts, N_TOKENS); with a mark, green words are more likely."""
        begun = rng.integers(N_WORDS, size=(prompts.size, 1)) if begun is None else begun
        n_begun = begun.shape[1]
        answers = np.concatenate([begun, np.empty((prompts.size, N_TOKENS - n_begun), dtype=np.int64)], axis=1)
        boost = self._boost()
        for prompt in np.unique(prompts):
            chances = self.chances(int(prompt), np.arange(N_WORDS)) * boost
            steps = np.cumsum(chances / chances.sum(axis=1, keepdims=True), axis=1)
            rows = np.flatnonzero(prompts == prompt)
            for place in range(n_begun, N_TOKENS):
                drawn = (steps[answers[rows, place - 1]] < rng.random((rows.size, 1))).sum(axis=1)
                answers[rows, place] = np.minimum(drawn, N_WORDS - 1)
        return answers

    def log_probabilities(self, prompts: Ints, answers: Ints) -> Reals:
        """Natural logarithm of the chance of each answer after its first word, (n_prompts,)."""
        steps = np.arange(answers.shape[1] - 1)
        return np.array([
            np.log(self.chances(int(prompt), answer[:-1])[steps, answer[1:]]).sum()
            for prompt, answer in zip(prompts, answers, strict=True)
        ])  # fmt: skip

    def marked(self, mark: Mark) -> "Model":
        """The same model, served with a mark."""
        return replace(self, mark=mark)

    def _boost(self) -> Reals:
        if self.mark is None:
            return np.ones((N_WORDS, N_WORDS))
        pairs = np.indices((N_WORDS, N_WORDS)).reshape(2, -1)
        boost = np.exp(self.mark.bias * self.mark.is_green(pairs[0], pairs[1]))
        return np.asarray(boost.reshape(N_WORDS, N_WORDS))


@dataclass(frozen=True, slots=True)
class NGrams:
    """The school of n-gram models: pure numpy, seconds."""

    def teacher_and_stranger(self, n_prompts: int, rng: np.random.Generator) -> tuple[Model, Model]:
        """Two models with a language each, and one topic for each prompt that both know."""
        topics = np.zeros((n_prompts, N_WORDS))
        for prompt in range(n_prompts):
            topics[prompt, rng.choice(N_WORDS, TOPIC_WORDS, replace=False)] = rng.dirichlet(np.ones(TOPIC_WORDS))
        teacher, stranger = (Model(rng.dirichlet(np.full(N_WORDS, 0.15), size=N_WORDS), topics, {}) for _ in range(2))
        return teacher, stranger

    def student(
        self, stranger: Model, prompts: Ints, answers: Ints, _rng: np.random.Generator, /, *, memorises: bool
    ) -> Model:
        """The stranger's language as a prior, moved by the answers; with `memorises` it also keeps those answers."""
        counts = PRIOR * stranger.language
        np.add.at(counts, (answers[:, :-1].ravel(), answers[:, 1:].ravel()), 1.0)
        memory: dict[int, Ints] = {}
        if memorises:
            memory = {int(prompt): answers[prompts == prompt] for prompt in np.unique(prompts)}
        return Model(counts / counts.sum(axis=1, keepdims=True), stranger.topics, memory)
