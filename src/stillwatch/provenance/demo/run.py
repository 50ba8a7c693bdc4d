"""The demonstration: marked and unmarked students before the keyed test, and before the test of twins."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from stillwatch.provenance.canary.keys import campaign_key, decoy_keys
from stillwatch.provenance.canary.marks import Mark, Pairs, mark_keyrank
from stillwatch.provenance.demo.ngram import Model, make_teacher, train_student
from stillwatch.provenance.finding import Finding
from stillwatch.provenance.settings import CanarySettings, TwinSettings
from stillwatch.provenance.twins.run import twin_sign
from stillwatch.provenance.twins.sampler import Twin

SHARES: Final = (0.0, 0.1, 0.3, 1.0)
CAMPAIGNS: Final = ("campaign-1", "campaign-2")
"""The student is fed by the first."""
N_DECOYS: Final = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """One suspect of the demonstration, what is true of it, and what the test says."""

    suspect: str
    is_made_from_ours: bool
    finding: Finding


def demonstrate(*, seed: int, n_prompts: int = 400, n_train: int = 1500) -> list[Outcome]:
    """All suspects before their tests; equal seeds give equal outcomes."""
    rng = np.random.default_rng(seed)
    return [*marked_students(rng, n_prompts, n_train), *twin_students(rng, n_prompts)]


def marked_students(rng: np.random.Generator, n_prompts: int, n_train: int) -> Iterator[Outcome]:
    """Students that read 0, 10, 30 and 100 % marked answers, before the keyed token test."""
    teacher, base = make_teacher(n_prompts, rng), make_teacher(n_prompts, rng)
    master = rng.bytes(32)
    marks = {name: Mark(campaign_key(master, name, "demo")) for name in CAMPAIGNS}
    prompts = rng.integers(n_prompts, size=n_train)
    marked, plain = teacher.marked(marks[CAMPAIGNS[0]]).answers(prompts, rng), teacher.answers(prompts, rng)
    for share in SHARES:
        n_marked = int(share * n_train)
        read = np.concatenate([marked[:n_marked], plain[n_marked:]])
        student = train_student(base, prompts, read)
        said = student.answers(rng.integers(n_prompts, size=n_train), rng)
        finding = mark_keyrank(Pairs.of(list(said)), marks, decoy_keys(master, "demo", N_DECOYS),
                               settings=CanarySettings())  # fmt: skip
        yield Outcome(f"student of {share:.0%} marked answers", share > 0, finding)


def twin_students(rng: np.random.Generator, n_prompts: int) -> Iterator[Outcome]:
    """A student of the served answers, one of other answers of the same teacher, and no student, before twins."""
    teacher, base = make_teacher(n_prompts, rng), make_teacher(n_prompts, rng)
    prompts = np.arange(n_prompts)
    served, twin, other = (teacher.answers(prompts, rng) for _ in range(3))
    base = Model(base.language, teacher.topics, {})
    suspects = (
        ("student of the served answers", True, train_student(base, prompts, served, memorises=True)),
        ("student of other answers of the teacher", False, train_student(base, prompts, other, memorises=True)),
        ("no student", False, base),
    )
    pairs = [Twin(str(number), f"prompt {number}", _text(a), _text(b), "teacher", 1.0)
             for number, (a, b) in enumerate(zip(served, twin, strict=True))]  # fmt: skip
    for name, is_ours, suspect in suspects:
        gaps = np.array([
            suspect.log_probability(number, served[number]) - suspect.log_probability(number, twin[number])
            for number in range(n_prompts)
        ])  # fmt: skip
        yield Outcome(name, is_ours, twin_sign(pairs, gaps, metric="logprob", settings=TwinSettings(), rng=rng))


def _text(answer: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    return " ".join(f"w{word}" for word in answer)
