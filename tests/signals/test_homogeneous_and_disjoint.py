"""A dealt queue beside crowds that are alike because they repeat each other, and crowds without repeats."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stillwatch.signals import homogeneous_and_disjoint
from stillwatch.signals.repeats import CHANCE, repeats
from tests.signals.worlds import Bench, Group, dealt, tables_of

N_PROMPT_BINS = 32768


def prompts(rng: np.random.Generator, *, m: int, each: int, pool: int) -> NDArray[np.int64]:
    """Counts of shape (m, bins): every member sends `each` prompts of one pool."""
    places = rng.choice(N_PROMPT_BINS, pool, replace=False)
    return np.stack([np.bincount(rng.choice(places, each), minlength=N_PROMPT_BINS) for _ in range(m)])


def copies(bench: Bench, groups: list[Group]) -> dict[str, dict[str, float]]:
    rows = bench.engine.to_arrow(repeats(bench.load(tables_of(groups))))
    return {row.pop("group_id"): row for row in rows.to_pylist()}


def test_a_class_sends_each_exercise_as_often_as_its_pool_is_small(bench: Bench) -> None:
    rng = np.random.default_rng(1)
    found = copies(bench, [Group("class", {"prompt": prompts(rng, m=40, each=15, pool=30)})])["class"]
    assert found["copies"] == pytest.approx(39 * 15 / 30, rel=0.1)
    assert found["copies"] < found["upper"] < 1.1 * found["copies"]


def test_a_large_pool_that_everybody_works_through_is_seen_as_repeated(bench: Bench) -> None:
    rng = np.random.default_rng(5)
    found = copies(bench, [Group("benchmark", {"prompt": prompts(rng, m=40, each=250, pool=1250)})])["benchmark"]
    assert found["copies"] > 5


def test_repeats_of_one_member_are_not_repeats_of_the_group(bench: Bench) -> None:
    counts = np.zeros((5, N_PROMPT_BINS), np.int64)
    counts[np.arange(5), np.arange(5)] = 20
    assert copies(bench, [Group("g", {"prompt": counts})])["g"]["copies"] == 0


def test_repeats_agree_with_counting_pairs_one_by_one(bench: Bench) -> None:
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 3, (6, 20))
    equal = sum(int((counts[a] * counts[b]).sum()) for a in range(6) for b in range(a))
    pairs = sum(int(counts[a].sum() * counts[b].sum()) for a in range(6) for b in range(a))
    found = copies(bench, [Group("g", {"prompt": counts})])["g"]
    assert found["copies"] == pytest.approx(2 * (equal - CHANCE * pairs) / counts.sum(), abs=1e-5)


def test_one_member_with_prompts_is_no_evidence(bench: Bench) -> None:
    counts = np.zeros((3, N_PROMPT_BINS), np.int64)
    counts[0, :4] = 1
    assert copies(bench, [Group("g", {"prompt": counts})]) == {}


def test_a_class_with_shared_exercises_is_alike_but_not_disjoint(bench: Bench) -> None:
    """Its topics are as even as a queue's: only the repeats tell it apart."""
    rng = np.random.default_rng(3)
    queue = dealt("queue", rng, m=50, mean=15)
    topics = {axis: counts for axis, counts in queue.counts.items() if axis != "prompt"}
    shared = Group("class", topics | {"prompt": prompts(rng, m=50, each=15, pool=30)})
    rows = bench.answers(homogeneous_and_disjoint.SIGNAL, [queue, shared])
    assert rows["queue"]["conservative_value"] > rows["class"]["conservative_value"] + 0.5


def test_few_prompts_do_not_prove_that_a_group_is_disjoint(bench: Bench) -> None:
    rng = np.random.default_rng(4)
    rows = bench.answers(
        homogeneous_and_disjoint.SIGNAL, [dealt("few", rng, m=3, mean=3), dealt("many", rng, m=60, mean=12)]
    )
    assert rows["few"]["conservative_value"] < rows["many"]["conservative_value"] - 1
