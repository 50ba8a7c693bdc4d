"""What the demonstration asks of tiny models, whatever they are made of."""

from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from stillwatch.provenance.canary.marks import Mark

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


class Speaker(Protocol):
    """A model that answers prompts, known by number, in words of a small vocabulary."""

    def answers(self, prompts: Ints, rng: np.random.Generator, begun: Ints | None = None) -> Ints:
        """One answer to each prompt, (n_prompts, n_words); with `begun`, each goes on from these words."""

    def log_probabilities(self, prompts: Ints, answers: Ints) -> Reals:
        """Natural logarithm of the chance of each answer after its first word, (n_prompts,)."""

    def marked(self, mark: Mark) -> Self:
        """The same model, served with a keyed mark."""


SpeakerT = TypeVar("SpeakerT", bound=Speaker)


class School(Protocol[SpeakerT]):
    """Where a teacher and its students are made, all of one kind."""

    def teacher_and_stranger(self, n_prompts: int, rng: np.random.Generator) -> tuple[SpeakerT, SpeakerT]:
        """A teacher, and a model that knows what the prompts are about and has read no answer of the teacher."""

    def student(
        self, stranger: SpeakerT, prompts: Ints, answers: Ints, rng: np.random.Generator, /, *, memorises: bool
    ) -> SpeakerT:
        """The stranger after it read answers; with `memorises` so often that it knows them in part by heart."""
