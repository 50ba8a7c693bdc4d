"""The knobs of a campaign do what they say, at the aggregate level."""

from datetime import date

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.simulate import AggregateWorld, Campaign, World, aggregate_world, scenario, simulate

N_DAYS = 20


def with_campaign(**knobs: object) -> World:
    """Twenty days with one campaign of 40 accounts."""
    campaign = msgspec.structs.replace(Campaign(name="knobs", n_accounts=40), **knobs)
    honest = scenario("demo").at_scale(0.1).honest
    return World(honest=honest, campaigns=(campaign,), n_days=N_DAYS, release_day=10)


def days_of_campaign(made: AggregateWorld) -> pa.Table:
    return of_accounts(made.account_days, made, is_campaign=True)


def of_accounts(table: pa.Table, made: AggregateWorld, *, is_campaign: bool) -> pa.Table:
    """The rows of campaign accounts, or of all others."""
    chosen = made.truth.filter(pc.equal(made.truth["is_campaign"], is_campaign))["account_id"].combine_chunks()
    return table.filter(pc.is_in(table["account_id"], value_set=chosen))


def volumes(made: AggregateWorld) -> npt.NDArray[np.float64]:
    rows = days_of_campaign(made).group_by("account_id").aggregate([("n", "sum")])
    return np.asarray(rows["n_sum"].to_numpy(), dtype=np.float64)


def of_campaign_tokens(made: AggregateWorld, kinds: tuple[str, ...]) -> pa.Table:
    """Uses of tokens that are mostly the campaign's."""
    tokens = made.group_classes.filter(pc.is_valid(made.group_classes["campaign_name"])).select(["token_kind", "token"])
    uses = of_accounts(made.token_uses, made, is_campaign=True)
    uses = uses.filter(pc.is_in(uses["token_kind"], value_set=pa.array(kinds)))
    return uses.select(["account_id", "token_kind", "token", "n"]).join(
        tokens, ["token_kind", "token"], join_type="inner"
    )


def test_a_balanced_queue_gives_every_account_the_same_expected_volume() -> None:
    n = volumes(aggregate_world(with_campaign(dilution=0.0), seed=1))
    assert n.mean() == pytest.approx(26 * (N_DAYS - 1.5), rel=0.04)
    assert n.var(ddof=1) / n.mean() < 8  # a Poisson queue with staggered starts; honest frameworks have hundreds


def test_volume_sigma_spreads_the_volumes() -> None:
    n = volumes(aggregate_world(with_campaign(volume_sigma=1.2), seed=1))
    assert np.log(n).std() == pytest.approx(1.2, abs=0.4)


def test_dilution_is_the_share_without_the_campaigns_tokens() -> None:
    world = with_campaign(dilution=0.9, templates=5)
    made = aggregate_world(world, seed=1)
    uses = of_campaign_tokens(made, ("skeleton", "shingle"))
    n_shingles = pc.sum(uses.filter(pc.equal(uses["token_kind"], "shingle"))["n"]).as_py()
    assert n_shingles / 2 / volumes(made).sum() == pytest.approx(0.1, abs=0.02)  # a template has two shingles


def test_a_rewritten_campaign_without_shared_infrastructure_has_no_text_token() -> None:
    world = with_campaign(paraphrase=1.0, shares_system=False, shares_tools=False, p_share=0.0)
    uses = of_campaign_tokens(aggregate_world(world, seed=1), ("skeleton", "system", "tools", "shingle"))
    assert uses.num_rows == 0


def test_banned_accounts_are_replaced_by_new_ones() -> None:
    world = with_campaign(generations=4)
    made = aggregate_world(world, seed=1)
    assert pc.sum(made.truth["is_campaign"]).as_py() == 160
    spans = days_of_campaign(made).group_by("account_id").aggregate([("day", "min"), ("day", "max")])
    lengths = [
        (last - first).days for first, last in zip(*(spans[c].to_pylist() for c in ("day_min", "day_max")), strict=True)
    ]
    assert np.median(lengths) <= 6


def test_suspended_accounts_send_nothing_afterwards(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("churn")
    made = simulate(with_campaign(generations=4), seed=1, out_dir=folder)
    events = pq.read_table(made.account_events)
    truth = pq.read_table(made.truth).select(["account_id", "is_campaign"])
    bans = events.filter(pc.equal(events["event_name"], "suspended")).join(truth, "account_id")
    bans = bans.filter(bans["is_campaign"]).select(["account_id", "event_time"])
    assert bans.num_rows == 120
    last = (
        pq.read_table(made.exchanges, columns=["account_id", "start_time"])
        .group_by("account_id")
        .aggregate([("start_time", "max")])
    )
    late = bans.join(last, "account_id", join_type="inner")
    seconds = pc.divide(
        pc.subtract(late["start_time_max"].cast(pa.int64()), late["event_time"].cast(pa.int64())), 1_000_000
    )
    assert pc.max(seconds).as_py() <= 0


def test_a_slow_start_sends_less_at_first() -> None:
    days = days_of_campaign(aggregate_world(with_campaign(slow_start_days=15.0), seed=1))
    by_day = days.group_by("day").aggregate([("n", "sum")]).sort_by("day")["n_sum"].to_numpy()
    assert by_day[:4].mean() < 0.5 * by_day[-4:].mean()


def test_a_pivot_turns_half_of_the_traffic_to_the_new_model_at_once() -> None:
    days = days_of_campaign(aggregate_world(with_campaign(pivots=True), seed=1))
    has_new = pc.match_substring(pc.binary_join(days["models"], " "), "atlas-large-3")
    adopting = days.filter(has_new).group_by("account_id").aggregate([("day", "min")])["day_min"]
    delays = [(day - date(2026, 5, 2)).days for day in adopting.to_pylist()]
    assert len(delays) == 40
    assert min(delays) == 0
    assert np.mean(np.array(delays) <= 1) > 0.8  # an account has few conversations a day, each with probability 1/2


def test_served_cuts_the_campaign_and_leaves_the_honest_world_as_it_is() -> None:
    whole = aggregate_world(with_campaign(), seed=1)
    part = aggregate_world(with_campaign(served=0.25), seed=1)
    assert len(pc.unique(days_of_campaign(part)["day"])) <= 6
    honest = [of_accounts(made.account_days, made, is_campaign=False) for made in (whole, part)]
    assert pc.sum(honest[0]["n"]).as_py() == pc.sum(honest[1]["n"]).as_py()


def test_aged_accounts_were_created_months_before() -> None:
    made = aggregate_world(with_campaign(aged=1.0), seed=1)
    accounts = of_accounts(made.accounts, made, is_campaign=True)
    assert str(pc.max(accounts["created_at"]))[:7] <= "2026-03"


def test_a_campaign_hidden_in_a_framework_sends_the_frameworks_tokens() -> None:
    made = aggregate_world(with_campaign(hides_in_framework=1), seed=1)
    shared = made.token_uses.filter(pc.is_in(made.token_uses["token_kind"], value_set=pa.array(["system", "tools"])))
    ours, others = (set(of_accounts(shared, made, is_campaign=flag)["token"].to_pylist()) for flag in (True, False))
    assert ours & others
