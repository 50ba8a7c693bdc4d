"""A teacher and its students as small recurrent networks, trained by gradient descent. Needs torch; a CPU will do.

All networks learn to write from texts of n-gram models, so that nothing has to be fetched: the teacher from one
language, the stranger from another. What a student takes over from marked answers it takes over by training.
"""

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from stillwatch.errors import EnvironmentFault
from stillwatch.provenance.canary.marks import Mark
from stillwatch.provenance.demo.ngram import N_TOKENS, N_WORDS, Model, NGrams

if TYPE_CHECKING:
    import torch

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

N_FEATURES: Final = 32
N_STATES: Final = 64
"""About 35,000 weights together: the whole demonstration takes a minute or two of CPU."""
PROMPT_WORDS: Final = 8
"""Words of its topic that a prompt is made of: two prompts are hardly ever alike."""
N_TEXTS: Final = 3000
SCHOOL_PASSES: Final = 4
"""Passes over the texts that a network learns to write from."""
PASSES: Final = 5
MEMORISING_PASSES: Final = 14
"""Passes over the answers of a teacher; the study behind this design found memory from about eleven."""
BATCH: Final = 64
STEP_SIZE: Final = 3e-3
"""Adam's; the usual for networks of this size."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network and the words of the prompts, (n_prompts, PROMPT_WORDS), which it reads before it answers."""

    layers: "torch.nn.ModuleDict"
    prompts: Ints
    mark: Mark | None = None

    def answers(self, prompts: Ints, rng: np.random.Generator, begun: Ints | None = None) -> Ints:
        """One answer to each prompt, (n_prompts, N_TOKENS); with a mark, green words are more likely."""
        import torch

        begun = np.empty((prompts.size, 0), dtype=np.int64) if begun is None else begun
        dice = _dice(rng)
        read = torch.from_numpy(np.concatenate([self.prompts[prompts], begun], axis=1))
        said, state, bias = [torch.from_numpy(begun)], None, self._bias()
        with torch.no_grad():
            for _ in range(N_TOKENS - begun.shape[1]):
                scores, state = _scores(self.layers, read, state)
                chances = torch.softmax(scores[:, -1] + bias[read[:, -1]], dim=-1)
                read = torch.multinomial(chances, 1, generator=dice)
                said.append(read)
        return np.asarray(torch.cat(said, dim=1).numpy())

    def log_probabilities(self, prompts: Ints, answers: Ints) -> Reals:
        """Natural logarithm of the chance of each answer after its first word, (n_prompts,)."""
        import torch

        read = torch.from_numpy(np.concatenate([self.prompts[prompts], answers], axis=1))
        with torch.no_grad():
            chances = torch.log_softmax(_scores(self.layers, read)[0], dim=-1)[:, PROMPT_WORDS:-1]
            own = chances.gather(2, read[:, PROMPT_WORDS + 1 :, None])
        return np.asarray(own.sum(dim=(1, 2)).double().numpy())

    def marked(self, mark: Mark) -> "Network":
        """The same network, served with a mark."""
        return replace(self, mark=mark)

    def _bias(self) -> "torch.Tensor":
        import torch

        if self.mark is None:
            return torch.zeros(N_WORDS, N_WORDS)
        rows = [self.mark.logit_bias(previous, N_WORDS) for previous in range(N_WORDS)]
        return torch.from_numpy(np.stack(rows).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Networks:
    """The school of recurrent networks.

    Raises:
        EnvironmentFault: torch is not installed.
    """

    def __post_init__(self) -> None:
        try:
            import torch
        except ImportError as error:
            raise EnvironmentFault("networks need torch: pip install 'stillwatch[provenance]'") from error
        torch.set_num_threads(1)  # equal seeds give equal networks, and ones this small gain nothing from more

    def teacher_and_stranger(self, n_prompts: int, rng: np.random.Generator) -> tuple[Network, Network]:
        """Two networks that learned to write about the same prompts in languages of their own."""
        languages = NGrams().teacher_and_stranger(n_prompts, rng)
        prompts = _prompts(languages[0], rng)
        teacher, stranger = (_schooled(language, prompts, rng) for language in languages)
        return teacher, stranger

    def student(
        self, stranger: Network, prompts: Ints, answers: Ints, rng: np.random.Generator, /, *, memorises: bool
    ) -> Network:
        """The stranger, trained on with the answers of a teacher."""
        layers = copy.deepcopy(stranger.layers)
        _train(layers, stranger.prompts[prompts], answers, MEMORISING_PASSES if memorises else PASSES, rng)
        return replace(stranger, layers=layers)


def _prompts(language: Model, rng: np.random.Generator) -> Ints:
    """Words of each prompt, drawn from its topic."""
    drawn = [rng.choice(N_WORDS, PROMPT_WORDS, replace=False, p=topic) for topic in language.topics]
    return np.stack(drawn).astype(np.int64)


def _schooled(language: Model, prompts: Ints, rng: np.random.Generator) -> Network:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(1 << 62)))
        layers = torch.nn.ModuleDict({
            "words": torch.nn.Embedding(N_WORDS, N_FEATURES),
            "memory": torch.nn.GRU(N_FEATURES, N_STATES, batch_first=True),
            "next": torch.nn.Linear(N_STATES, N_WORDS),
        })  # fmt: skip
    asked = rng.integers(len(prompts), size=N_TEXTS)
    _train(layers, prompts[asked], language.answers(asked, rng), SCHOOL_PASSES, rng)
    return Network(layers, prompts)


def _train(
    layers: "torch.nn.ModuleDict", prompts: Ints, answers: Ints, n_passes: int, rng: np.random.Generator
) -> None:
    """Adam on the next word of the answers; the words of prompts are read and not learned."""
    import torch

    read = torch.from_numpy(np.concatenate([prompts, answers], axis=1))
    adam = torch.optim.Adam(layers.parameters(), lr=STEP_SIZE)
    for _ in range(n_passes):
        for places in torch.from_numpy(rng.permutation(len(read))).split(BATCH):
            scores, _ = _scores(layers, read[places, :-1])
            wanted = read[places, PROMPT_WORDS:]
            loss = torch.nn.functional.cross_entropy(scores[:, PROMPT_WORDS - 1 :].transpose(1, 2), wanted)
            adam.zero_grad()
            loss.backward()
            adam.step()


def _scores(
    layers: "torch.nn.ModuleDict", words: "torch.Tensor", state: "torch.Tensor | None" = None
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Logits of the next word after each word, (n, n_words, N_WORDS), and the state after the last."""
    out, state = layers["memory"](layers["words"](words), state)
    return layers["next"](out), state


def _dice(rng: np.random.Generator) -> "torch.Generator":
    import torch

    return torch.Generator().manual_seed(int(rng.integers(1 << 62)))
