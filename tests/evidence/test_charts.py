"""Figures as SVG: equal each time, inert, and silent about what may not be written out."""

import re
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from stillwatch.model.tables import CAMPAIGN_MEMBERS

charts = pytest.importorskip("stillwatch.evidence.charts", reason="no Altair or vl-convert")

DAYS = [(date(2026, 4, 22 + number), 100 + number) for number in range(7)]
ALARM = datetime(2026, 4, 27, 5, tzinfo=UTC)


def words(drawn: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", drawn)


def timeline(name: str) -> str:
    return charts.svg(charts.timeline(DAYS, ALARM, [(name, date(2026, 4, 24))]), "Exchanges")


def test_a_name_of_a_model_stays_text() -> None:
    drawn = timeline("</text><script>alert(1)</script>\u202e")
    assert "<script" not in drawn
    assert "\u202e" not in drawn
    assert any("&lt;script" in said for said in words(drawn))


def test_the_timeline_names_the_accusation_and_each_release() -> None:
    assert {"first accusation", "atlas-3 released"} <= set(words(timeline("atlas-3")))


def test_equal_rows_are_drawn_alike_however_much_was_drawn_before() -> None:
    first = timeline("atlas-3")
    timeline("another")
    assert timeline("atlas-3") == first


def test_nothing_is_fetched_or_run() -> None:
    drawn = timeline("atlas-3")
    assert not re.search(r"(href|src)=|<script|@import|url\((?!#)", drawn)


def test_a_network_writes_out_no_token_and_no_account() -> None:
    tokens = [0x1234_5678_9ABC_DEF0, 0x0FED_CBA9_8765_4321]
    rows = [
        {
            "run_id": "r", "campaign_id": "c", "account_id": f"account-{number}", "token_kind": "skeleton",
            "token": token, "n": 3, "first_seen_at": ALARM, "last_seen_at": ALARM,
        }
        for number in range(6)
        for token in tokens[: 1 + number % 2]
    ]  # fmt: skip
    drawn = charts.svg(charts.network(pa.Table.from_pylist(rows, schema=CAMPAIGN_MEMBERS.schema)), "Accounts")
    assert not [token for token in tokens if f"{token:016x}" in drawn or str(token) in drawn]
    assert "account-" not in drawn
    assert any("6 of 6 accounts" in said for said in words(drawn))


def test_amounts_of_all_sizes_stand_on_one_axis() -> None:
    spans = [
        charts.Span("Usage value", 0.0, 0.0, 145.0, "$0"),
        charts.Span("Avoided data cost", 1e8, 2e8, 3e9, "$200 m"),
    ]
    drawn = words(charts.svg(charts.amounts(spans), "Heads"))
    assert {"$0", "$200 m", "$1 bn"} <= set(drawn)
    assert not [said for said in drawn if "NaN" in said or "Infinity" in said]


def test_shares_and_intervals_say_their_values() -> None:
    covered = words(charts.svg(charts.coverage([0.1, 0.25, 0.5], datetime(2026, 4, 22, tzinfo=UTC)), "Grid"))
    assert "50%" in covered
    taken = words(
        charts.svg(charts.intervals([charts.Span("tool use", 90, 100, 130, "100")], "output tokens"), "Taken")
    )
    assert {"tool use", "100", "output tokens"} <= set(taken)
