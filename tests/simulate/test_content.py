"""What prompts are about: honest accounts come back to their own material, members of a queue do not."""

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillwatch.simulate import AggregateWorld, Campaign, HonestMix, Lookalike, World, aggregate_world, scenario
from stillwatch.simulate.build import populate
from stillwatch.simulate.content import N_BINS, materials, prompt_bins
from stillwatch.simulate.grammar.compose import Rows, render
from stillwatch.simulate.grammar.names import KINDS, names
from stillwatch.simulate.keyed import mix
from stillwatch.simulate.material import entities, n_entities
from stillwatch.simulate.traffic import draw_day
from tests.simulate.levels import Levels, both_levels, collisions, contents, self_reuse

COURSE = Lookalike(
    honest_class="course", groups_per_100k=1.0, members=(20, 20), exchanges=400.0, volume_sigma=0.4, span_days=(8, 8),
    onset_spread_days=0.1, pool=60,
)  # fmt: skip
PEOPLE = ("ordinary", "framework_adopters", "company")


def small_world(material_scale: float = 1.0) -> World:
    """Six days of 400 busy accounts, a course that works on 60 prompts, and a queue of 40 accounts without cover."""
    honest = msgspec.structs.replace(
        scenario("demo").at_scale(0.1).honest,
        lookalikes=(COURSE,),
        median_exchanges=40.0,
        material_scale=material_scale,
    )
    queue = Campaign(name="queue", n_accounts=40, dilution=0.0)
    return World(honest=honest, campaigns=(queue,), n_days=6, release_day=3)


@pytest.fixture(scope="module")
def levels(tmp_path_factory: pytest.TempPathFactory) -> Levels:
    return both_levels(small_world(), seed=3, folder=tmp_path_factory.mktemp("content"))


def days(levels: Levels) -> tuple[pa.Table, pa.Table]:
    """Account days by way of ingest, and drawn directly."""
    return levels.account_days, levels.aggregate.account_days


def of_class(truth: pa.Table, *classes: str) -> pa.Array:
    return truth.filter(pc.is_in(truth["honest_class"], value_set=pa.array(classes)))["account_id"].combine_chunks()


def of_queue(truth: pa.Table) -> pa.Array:
    return truth.filter(truth["is_campaign"])["account_id"].combine_chunks()


def honest_reuse(made: AggregateWorld) -> float:
    return self_reuse(*contents(made.account_days, "materials", of_class(made.truth, *PEOPLE)))


def test_stocks_are_log_normal_around_their_median() -> None:
    sizes = n_entities(np.arange(20_000), 8.0)
    assert np.median(sizes) == pytest.approx(8.0, abs=1.0)
    assert np.log(n_entities(np.arange(20_000), 3_000.0)).std() == pytest.approx(0.9, abs=0.02)
    assert n_entities(np.arange(20_000), 0.01).min() == 1


def test_an_account_takes_up_few_of_its_entities_often() -> None:
    taken = entities(7, 100, mix(np.arange(20_000)))
    counts = np.sort(np.unique(taken, return_counts=True)[1])[::-1] / len(taken)
    assert len(counts) == 100
    assert counts[0] == pytest.approx(0.1, abs=0.01)  # the share of u**2 < 1/100


@pytest.mark.parametrize("kind", KINDS)
def test_entities_hardly_ever_share_a_name(kind: str) -> None:
    made = names(kind, mix(np.arange(2_000)))
    assert len(pc.unique(made)) > 1_900
    assert made.equals(names(kind, mix(np.arange(2_000))))


def test_slots_of_the_entity_show_its_names_and_no_others() -> None:
    item, topic = mix(np.arange(300)), np.zeros(300, dtype=np.int64)
    texts = render("{@person}", Rows(item, np.full(300, 5, dtype=np.uint64), topic), salt=1)
    assert len(pc.unique(texts)) == 3


def test_a_quarter_of_all_prompts_is_kept_and_equal_wordings_fall_in_one_bin() -> None:
    wording = mix(np.repeat(np.arange(20_000), 2))
    bins, is_kept = prompt_bins(wording)
    assert is_kept.mean() == pytest.approx(0.25, abs=0.01)
    assert (bins[::2] == bins[1::2]).all()
    assert (is_kept[::2] == is_kept[1::2]).all()
    assert 0 <= bins.min() < bins.max() < N_BINS


def test_an_item_of_a_pool_has_the_same_words_whoever_sends_it() -> None:
    world = small_world()
    population = populate(world, seed=3)
    exchanges = draw_day(world, population, seed=3, day=4)
    chosen = np.flatnonzero(population.streams["pool"][exchanges.stream] > 0)
    exchanges = exchanges.reorder(chosen)
    words = materials(population, exchanges)
    by_item: dict[int, set[tuple[int, ...]]] = {}
    for prompt, item in enumerate(exchanges.item.tolist()):
        by_item.setdefault(item, set()).add(tuple(words.bin[words.prompt == prompt].tolist()))
    assert len(np.unique(exchanges.account)) > 5
    assert len(by_item) < len(chosen)
    assert all(len(lists) == 1 for lists in by_item.values())


def test_words_are_distinct_and_ascend_in_each_prompt() -> None:
    world = small_world()
    population = populate(world, seed=3)
    words = materials(population, draw_day(world, population, seed=3, day=1))
    packed = words.prompt * N_BINS + words.bin
    assert (np.diff(packed) > 0).all()
    assert words.bin.max() < N_BINS


def test_honest_people_return_to_their_own_material_and_members_of_a_queue_do_not(levels: Levels) -> None:
    for table in days(levels):
        honest = self_reuse(*contents(table, "materials", of_class(levels.truth, *PEOPLE)))
        queue = self_reuse(*contents(table, "materials", of_queue(levels.truth)))
        assert honest > 0.015
        assert abs(queue) < 0.002


def test_both_levels_agree_on_how_often_people_return_to_their_material(levels: Levels) -> None:
    # Measured: 0.021 at event level, 0.027 at aggregate level.
    event, aggregate = (
        self_reuse(*contents(table, "materials", of_class(levels.truth, *PEOPLE))) for table in days(levels)
    )
    assert event == pytest.approx(aggregate, abs=0.01)


def test_both_levels_agree_on_how_often_words_are_equal(levels: Levels) -> None:
    # Measured, of one sender and of different ones: people 0.10 and 0.030 at event level, 0.10 and 0.031 at aggregate
    # level; members of the queue 0.041 and 0.042, 0.064 and 0.065, because the words of its five templates are chance.
    for members in (of_class(levels.truth, *PEOPLE), of_queue(levels.truth)):
        event, aggregate = (collisions(*contents(table, "materials", members)) for table in days(levels))
        assert event == pytest.approx(aggregate, abs=0.03)


def test_both_levels_have_as_many_words_and_prompts(levels: Levels) -> None:
    # Measured: 8 % fewer words at aggregate level, 2 % fewer prompts.
    for column, tolerance in (("materials", 0.15), ("prompts", 0.05)):
        event, aggregate = (pc.sum(pc.list_value_length(table[column])).as_py() for table in days(levels))
        assert event == pytest.approx(aggregate, rel=tolerance)


def test_members_of_a_course_repeat_each_others_prompts_and_members_of_a_queue_do_not(levels: Levels) -> None:
    for table in days(levels):
        _, course = collisions(*contents(table, "prompts", of_class(levels.truth, "course")))
        _, queue = collisions(*contents(table, "prompts", of_queue(levels.truth)))
        assert course > 1 / 100  # 60 prompts are about 15 of those that are kept, some of them in a template
        assert queue < 4 / N_BINS


def test_a_larger_stock_of_material_comes_back_less_often() -> None:
    usual, large = (honest_reuse(aggregate_world(small_world(scale), seed=3)) for scale in (1.0, 30.0))
    assert large < 0.5 * usual


def test_a_group_with_one_stock_has_no_material_of_its_members_own() -> None:
    reuse = {share: group_reuse(one_stock=share) for share in (0.0, 1.0)}
    assert reuse[0.0] > 0.004
    assert abs(reuse[1.0]) < 0.001


def group_reuse(*, one_stock: float) -> float:
    """How often the members of a group with wording and few entities of their own return to their material."""
    fleet = msgspec.structs.replace(
        COURSE, honest_class="fleet", pool=0, entities=20.0, n_topics=1, one_stock=one_stock
    )
    made = aggregate_world(World(honest=HonestMix(n_accounts=200, lookalikes=(fleet,)), n_days=6), seed=1)
    return self_reuse(*contents(made.account_days, "materials", of_class(made.truth, "fleet")))
