"""The demonstration: marked and unmarked students before the keyed test, and before the test of twins."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stillwatch.provenance.canary.keys import campaign_key, decoy_keys
from stillwatch.provenance.canary.marks import Mark, Pairs, mark_keyrank
from stillwatch.provenance.demo.school import School, Speaker
from stillwatch.provenance.finding import Finding
from stillwatch.provenance.settings import CanarySettings, TwinSettings
from stillwatch.provenance.twins.continuation import continuation_gaps, continuation_prompts
from stillwatch.provenance.twins.run import Metric, twin_sign
from stillwatch.provenance.twins.sampler import Twin

Ints = npt.NDArray[np.int64]

SHARES: Final = (0.0, 0.1, 0.3, 1.0)
CAMPAIGNS: Final = ("campaign-1", "campaign-2")
"""The student is fed by the first."""
N_DECOYS: Final = 200
N_SAMPLES: Final = 3
"""Times that a suspect goes on from each prefix."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One suspect of the demonstration, what is true of it, and what the test says."""

    suspect: str
    is_made_from_ours: bool
    finding: Finding


def demonstrate(school: School[Any], *, seed: int, n_prompts: int = 400, n_train: int = 1500) -> list[Outcome]:
    """All suspects before their tests; equal seeds give equal outcomes on one machine."""
    rng = np.random.default_rng(seed)
    return [*marked_students(school, rng, n_prompts, n_train), *twin_students(school, rng, n_prompts)]


def marked_students(school: School[Any], rng: np.random.Generator, n_prompts: int, n_train: int) -> Iterator[Outcome]:
    """Students that read 0, 10, 30 and 100 % marked answers, before the keyed token test."""
    teacher, stranger = school.teacher_and_stranger(n_prompts, rng)
    master = rng.bytes(32)
    marks = {name: Mark(campaign_key(master, name, "demo")) for name in CAMPAIGNS}
    prompts = rng.integers(n_prompts, size=n_train)
    marked, plain = teacher.marked(marks[CAMPAIGNS[0]]).answers(prompts, rng), teacher.answers(prompts, rng)
    for share in SHARES:
        n_marked = int(share * n_train)
        read = np.concatenate([marked[:n_marked], plain[n_marked:]])
        student = school.student(stranger, prompts, read, rng, memorises=False)
        said = student.answers(rng.integers(n_prompts, size=n_train), rng)
        finding = mark_keyrank(Pairs.of(list(said)), marks, decoy_keys(master, "demo", N_DECOYS),
                               settings=CanarySettings())  # fmt: skip
        yield Outcome(f"student of {share:.0%} marked answers", share > 0, finding)


def twin_students(
    school: School[Any], rng: np.random.Generator, n_prompts: int, metrics: tuple[Metric, ...] = ("logprob",)
) -> Iterator[Outcome]:
    """A student of the served answers, one of other answers of the same teacher, and no student, before twins."""
    teacher, stranger = school.teacher_and_stranger(n_prompts, rng)
    prompts = np.arange(n_prompts)
    served, twin, other = (teacher.answers(prompts, rng) for _ in range(3))
    suspects = (
        ("student of the served answers", True, school.student(stranger, prompts, served, rng, memorises=True)),
        (
            "student of other answers of the teacher",
            False,
            school.student(stranger, prompts, other, rng, memorises=True),
        ),
        ("no student", False, stranger),
    )
    pairs = [Twin(str(number), str(number), _text(a), _text(b), "teacher", 1.0)
             for number, (a, b) in enumerate(zip(served, twin, strict=True))]  # fmt: skip
    for name, is_ours, suspect in suspects:
        for metric in metrics:
            gaps = (
                suspect.log_probabilities(prompts, served) - suspect.log_probabilities(prompts, twin)
                if metric == "logprob"
                else continuation_gaps(pairs, _continued(suspect, pairs, rng))
            )
            yield Outcome(name, is_ours, twin_sign(pairs, gaps, metric=metric, settings=TwinSettings(), rng=rng))


def _continued(suspect: Speaker, pairs: list[Twin], rng: np.random.Generator) -> dict[str, list[str]]:
    """What a suspect goes on with from the first words of served answers and twins, by the ids of the prefixes."""
    said: dict[str, list[str]] = {}
    rows = continuation_prompts(pairs)
    lengths = np.array([row["prefix"].count(" ") + 1 for row in rows])
    for n_begun in np.unique(lengths):
        alike = [rows[place] for place in np.flatnonzero(lengths == n_begun)]
        begun = np.array([[int(word) for word in row["prefix"].split()] for row in alike])
        prompts = np.array([int(row["prompt"]) for row in alike])
        for _ in range(N_SAMPLES):
            answers = suspect.answers(prompts, rng, begun)
            for row, answer in zip(alike, answers, strict=True):
                said.setdefault(row["prompt_id"], []).append(_text(answer[n_begun:]))
    return said


def _text(answer: Ints) -> str:
    return " ".join(str(word) for word in answer)
