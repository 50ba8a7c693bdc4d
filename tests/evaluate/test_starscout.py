"""The suite `starscout`: stars as exchanges."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.evaluate import starscout
from stillwatch.evaluate.starscout import area_under_curve, read_stars, scene_of, shuffled
from stillwatch.model.tables import ACCOUNT_DAYS, TOKEN_USES

SCORES = st.lists(st.integers(0, 5), min_size=1, max_size=12)
EVENTS = [
    ("00000000000000aa", "u1", "2022-01-01T10:00:00Z"),
    ("00000000000000aa", "u1", "2022-01-01T11:30:00Z"),
    ("00000000000000aa", "u2", "2022-02-14T23:59:59Z"),
    ("ffffffffffffffff", "u1", "2022-02-15T00:00:00Z"),
    ("00000000000000aa", "u1", "2022-02-16T05:00:00Z"),
]


@pytest.fixture
def stars(tmp_path):
    names = ("repo", "account", "starred_at")
    rows = pa.table({name: [event[place] for event in EVENTS] for place, name in enumerate(names)})
    pq.write_table(rows, tmp_path / "fake_star_events.parquet")
    return read_stars(tmp_path)


def test_windows_follow_one_another_and_are_laid_over_the_first(stars):
    assert stars["window"].to_pylist() == [0, 0, 0, 1, 1]
    assert [at.isoformat() for at in stars["at"].to_pylist()[2:]] == [
        "2022-02-14T23:59:59",
        "2022-01-01T00:00:00",
        "2022-01-02T05:00:00",
    ]


def test_a_repository_and_an_account_are_others_in_another_window(stars):
    tokens, accounts = stars["token"].to_pylist(), stars["account_id"].to_pylist()
    assert tokens[0] == tokens[1] == tokens[2] != tokens[4]
    assert accounts[0] == accounts[1] != accounts[4]


def test_a_star_is_an_exchange_of_its_day_and_hour(stars):
    scene = scene_of(stars)
    assert scene.token_uses.schema.equals(TOKEN_USES.schema)
    assert scene.account_days.schema.equals(ACCOUNT_DAYS.schema)
    twice = [row for row in scene.token_uses.to_pylist() if row["n"] == 2]
    assert [(row["openings"], row["micro_cells"]) for row in twice] == [([10, 11], [])]
    assert sum(row["n"] for row in scene.account_days.to_pylist()) == len(EVENTS)


def test_shuffling_keeps_the_stars_of_every_repository_and_account(stars):
    dealt = shuffled(stars, np.random.default_rng(0))
    for name in ("window", "account_id", "at"):
        assert dealt[name].to_pylist() == stars[name].to_pylist()
    assert sorted(zip(dealt["window"].to_pylist(), dealt["token"].to_pylist(), strict=True)) == sorted(
        zip(stars["window"].to_pylist(), stars["token"].to_pylist(), strict=True)
    )


def test_shuffling_deals_repositories_to_other_accounts():
    many = pa.table({"window": [0] * 50, "token": list(range(50)), "account_id": ["u"] * 50, "at": [0] * 50})
    assert shuffled(many, np.random.default_rng(0))["token"].to_pylist() != list(range(50))


@given(SCORES, SCORES)
def test_the_area_is_the_share_of_pairs_in_order(positive, negative):
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    area = area_under_curve(np.array(positive), np.array(negative))
    assert area == pytest.approx(sum(pairs) / len(pairs))


def test_nothing_to_compare_is_a_coin():
    assert area_under_curve(np.array([]), np.array([1.0])) == 0.5


def test_the_real_stars_are_judged_beside_random_ones(bench, shared_data):
    part = starscout.measure(9_001, replace(bench, data=shared_data))
    assert part.values["groups"] > 1_000
    assert 0.0 <= part.values["auc"] <= 1.0
    assert part.values["random_flagged"] < 0.01
    assert starscout.report([part], bench).tables[0].rows[0][1] == part.values["auc"]
