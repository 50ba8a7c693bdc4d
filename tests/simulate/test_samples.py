"""Several samples of each prompt of a queue: at the draws that stand behind both levels, in its texts and its bins."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.simulate import Campaign, HonestMix, World, aggregate_world, simulate
from stillwatch.simulate.build import populate
from stillwatch.simulate.traffic import Exchanges, draw_day

CONTENT = ("item", "entity", "topic", "template", "second", "record")
UNCHANGED = "71fd08d793256bfc"
"""Of the contents of the default campaign's third day before the knob was made."""


def world(**knobs: object) -> World:
    campaign = Campaign(n_accounts=50, **knobs)
    return World(honest=HonestMix(n_accounts=300, n_frameworks=12), campaigns=(campaign,), n_days=3)


def drawn(one: World) -> tuple[Exchanges, np.ndarray]:
    """The third day, and which of its exchanges are of the queue."""
    population = populate(one, seed=3)
    exchanges = draw_day(one, population, seed=3, day=2)
    return exchanges, population.streams["from_queue"][exchanges.stream].astype(bool)


def accounts_per_item(one: World) -> np.ndarray:
    exchanges, queued = drawn(one)
    pairs = set(zip(exchanges.item[queued].tolist(), exchanges.account[queued].tolist(), strict=True))
    return np.unique([item for item, _ in pairs], return_counts=True)[1]


def test_the_default_world_is_what_it_was() -> None:
    exchanges, _ = drawn(world())
    digest = hashlib.sha256()
    for name in CONTENT:
        digest.update(np.ascontiguousarray(getattr(exchanges, name)).tobytes())
    assert digest.hexdigest()[:16] == UNCHANGED


@pytest.mark.parametrize("k", [1, 2, 4, 8])
def test_each_prompt_goes_to_so_many_accounts_and_to_no_other(k: int) -> None:
    counts = accounts_per_item(world(samples_per_prompt=k))
    assert counts.max() == k
    assert (counts == k).mean() > 0.85


def test_unequal_accounts_share_prompts_as_far_as_they_can() -> None:
    counts = accounts_per_item(world(samples_per_prompt=4, volume_sigma=1.2))
    assert counts.max() == 4
    assert (counts * (counts >= 3)).sum() > 0.8 * counts.sum()


def test_equal_prompts_have_one_topic_and_one_template() -> None:
    exchanges, queued = drawn(world(samples_per_prompt=4, persona_topics=5))
    columns = [getattr(exchanges, name)[queued].tolist() for name in CONTENT[:4]]
    contents = set(zip(*columns, strict=True))
    assert len(contents) == len(set(exchanges.item[queued].tolist()))


def test_the_knob_changes_what_is_sent_and_not_who_sends_when() -> None:
    once, _ = drawn(world())
    often, queued = drawn(world(samples_per_prompt=4))
    assert np.array_equal(once.second, often.second)
    assert np.array_equal(once.account, often.account)
    assert np.array_equal(once.item[~queued], often.item[~queued])


def test_both_levels_hold_the_same_number_of_senders_of_a_prompt(tmp_path_factory: pytest.TempPathFactory) -> None:
    one = world(samples_per_prompt=4, dilution=0.0)
    made = simulate(one, seed=3, out_dir=tmp_path_factory.mktemp("samples"))
    rows = pq.read_table(made.exchanges, columns=["account_id", "prompt"]).join(
        pq.read_table(made.truth).select(["account_id", "is_campaign"]), "account_id"
    )
    texts = rows.filter(rows["is_campaign"]).group_by("prompt").aggregate([("account_id", "count_distinct")])
    assert np.median(texts["account_id_count_distinct"].to_numpy()) == 4
    made_up = aggregate_world(one, seed=3)
    queue = made_up.truth.filter(made_up.truth["is_campaign"])["account_id"].combine_chunks()
    days = made_up.account_days
    assert senders_per_bin(days.filter(pc.is_in(days["account_id"], value_set=queue))) == 4


def senders_per_bin(days: pa.Table) -> float:
    """Median number of accounts of an occupied prompt bin."""
    account = np.unique(days["account_id"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
    lists = days["prompts"].combine_chunks()
    owner = np.repeat(account, pc.list_value_length(lists).to_numpy(zero_copy_only=False))
    pairs = np.unique(owner * 2**15 + pc.list_flatten(lists).to_numpy(zero_copy_only=False).astype(np.int64))
    return float(np.median(np.unique(pairs % 2**15, return_counts=True)[1]))
