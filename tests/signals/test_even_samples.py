"""Queues with several samples of each prompt beside pools that are drawn from, evenly, by popularity, or whole."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stillwatch.signals.even_samples import SIGNAL
from tests.signals.worlds import Bench, Group

N_BINS = 32768


def sent(places: NDArray[np.int64], members: NDArray[np.int64], m: int) -> Group:
    """The group in which member `members[j]` sent the prompt of bin `places[j]`."""
    counts = np.zeros((m, N_BINS), np.int64)
    np.add.at(counts, (members, places), 1)
    return Group("g", {"prompt": counts})


def queue(rng: np.random.Generator, *, k: int, n_prompts: int, m: int, seen: float = 1.0) -> Group:
    """Each prompt goes to k random members; of all sends the share `seen` is in the group. Bins may collide."""
    members = np.stack([rng.choice(m, k, replace=False) for _ in range(n_prompts)])
    places = np.repeat(rng.integers(N_BINS, size=n_prompts), k)
    kept = rng.random(len(places)) < seen
    return sent(places[kept], members.ravel()[kept], m)


def pool(rng: np.random.Generator, *, share: NDArray[np.float64], m: int, each: NDArray[np.int64]) -> Group:
    """Members draw distinct prompts of one pool, each with the given popularity."""
    places = rng.choice(N_BINS, len(share), replace=False)
    drawn = [rng.choice(places, size, replace=False, p=share) for size in each]
    return sent(np.concatenate(drawn), np.repeat(np.arange(m), each), m)


def even(n: int) -> NDArray[np.float64]:
    return np.full(n, 1 / n)


def answer(bench: Bench, group: Group) -> dict[str, float]:
    return bench.answers(SIGNAL, [group])["g"]


def reference(counts: NDArray[np.int64]) -> tuple[float, float] | None:
    """Triples over pairs, counted over members one by one."""
    has = (counts > 0).astype(float)
    has = has[has.sum(axis=1) > 0]
    own, r = has.sum(axis=1), has.sum(axis=0)
    m = len(own)
    if m < 3:
        return None
    e2 = sum(own[i] * own[j] for i in range(m) for j in range(m) if i != j)
    e3 = sum(own[i] * own[j] * own[k] for i in range(m) for j in range(m) for k in range(m) if len({i, j, k}) == 3)
    two, three = r * (r - 1), r * (r - 1) * (r - 2)
    pairs, error = two.sum() - e2 / N_BINS, np.sqrt((two**2).sum() + 1)
    if pairs <= 2 * error:
        return None
    triples = three.sum() - 3 * pairs * e3 / e2 / N_BINS - e3 / N_BINS**2
    upper = max(triples, 0) + 2 * np.sqrt((three**2).sum() + 36)
    return e2**2 / e3 * triples / pairs**2, -np.log(e2**2 / e3 * upper / (pairs - 2 * error) ** 2)


@given(st.lists(st.lists(st.integers(0, 1), min_size=40, max_size=40), min_size=2, max_size=6))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_agrees_with_counting_members_one_by_one(bench: Bench, table: list[list[int]]) -> None:
    counts = np.array(table)
    found, expected = bench.answers(SIGNAL, [Group("g", {"prompt": counts})]), reference(counts)
    if expected is None:
        assert found == {}
    else:
        assert found["g"]["value"] == pytest.approx(expected[0], rel=1e-9)
        assert found["g"]["conservative_value"] == pytest.approx(expected[1], rel=1e-9)


@pytest.mark.parametrize("seen", [1.0, 0.4])
def test_k_samples_leave_fewer_triples_at_any_coverage(bench: Bench, seen: float) -> None:
    row = answer(bench, queue(np.random.default_rng(1), k=4, n_prompts=2500, m=50, seen=seen))
    assert row["value"] == pytest.approx(2 / 3, abs=0.08)
    assert row["conservative_value"] > -0.1


def test_chance_collisions_of_many_prompts_are_subtracted(bench: Bench) -> None:
    row = answer(bench, queue(np.random.default_rng(2), k=4, n_prompts=12_000, m=100))
    assert row["value"] == pytest.approx(2 / 3, abs=0.08)


def test_a_class_that_draws_from_one_pool_is_what_the_null_says(bench: Bench) -> None:
    rng = np.random.default_rng(3)
    row = answer(bench, pool(rng, share=even(60), m=80, each=rng.integers(3, 40, 80)))
    assert row["value"] == pytest.approx(1, abs=0.05)
    assert row["conservative_value"] < 0


def test_benchmark_customers_that_each_run_nearly_the_whole_pool_are_no_split_queue(bench: Bench) -> None:
    rng = np.random.default_rng(4)
    row = answer(bench, pool(rng, share=even(300), m=20, each=rng.integers(280, 301, 20)))
    assert row["value"] == pytest.approx(1, abs=0.01)
    assert row["conservative_value"] < 0


def test_popular_prompts_are_far_from_even(bench: Bench) -> None:
    share = 1.0 / np.arange(1, 2001)
    row = answer(bench, pool(np.random.default_rng(5), share=share / share.sum(), m=60, each=np.full(60, 40)))
    assert row["value"] > 2
    assert row["conservative_value"] < -0.7


def test_a_queue_without_repeats_gives_no_row(bench: Bench) -> None:
    group = queue(np.random.default_rng(6), k=1, n_prompts=3000, m=40)
    assert bench.answers(SIGNAL, [group]) == {}


def test_a_prompt_that_a_member_repeats_counts_once(bench: Bench) -> None:
    once = queue(np.random.default_rng(7), k=3, n_prompts=400, m=30).counts["prompt"]
    rows = bench.answers(SIGNAL, [Group("once", {"prompt": once}), Group("often", {"prompt": 5 * once})])
    assert rows["once"] == rows["often"]


def test_a_few_repeats_are_not_suspicious(bench: Bench) -> None:
    few = answer(bench, queue(np.random.default_rng(8), k=2, n_prompts=12, m=12))
    many = answer(bench, queue(np.random.default_rng(8), k=2, n_prompts=600, m=40))
    assert few["conservative_value"] < -0.5 < 2 < many["conservative_value"]
