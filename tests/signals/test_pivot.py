import math
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.model.tables import ACCOUNT_DAYS, GROUP_MEMBERS
from stillwatch.signals.pivot import SIGNAL
from tests.signals.wilson import lower_log_odds
from tests.signals.worlds import Bench, day_row

Uses = Mapping[tuple[str, int], Sequence[str]]
"""Models by account and day."""
Members = Mapping[str, Sequence[str]]


def answers(bench: Bench, uses: Uses, groups: Members) -> dict[str, dict[str, float]]:
    days = [day_row(account, day, sorted(models)) for (account, day), models in uses.items()]
    members = [
        {"group_id": group, "slice_id": number, "account_id": account}
        for group, accounts in groups.items()
        for number, account in enumerate(accounts)
    ]
    tables = bench.load(
        {
            "account_days": pa.Table.from_pylist(days, schema=ACCOUNT_DAYS.schema),
            "group_members": pa.Table.from_pylist(members, schema=GROUP_MEMBERS.schema),
        }
    )
    rows = bench.engine.to_arrow(SIGNAL.compute(tables)).to_pylist()
    assert len({row["group_id"] for row in rows}) == len(rows)
    return {row.pop("group_id"): row for row in rows}


def reference(uses: Uses, groups: Members) -> dict[str, dict[str, float]]:
    """The definition, group by group and release by release."""
    first_use: dict[str, dict[str, int]] = {}
    for (account, day), models in uses.items():
        for model in models:
            known = first_use.setdefault(model, {})
            known[account] = min(day, known.get(account, day))
    first_day, everyone = min(day for _, day in uses), {account for account, _ in uses}
    facts = {}
    for model, known in first_use.items():
        dates = sorted(known.values())
        if dates[0] < first_day + 7 or len(dates) < 5 or len(dates) < 0.01 * len(everyone):
            continue
        released = dates[4]
        active = {account for account, day in uses if released <= day <= released + 1}
        facts[model] = {account: known.get(account, math.inf) <= released + 1 for account in active}
    return {name: row for name, accounts in groups.items() if (row := _most_suspicious(facts, accounts)) is not None}


def _most_suspicious(facts: Mapping[str, Mapping[str, bool]], accounts: Sequence[str]) -> dict[str, float] | None:
    seen = {
        model: [turned[account] for account in accounts if account in turned]
        for model, turned in facts.items()
        if sum(account in turned for account in accounts) >= 5
    }
    rows = []
    for model, own in seen.items():
        others = [turned for account, turned in facts[model].items() if account not in accounts]
        usual = (sum(others) + 0.5) / (len(others) + 1)
        deviations = math.sqrt(4 + 2 * math.log(len(seen)))
        lower = lower_log_odds(sum(own), len(own), expected=usual, deviations=deviations)
        upper = -lower_log_odds(len(others) - sum(others), len(others), expected=0.5, deviations=2.0)
        rows.append({"value": np.mean(own), "conservative_value": lower - upper, "n": len(own)})
    return max(rows, key=lambda row: row["conservative_value"], default=None)


def provider(turned: Sequence[float], *, n: int, released: int = 10) -> Uses:
    """`n` accounts who work daily on days 0 to 20; each turns to the new model for good, or never (infinity)."""
    return {
        (f"a{number}", day): ["new", "old"] if day - released >= turned[number] else ["old"]
        for number in range(n)
        for day in range(21)
    }


def slow(n: int, seed: int = 1) -> list[float]:
    """Honest days of patience: a few percent turn within the first two days."""
    return np.random.default_rng(seed).exponential(30.0, n).tolist()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_agrees_with_the_definition(bench: Bench, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"a{number}" for number in range(60)]
    starts = {"old": 0, "m1": int(rng.integers(0, 12)), "m2": int(rng.integers(7, 14)), "m3": int(rng.integers(5, 16))}
    uses = {
        (name, day): [model for model, start in starts.items() if day >= start and rng.random() < 0.3]
        for name in names
        for day in range(16)
        if rng.random() < 0.5
    }
    groups = {f"g{number}": rng.choice(names, rng.integers(2, 30), replace=False).tolist() for number in range(6)}
    found, expected = answers(bench, uses, groups), reference(uses, groups)
    assert found.keys() == expected.keys()
    for group, row in expected.items():
        assert found[group]["conservative_value"] == pytest.approx(row["conservative_value"], rel=1e-9, abs=1e-9)
        assert found[group]["value"] == pytest.approx(row["value"])
        assert found[group]["n"] == row["n"]


def test_members_who_all_turn_on_the_day_are_suspicious_and_early_adopters_are_not(bench: Bench) -> None:
    patience = slow(400)
    patience[:40] = [0.0] * 40
    patience[40:60] = [0.0] * 5 + [math.inf] * 15
    groups = {"queue": [f"a{n}" for n in range(40)], "keen": [f"a{n}" for n in range(40, 60)],
              "usual": [f"a{n}" for n in range(60, 100)]}  # fmt: skip
    rows = answers(bench, provider(patience, n=400), groups)
    assert rows["queue"]["value"] == 1
    assert rows["queue"]["conservative_value"] > 3
    assert rows["queue"]["conservative_value"] > rows["keen"]["conservative_value"] + 3
    assert rows["usual"]["conservative_value"] < 0


def test_where_everybody_turns_at_once_a_group_that_does_is_not_suspicious(bench: Bench) -> None:
    rows = answers(bench, provider([0.0] * 300, n=300), {"g": [f"a{n}" for n in range(50)]})
    assert rows["g"]["value"] == 1
    assert rows["g"]["conservative_value"] < 0


def test_nobody_who_turned_is_never_suspicious_however_rare_it_was_to_turn(bench: Bench) -> None:
    patience = [math.inf] * 3000
    patience[-8:] = [0.0] * 8
    patience[2900:2960] = [5.0] * 60
    rows = answers(bench, provider(patience, n=3000), {"g": [f"a{n}" for n in range(5)]})
    assert rows["g"]["value"] == 0
    assert rows["g"]["conservative_value"] < 0


def test_a_handful_who_turned_is_less_suspicious_than_a_crowd(bench: Bench) -> None:
    patience = slow(400)
    patience[:60] = [0.0] * 60
    rows = answers(
        bench, provider(patience, n=400), {"few": [f"a{n}" for n in range(5)], "many": [f"a{n}" for n in range(60)]}
    )
    assert rows["few"]["value"] == rows["many"]["value"] == 1
    assert rows["few"]["conservative_value"] < rows["many"]["conservative_value"] - 1


def test_four_active_members_are_no_evidence(bench: Bench) -> None:
    patience = [0.0] * 4 + slow(300)
    assert answers(bench, provider(patience, n=300), {"g": [f"a{n}" for n in range(4)]}) == {}


def test_a_model_of_the_first_week_is_not_new(bench: Bench) -> None:
    patience = [0.0] * 50 + slow(250)
    assert answers(bench, provider(patience, n=300, released=6), {"g": [f"a{n}" for n in range(50)]}) == {}


def test_a_private_model_of_one_team_is_no_release(bench: Bench) -> None:
    patience = [0.0] * 6 + [math.inf] * 694
    assert answers(bench, provider(patience, n=700), {"g": [f"a{n}" for n in range(10)]}) == {}


def test_an_early_tester_does_not_date_the_release(bench: Bench) -> None:
    patience = slow(300)
    patience[:40] = [0.0] * 40
    plain = provider(patience, n=300, released=12)
    tested = {**plain, ("a299", 8): ["new", "old"]}
    groups = {"g": [f"a{n}" for n in range(40)]}
    assert answers(bench, tested, groups)["g"]["value"] == answers(bench, plain, groups)["g"]["value"] == 1


def test_a_second_release_is_paid_for(bench: Bench) -> None:
    patience = slow(300)
    patience[:20] = [0.0] * 20
    once = provider(patience, n=300)
    twice = {
        (account, day): [*models, "other"] if day >= 15 and int(account[1:]) >= 280 else models
        for (account, day), models in once.items()
    }
    groups = {"g": [f"a{n}" for n in range(20)]}
    single, double = (answers(bench, uses, groups)["g"] for uses in (once, twice))
    assert single["value"] == double["value"] == 1
    assert single["conservative_value"] - 1 < double["conservative_value"] < single["conservative_value"]
