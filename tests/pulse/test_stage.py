"""The pulse: a population that moves is seen, and nothing that one account does moves it."""

import json

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.config import Config
from stillwatch.engines import open_engine
from stillwatch.model.tables import ACCOUNT_DAYS
from stillwatch.simulate import HonestMix, World, aggregate_world
from stillwatch.simulate.lookalikes import LOOKALIKES
from tests.features.worlds import exchange, features, sketch
from tests.pulse.worlds import account_day, as_table, campaign_rows, date_of, pulse, quiet_rows

N_DAYS = 70


@pytest.fixture(scope="module")
def engine():
    opened = open_engine("duckdb", Config().engines)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def quiet():
    return quiet_rows(N_DAYS)


def test_days_before_three_weeks_of_history_have_no_p_value(engine, quiet):
    found = pulse(engine, as_table(quiet), first=0, last=N_DAYS)
    known = [value is not None for value in found["p_value"].to_pylist()]
    assert known == [False] * 21 + [True] * (N_DAYS - 21)


def test_a_campaign_that_begins_is_unusual_on_its_first_days(engine, quiet):
    found = pulse(engine, as_table(quiet + campaign_rows(60, 63)), first=57, last=63)
    assert not any(found["is_unusual"].to_pylist()[:3])
    assert all(found["is_unusual"].to_pylist()[3:])
    assert found["p_value"].to_pylist()[3] == pytest.approx(1 / 40)
    assert found["n_ranked"].to_pylist()[3] == 39


def test_what_moved_most_is_named(engine, quiet):
    by_night = [
        row | {"openings": [2, 3]} if row["day"] == date_of(60) else row
        for row in quiet
    ]  # fmt: skip
    assert pulse(engine, as_table(by_night), first=60, last=61)["moved_most"].to_pylist() == ["hours"]


def test_weekends_are_compared_with_weekends(engine, quiet):
    found = pulse(engine, as_table(quiet), first=61, last=63)
    assert [day.weekday() for day in found["day"].to_pylist()] == [5, 6]
    assert not any(found["is_unusual"].to_pylist())


def test_p_values_of_quiet_days_are_uniform(engine):
    p = []
    for seed in range(10):
        rows = as_table(quiet_rows(61, n_accounts=30, seed=100 + seed))
        p += pulse(engine, rows, first=41, last=61)["p_value"].to_pylist()
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.10
    assert 0.40 <= np.mean(np.array(p) <= 0.5) <= 0.60


def test_simulated_quiet_days_are_unusual_about_as_often_as_asked_for(engine):
    honest = HonestMix(n_accounts=2_000, n_frameworks=33, lookalikes=LOOKALIKES)
    p = []
    for seed in (9_801, 9_802):
        made = aggregate_world(World(honest=honest, n_days=110, start="2026-01-05"), seed=seed)
        p += pulse(engine, made.account_days, first=61, last=110)["p_value"].to_pylist()
    assert np.mean(np.array(p) <= 0.05) <= 0.15
    assert 0.3 <= np.mean(np.array(p) <= 0.5) <= 0.7


def test_repeated_prompts_move_nothing(engine):
    """A tenth of all prompts is sent a hundred times more, each time in a conversation of its own."""
    rng = np.random.default_rng(5)
    prompts = [(key, f"a{key % 40}", int(rng.integers(0, 4096))) for key in range(200)]
    once = _account_days(engine, [(account, cell, f"c{key}") for key, account, cell in prompts])
    repeats = [
        (account, cell, f"c{key}-{copy}") for key, account, cell in prompts[::10] for copy in range(100)
    ]  # fmt: skip
    often = _account_days(engine, [(a, cell, f"c{key}") for key, a, cell in prompts] + repeats)
    assert often["n"].to_pylist() != once["n"].to_pylist()
    history = as_table(quiet_rows(28))
    found = [pulse(engine, pa.concat_tables([history, _on_day(rows, 28)]), first=28, last=29) for rows in (once, often)]
    assert found[0]["statistic"].to_pylist() == pytest.approx(found[1]["statistic"].to_pylist(), rel=1e-5)
    assert found[0]["p_value"].equals(found[1]["p_value"])


def _account_days(engine, sent):
    """ACCOUNT_DAYS of one day of (account, cell, conversation), all at noon; equal cells are one prompt."""
    exchanges = [exchange(key, account, conversation_id=talk) for key, (account, _, talk) in enumerate(sent)]
    sketches = [
        sketch(key, prompt_hash=cell * 7919 + 1, micro_cell=cell, cell=cell >> 4, capability=0)
        for key, (_, cell, _) in enumerate(sent)
    ]
    return features(engine, exchanges, sketches)["account_days"].cast(ACCOUNT_DAYS.schema)


def _on_day(rows, day):
    return rows.set_column(0, rows.schema.field("day"), pa.array([date_of(day)] * rows.num_rows))


def test_an_account_with_thousands_of_prompts_counts_as_one(engine, quiet):
    rng = np.random.default_rng(6)
    heavy = account_day(60, "heavy", cells=rng.integers(0, 4096, 3000).tolist(), hours=[12], capabilities=[7])
    plain, with_heavy = (pulse(engine, as_table(rows), first=60, last=61) for rows in (quiet, [*quiet, heavy]))
    assert with_heavy["statistic"][0].as_py() == pytest.approx(plain["statistic"][0].as_py(), abs=0.5)


def test_names_and_order_of_accounts_change_nothing(engine, quiet):
    renamed = [row | {"account_id": f"x{row['account_id']}"} for row in reversed(quiet)]
    one, other = (pulse(engine, as_table(rows), first=50, last=N_DAYS) for rows in (quiet, renamed))
    assert one.equals(other)


def test_without_prompts_hours_are_still_compared(engine, quiet):
    no_text = [row | {"micro_cells": [], "capabilities": []} for row in quiet]
    found = pulse(engine, as_table(no_text), first=60, last=61)
    assert found["moved_most"].to_pylist() == ["hours"]
    assert found["n_ranked"].to_pylist() == [39]


def test_a_day_is_not_ranked_among_days_of_which_less_is_known(engine, quiet):
    text_later = [
        row | {"micro_cells": [], "capabilities": []} if row["day"] < date_of(30) else row for row in quiet
    ]  # fmt: skip
    found = pulse(engine, as_table(text_later), first=51, last=61)
    assert found["n_ranked"].to_pylist() == list(range(10))


def test_a_day_without_traffic_is_compared_with_nothing(engine, quiet):
    gap = [row for row in quiet if row["day"] != date_of(50)]
    found = pulse(engine, as_table(gap), first=50, last=65)
    known = {day.as_py(): value.is_valid for day, value in zip(found["day"], found["p_value"], strict=True)}
    assert not known[date_of(50)]
    assert not known[date_of(57)]
    assert known[date_of(58)]
    assert found["n_accounts"][0].as_py() == 0


def test_a_day_that_is_seen_in_part_is_not_judged(engine, quiet):
    found = pulse(engine, as_table(quiet), first=59, last=60.5)
    assert found["day"].to_pylist() == [date_of(59)]


def test_nothing_stored_gives_rows_without_p_values(engine):
    found = pulse(engine, as_table([]), first=0, last=2)
    assert found["p_value"].to_pylist() == [None, None]
    assert json.dumps(found["is_unusual"].to_pylist()) == "[false, false]"
