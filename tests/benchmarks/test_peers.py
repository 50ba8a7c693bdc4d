"""Each re-implemented peer finds the case it was made for; hindsight is as generous as promised, and no more."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from compare import Truth, count, points_in_hindsight
from methods import catchsync, fraudar, mahalanobis, mmd, prada, seat, synchrotrap
from peer import method, method_names
from scipy import sparse
from telemetry import Telemetry, heads

START = datetime(2026, 5, 1, tzinfo=UTC)
N_HONEST = 60
N_PLANTED = 12
PLANTED = np.arange(N_HONEST + N_PLANTED) >= N_HONEST


class Vectored(Telemetry):
    """Telemetry whose vectors are given instead of read."""

    vectors = None
    reference = None


def telemetry(rows, *, of=Telemetry, addresses=True):
    """Telemetry of (account, hour, prompt, address) rows; accounts are numbers."""
    account, hour, prompt, address = zip(*rows, strict=True)
    exchanges = pa.table(
        {
            "source_record_id": [f"r{number:06d}" for number in range(len(account))],
            "account_id": [f"a{number:03d}" for number in account],
            "start_time": pa.array([START + timedelta(hours=float(at)) for at in hour], pa.timestamp("us", "UTC")),
            "prompt": prompt,
            "client_address": address,
        }
    )
    exchanges = exchanges if addresses else exchanges.set_column(4, "client_address", pa.nulls(len(rows), pa.string()))
    return of(exchanges, pa.table({"account_id": sorted(set(exchanges["account_id"].to_pylist()))}))


def texts_of_own(account, n, rng):
    """Prompts in words of letters that no other account uses (digits would be folded)."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    own = letters[account % 26] + letters[account // 26]
    return [" ".join(own + "".join(word) for word in rng.choice(letters, (10, 3))) for _ in range(n)]


def with_shared_templates(rng, hours):
    """Honest accounts with words of their own, and planted ones that fill the same six templates at `hours(rng, n)`."""
    rows = []
    for account in range(N_HONEST + N_PLANTED):
        is_planted = account >= N_HONEST
        heads_of = [f"template {'abcdef'[number]} of one queue asks you for item" for number in range(6)]
        texts = texts_of_own(account, 30, rng)
        if is_planted:
            texts = [f"{heads_of[number % 6]} {rng.integers(10**6)}" for number in range(30)]
        at = hours(rng, 30) if is_planted else rng.uniform(0, 240, 30)
        address = [f"10.0.{account}.{number % 4}" for number in range(30)]
        rows += [(account, at[n], texts[n], address[n]) for n in range(30)]
    return telemetry(rows)


def rows_of(made):
    """The rows of telemetry once more, all at one hour."""
    columns = [made.exchanges[name].to_pylist() for name in ("account_id", "prompt", "client_address")]
    return [(int(account[1:]), 1.0, prompt, address) for account, prompt, address in zip(*columns, strict=True)]


def in_space(rng, honest, planted, n=120):
    """Telemetry with vectors: `honest(rng, n)` and `planted(rng, n)` draw the prompts of one account."""
    vectors = [(planted if is_planted else honest)(rng, n) for is_planted in PLANTED]
    rows = [
        (account, number * 0.1, f"p{account}-{number}", "10.0.0.1")
        for number in range(n)
        for account in range(len(PLANTED))
    ]
    made = telemetry(rows, of=Vectored)
    made.vectors = unit(np.stack(vectors, axis=1).reshape(-1, vectors[0].shape[1]))
    made.reference = unit(np.concatenate([honest(rng, 50) for _ in range(40)]))
    return made


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def cloud(rng, n, centre=0.0):
    return rng.normal(size=(n, 16)) + centre * np.eye(16)[0]


def are_on_top(scores):
    """Whether every planted account has a higher score than every honest one."""
    return scores[PLANTED].min() > scores[~PLANTED].max()


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_mmd_ranks_accounts_from_elsewhere_above_those_like_the_reference(rng):
    made = in_space(rng, cloud, lambda rng, n: cloud(rng, n, 1.5))
    assert are_on_top(mmd.rank(made))


def test_mmd_of_reference_windows_is_near_zero_on_average(rng):
    made = in_space(rng, cloud, cloud)
    assert abs(np.mean(mmd.rank(made))) < 0.5


def test_mmd_has_no_bias_in_windows_of_two(rng):
    points = unit(cloud(rng, 400))
    rows = mmd.features(points, mmd.draw_frequencies(points, rng))
    sums = np.stack([rows[rng.integers(0, 400, 2)].sum(axis=0) for _ in range(4_000)]).astype(float)
    values = mmd.squared_mmd(sums, np.full(4_000, 2), rows.mean(axis=0))
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(4_000)


def test_mahalanobis_ranks_accounts_outside_of_the_cloud_first(rng):
    stretched = np.r_[3.0, np.ones(15)]
    made = in_space(rng, lambda rng, n: cloud(rng, n) * stretched, lambda rng, n: cloud(rng, n) * stretched[::-1])
    assert are_on_top(mahalanobis.rank(made))


def test_prada_ranks_queries_in_two_kinds_of_distance_above_normal_ones(rng):
    def perturbed(rng, n):
        seeds = cloud(rng, n)
        seeds[1::2] = seeds[::2] + 1e-3 * rng.normal(size=seeds[::2].shape)
        return seeds

    assert are_on_top(prada.rank(in_space(rng, cloud, perturbed)))


def test_prada_has_no_opinion_below_a_hundred_queries(rng):
    assert np.isnan(prada.rank(in_space(rng, cloud, cloud, n=50))).all()


def test_seat_counts_queries_derived_from_earlier_ones(rng):
    def derived(rng, n):
        return np.repeat(cloud(rng, n // 4), 4, axis=0) + 1e-3 * rng.normal(size=(n, 16))

    assert are_on_top(seat.rank(in_space(rng, cloud, derived)))


def test_catchsync_ranks_accounts_whose_targets_are_alike_first(rng):
    made = with_shared_templates(rng, lambda rng, n: rng.uniform(0, 240, n))
    shared = [(account, 250.0, f"common head number {rng.integers(40)}", "10.9.9.9") for account in range(N_HONEST)]
    assert are_on_top(catchsync.rank(telemetry(rows_of(made) + shared)))


def test_fraudar_finds_the_block_of_accounts_on_the_same_targets(rng):
    assert are_on_top(fraudar.rank(with_shared_templates(rng, lambda rng, n: rng.uniform(0, 240, n))))


def test_fraudar_counts_targets_that_many_touch_less(rng):
    """Two blocks of one shape; others touch the targets of the honest one too."""
    made = with_shared_templates(rng, lambda rng, n: rng.uniform(0, 240, n))
    popular = [f"{'uvwxyz'[number]} everybody says this" for number in range(6)]
    block = [(account, 1.0, text, "10.7.7.7") for account in range(N_PLANTED) for text in popular]
    others = [(account, 1.0, popular[account % 6], "10.7.7.7") for account in range(N_PLANTED, N_HONEST)]
    assert are_on_top(fraudar.rank(telemetry([*rows_of(made), *block, *others], addresses=False)))


def test_fraudar_keeps_a_block_together_under_camouflage(rng):
    made = with_shared_templates(rng, lambda rng, n: rng.uniform(0, 240, n))
    cover = [(account, 1.0, f"{'abcdefgh'[n]} hello there", "10.8.8.8") for account in range(72) for n in range(3)]
    assert are_on_top(fraudar.rank(telemetry([*rows_of(made), *cover], addresses=False)))


@pytest.mark.parametrize("seed", range(5))
def test_fraudar_trims_no_node_of_the_best_block(seed):
    rng = np.random.default_rng(seed)
    weights = sparse.csr_array(rng.random((12, 10)) * (rng.random((12, 10)) < 0.4))
    whole = fraudar.peeled(weights, np.ones(22, dtype=bool))[1]
    assert fraudar.densest_block(weights)[2] >= max(whole) - 1e-12


def test_synchrotrap_joins_accounts_that_act_together_in_time(rng):
    moments = np.sort(rng.uniform(0, 240, 30))
    assert are_on_top(synchrotrap.rank(with_shared_templates(rng, lambda _rng, _n: moments)))


def test_synchrotrap_is_blind_to_shared_templates_at_unshared_times(rng):
    made = with_shared_templates(rng, lambda rng, n: rng.uniform(0, 24_000, n))
    assert not synchrotrap.rank(made).any()


def test_heads_fold_digits_and_keep_eight_words():
    assert heads(pa.chunked_array([["One 23 three  FOUR five six seven eight nine"]])).to_pylist() == [
        "one 0 three four five six seven eight"
    ]


def truth(n_honest, n_planted, n_managed=0):
    n = n_honest + n_planted + n_managed
    campaign = np.array(["c"] * n_planted + [""] * (n_honest + n_managed))
    is_managed = np.arange(n) >= n_honest + n_planted
    return Truth(pa.array(range(n)), campaign, {"class": campaign == ""}, is_managed)


def at(points, name):
    return next(point for point in points if point.name == name)


def test_hindsight_accuses_as_many_honest_accounts_as_the_rate_allows_and_no_more():
    known = truth(1_000, 3)
    scores = np.r_[[2.0, 0.9995, 0.5], np.linspace(0.0, 1.0, 1_000)]
    found = count(at(points_in_hindsight(scores, known), "FPR 0.001"), known)
    assert (found["campaigns"], found["honest"]) == ({"c": [2, 3]}, [1, 1_000])


def test_hindsight_accuses_equal_scores_together():
    known = truth(10, 5)
    found = count(at(points_in_hindsight(np.ones(15), known), "FPR 0.01"), known)
    assert found["campaigns"] == {"c": [0, 5]}


def test_hindsight_never_accuses_an_account_without_a_score():
    known = truth(2, 2)
    points = points_in_hindsight(np.array([1.0, np.nan, 0.0, np.nan]), known)
    assert at(points, "best F1").is_accused.tolist() == [True, False, False, False]


def test_accounts_of_verified_owners_are_charged_to_nobody():
    known = truth(10, 2, n_managed=3)
    scores = np.r_[[1.0, 1.0], np.zeros(10), [2.0, 2.0, 2.0]]
    found = count(at(points_in_hindsight(scores, known), "FPR 0.001"), known)
    assert (found["campaigns"], found["honest"], found["managed"]) == ({"c": [2, 2]}, [0, 10], [3, 3])


@pytest.mark.parametrize("name", method_names())
def test_every_peer_says_what_it_was_made_for_and_where_it_comes_from(name):
    peer = method(name).peer
    assert all((peer.made_for, peer.source, peer.licence))
