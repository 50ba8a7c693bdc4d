"""The signals that are effect sizes with an interval: hours, coverage, target share, youth."""

import math

import numpy as np
import pytest

from stillwatch.model.capability import Capability
from stillwatch.signals import coverage_entropy, hour_concentration, target_share, youth
from tests.signals.worlds import Bench, Group, dealt


def spread(axis: str, table: list[list[int]], **rest) -> Group:
    return Group("g", {axis: np.array(table)}, **rest)


def test_hours_of_one_office_are_concentrated_and_a_night_and_day_fleet_is_not(bench: Bench) -> None:
    rng = np.random.default_rng(1)
    office = np.stack([np.bincount(rng.integers(9, 17, 40), minlength=24) for _ in range(30)])
    fleet = np.stack([np.bincount(rng.integers(0, 24, 40), minlength=24) for _ in range(30)])
    rows = bench.answers(
        hour_concentration.SIGNAL, [Group("office", {"hour": office}), Group("fleet", {"hour": fleet})]
    )
    share = office.sum(axis=0) / office.sum()
    assert rows["office"]["value"] == pytest.approx(
        abs((share * np.exp(2j * np.pi * np.arange(24) / 24)).sum()), abs=1e-6
    )
    assert rows["fleet"]["conservative_value"] > -0.15 > -0.6 > rows["office"]["conservative_value"]


def test_members_with_hours_of_their_own_widen_the_interval(bench: Bench) -> None:
    own = np.zeros((8, 24), np.int64)
    own[np.arange(8), np.arange(8) * 3] = 50
    rows = bench.answers(
        hour_concentration.SIGNAL, [Group("own", {"hour": own}), Group("mixed", {"hour": np.full((8, 24), 2)})]
    )
    assert rows["own"]["value"] == pytest.approx(0, abs=1e-6)
    assert rows["own"]["conservative_value"] == pytest.approx(-1 / math.sqrt(8), abs=0.02)
    assert rows["mixed"]["conservative_value"] > -0.1


def test_entropy_has_the_miller_madow_correction_and_never_exceeds_the_topics(bench: Bench) -> None:
    group = dealt("g", np.random.default_rng(2), m=40, mean=20)
    row = bench.answers(coverage_entropy.SIGNAL, [group])["g"]
    counts = group.counts["cell"].sum(axis=0)
    counts = counts[counts > 0]
    p = counts / counts.sum()
    plain = -(p * np.log(p)).sum()
    assert row["value"] == pytest.approx(plain + (len(p) - 1) / (2 * counts.sum()), abs=1e-5)
    assert row["conservative_value"] < plain <= math.log(256)


def test_a_curriculum_covers_more_than_one_topic_per_member(bench: Bench) -> None:
    rng = np.random.default_rng(3)
    narrow = np.zeros((30, 256), np.int64)
    narrow[np.arange(30), rng.integers(0, 6, 30)] = 20
    rows = bench.answers(
        coverage_entropy.SIGNAL, [dealt("curriculum", rng, m=30, mean=20), Group("narrow", {"cell": narrow})]
    )
    assert rows["curriculum"]["conservative_value"] > rows["narrow"]["conservative_value"] + 1


def test_target_share_counts_the_published_aims(bench: Bench) -> None:
    table = np.zeros((6, 8), np.int64)
    table[:, Capability.SOFTWARE_ENGINEERING.code] = 3
    table[:, Capability.OTHER.code] = 1
    row = bench.answers(target_share.SIGNAL, [spread("capability", table.tolist())])["g"]
    assert row["value"] == 0.75
    assert row["conservative_value"] < 0.75


def test_a_few_prompts_on_target_are_not_certainty(bench: Bench) -> None:
    few, many = np.zeros((5, 8), np.int64), np.zeros((500, 8), np.int64)
    few[:, 0], many[:, 0] = 1, 1
    rows = bench.answers(target_share.SIGNAL, [Group("few", {"capability": few}), Group("many", {"capability": many})])
    assert rows["few"]["value"] == rows["many"]["value"] == 1
    assert rows["few"]["conservative_value"] < 0.6 < 0.95 < rows["many"]["conservative_value"] < 1


def test_youth_counts_known_ages_only(bench: Bench) -> None:
    ages = [3.0, 59.9, 60.0, None, 1000.0]
    row = bench.answers(youth.SIGNAL, [spread("hour", [[1]] * 5, ages=ages)])["g"]
    assert (row["value"], row["n"]) == (0.5, 4)
    assert row["conservative_value"] == pytest.approx(0.5 - 1 / 2)


def test_unknown_ages_give_no_row(bench: Bench) -> None:
    assert bench.answers(youth.SIGNAL, [spread("hour", [[1]] * 5, ages=[None] * 5)]) == {}
