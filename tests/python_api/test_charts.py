"""What the charts draw is what the tables hold, and nothing is left out silently."""

import itertools
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.errors import UsageError
from stillwatch.evaluate.report import Bar as ReportBar
from stillwatch.evaluate.report import Body, Report
from stillwatch.evidence.charts.network import TOKENS_DRAWN, laid_out, network
from stillwatch.evidence.charts.waterfall import steps, waterfall
from stillwatch.model.tables import CAMPAIGN_MEMBERS
from stillwatch.python_api.charts.lookalikes import lookalike_map, projected, strengths
from stillwatch.python_api.charts.power import Bar as _Bar
from stillwatch.python_api.charts.power import parted, power
from stillwatch.python_api.charts.timeline import timeline
from stillwatch.scoring import shipped
from tests.small_world import END, found_world, opened, small_world

__all__ = ["found_world", "small_world"]

CAMPAIGN = {
    "campaign_id": "c-1", "tier": "accuse", "n_accounts": 9, "nearest_lookalike": "gateway", "margin": 1.0,
    "signals": ["volume_dispersion", "youth"], "signal_contributions": [3.0, 0.5], "signal_p_values": [1e-9, 0.1],
    "baseline": -1.5, "score": 1.7,
}  # fmt: skip


def values(chart: dict[str, Any], part: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of one part of a whole chart's specification."""
    rows: list[dict[str, Any]] = chart["datasets"][part["data"]["name"]]
    return rows


def members(pairs: list[tuple[str, str, int]]) -> pa.Table:
    rows = [
        {"run_id": "r", "campaign_id": "c-1", "account_id": account, "token_kind": kind, "token": token, "n": 1,
         "first_seen_at": END, "last_seen_at": END}
        for account, kind, token in pairs
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=CAMPAIGN_MEMBERS.schema)


def test_the_steps_of_the_waterfall_lead_from_zero_to_the_score() -> None:
    rows = steps(CAMPAIGN)
    assert [row["step"] for row in rows] == [
        "size, volume, tests", "volume dispersion", "youth", "other signals", "score",
    ]  # fmt: skip
    assert sum(float(str(row["by"])) for row in rows[:-1]) == pytest.approx(CAMPAIGN["score"])
    ends = [(float(str(row["low"])), float(str(row["high"]))) for row in rows]
    assert all(set(one) & set(other) for one, other in itertools.pairwise(ends[:-1]))
    assert rows[3]["kind"] == "takes"
    assert rows[-1]["kind"] == "sum"


def test_hostile_names_are_inert_in_a_specification() -> None:
    chart = waterfall({**CAMPAIGN, "signals": ["x\u202e\u0007", "youth"]})
    told = str(chart.to_dict())
    assert "\u202e" not in told
    assert "\u0007" not in told


pairs = st.sets(
    st.tuples(st.integers(0, 12), st.sampled_from(["system", "tools", "address"]), st.integers(-3, 90)), min_size=1
)


@given(pairs)
def test_every_account_is_in_exactly_one_disc_with_its_own_drawn_tokens(found: set[tuple[int, str, int]]) -> None:
    rows = [(f"a{account}", kind, token) for account, kind, token in sorted(found)]
    net = laid_out(members(rows))
    drawn = {(row["token_kind"], row["token"]) for row in net.tokens}
    tokens_of: dict[str, set[tuple[str, str]]] = {}
    for account, kind, token in rows:
        own = tokens_of.setdefault(account, set())
        if (kind, f"{token & (2**64 - 1):016x}") in drawn:
            own.add((kind, f"{token & (2**64 - 1):016x}"))
    alike = [sum(other == own for other in tokens_of.values()) for own in tokens_of.values()]
    assert sorted(int(str(row["n_accounts"])) for row in net.accounts for _ in range(int(str(row["n_accounts"])))) == (
        sorted(alike)
    )
    assert len(net.tokens) == min(TOKENS_DRAWN, net.n_tokens)
    assert len(net.links) == len({(frozenset(own), one) for own in tokens_of.values() for one in own})


def test_no_two_discs_lie_in_one_place() -> None:
    sets = [subset for size in (1, 2, 3) for subset in itertools.combinations(range(8), size)]
    rows = [(f"a{number}", "system", token) for number, subset in enumerate(sets) for token in subset]
    places = {(row["x"], row["y"]) for row in laid_out(members(rows)).accounts}
    assert len(places) == len(sets)


def test_the_title_of_the_network_counts_every_account_and_the_tokens_left_out() -> None:
    rows = [(f"a{number}", "address", number // 2) for number in range(200)]
    said = network(members(rows)).to_dict()["title"]["subtitle"]
    assert said == f"200 of 200 accounts in {TOKENS_DRAWN + 1} discs (one disc: the same tokens); 60 of 100 tokens"


def test_a_chart_of_the_same_rows_in_another_order_is_the_same() -> None:
    rows = [(f"a{number}", "address", number % 7) for number in range(50)]
    assert network(members(rows)).to_dict() == network(members(rows[::-1])).to_dict()


def test_the_timeline_draws_every_exchange_once_and_each_account_starts_and_ends_once() -> None:
    first = date(2026, 5, 1)
    days = pa.table(
        {
            "day": [first, first, first + timedelta(days=2)],
            "account_id": ["a", "b", "a"],
            "n": [10, 5, 7],
            "n_evidence": [4, 0, 7],
        }
    )
    chart = timeline(days).to_dict()
    volume, turnover = (values(chart, part) for part in chart["vconcat"])
    assert sum(row["n"] for row in volume) == 22
    assert sum(row["n"] for row in volume if row["part"] == "inside evidence") == 11
    drawn = {(row["day"], row["event"]): row["height"] for row in turnover}
    assert drawn == {
        ("2026-05-01", "first seen"): 2, ("2026-05-01", "last seen"): -1, ("2026-05-03", "last seen"): -1,
    }  # fmt: skip


def test_the_days_of_a_campaign_are_those_of_its_members_and_evidence_is_never_more_than_all(
    found_world: Path, small_world: Path
) -> None:
    with opened(found_world, small_world) as watch:
        campaign_id = watch.campaigns().table["campaign_id"][0].as_py()
        mine = set(watch.members(campaign_id).table["account_id"].to_pylist())
        days = watch.days(campaign_id).table
        seen = watch.accounts().table
    assert set(days["account_id"].to_pylist()) == mine
    own = seen.filter(pc.is_in(seen["account_id"], value_set=pa.array(sorted(mine))))
    assert pc.sum(days["n"]) == pc.sum(own["n_exchanges"])
    assert pc.all(pc.less_equal(days["n_evidence"], days["n"])).as_py()
    assert pc.sum(days["n_evidence"]).as_py() > 0


def test_strengths_stand_in_the_order_of_the_calibration_and_are_bounded() -> None:
    assert strengths(CAMPAIGN, ["youth", "pivot", "volume_dispersion"]) == pytest.approx([1.0, 0.0, 6.0])


def test_a_campaign_that_is_an_honest_group_lies_where_that_group_lies() -> None:
    honest = np.random.default_rng(3).normal(size=(50, 6))
    places, own = projected(honest, honest[7:8])
    assert own[0] == pytest.approx(places[7])
    spread = places.var(axis=0)
    assert spread[0] >= spread[1]
    assert spread.sum() <= honest.var(axis=0).sum() + 1e-9


def test_the_map_draws_every_campaign_and_every_honest_group_of_the_tail() -> None:
    calibration = shipped()
    chart = lookalike_map([CAMPAIGN], calibration).to_dict()
    crowd, found = (values(chart, layer) for layer in chart["vconcat"][0]["layer"])
    assert (len(crowd), len(found)) == (len(calibration.tail), 1)
    classes, marks = (values(chart, layer) for layer in chart["vconcat"][1]["layer"])
    assert len(classes) == len(calibration.lookalikes)
    assert marks[0]["class"] == "gateway"


def bar(name: str, value: float = 0.9) -> ReportBar:
    return ReportBar(name=name, value=value, low=value - 0.05, high=value + 0.05, goal=0.95)


def written(bars: tuple[ReportBar, ...], file: Path) -> Path:
    report = Report(
        suite="frontier", question="Which evasions work?", alpha=1e-4, calibration_id="c", commit="", n_accounts=1,
        seeds=(1,), body=Body(tables=(), bars=bars), parts=(),
    )  # fmt: skip
    file.write_bytes(msgspec.json.encode(report))
    return file


def test_a_knob_that_was_turned_is_a_curve_and_the_rest_are_bars(tmp_path: Path) -> None:
    names = ["base50", "base500", "base5000", "dilution 0.5", "dilution 0.9", "churn 5x", "personas"]
    chart = power(written(tuple(bar(name) for name in names), tmp_path / "frontier.json")).to_dict()
    curves, below = chart["vconcat"]
    assert [part["layer"][1]["encoding"]["x"]["title"] for part in curves["concat"]] == ["base", "dilution"]
    assert sorted(row["name"] for row in values(chart, below)) == ["churn 5x", "personas"]


def test_points_of_a_curve_stand_in_order_of_their_value() -> None:
    curves, single = parted(
        tuple(msgspec.convert(bar(name), type=_Bar, from_attributes=True) for name in ("x 10", "x 9"))
    )
    assert [at for at, _ in curves["x"]] == [9.0, 10.0]
    assert not single


@pytest.mark.parametrize("content", [b"{}", b"no json", None])
def test_what_is_no_report_is_refused_with_a_way_to_make_one(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "report.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match="--json"):
        power(file)


def test_a_report_without_shares_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no shares"):
        power(written((), tmp_path / "empty.json"))
