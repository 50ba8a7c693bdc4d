"""Results go out to any library, and are inert where they are shown."""

from datetime import UTC, datetime

import duckdb
import polars as pl
import pyarrow as pa

from stillwatch.python_api import Explanation, Rows
from stillwatch.python_api.rows import CELL_SHOWN, ROWS_SHOWN

HOSTILE = "<img src=x onerror=alert(1)>\u202e&"


def test_markup_and_direction_marks_are_shown_as_text() -> None:
    html = Rows(pa.table({"account_id": [HOSTILE], HOSTILE: ["=1+1"]}))._repr_html_()
    assert "<img" not in html
    assert "\u202e" not in html
    assert html.count("&lt;img src=x onerror=alert(1)&gt;\\u202e&amp;") == 2


def test_an_explanation_is_inert_too() -> None:
    slices = [{"token_kind": "system", "token": 5, "n": 3, "first_seen_at": None, "last_seen_at": None}]
    shown = Explanation(HOSTILE, {"tier": HOSTILE, "campaign_id": "c-1"}, {"note": HOSTILE}, slices)
    assert "<img" not in shown._repr_html_()
    assert "<img" not in Explanation(HOSTILE, None, None)._repr_html_()


def test_a_long_result_says_how_much_of_it_is_shown() -> None:
    html = Rows(pa.table({"n": list(range(1_000))}))._repr_html_()
    assert f"{ROWS_SHOWN} of 1,000 rows" in html
    assert html.count("<tr>") == ROWS_SHOWN + 1


def test_a_long_value_is_cut_and_the_cut_is_marked() -> None:
    html = Rows(pa.table({"text": ["x" * 1_000]}))._repr_html_()
    assert "x" * CELL_SHOWN + "…" in html
    assert "x" * (CELL_SHOWN + 1) not in html


def test_values_are_written_as_a_person_reads_them() -> None:
    at = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
    rows = pa.table({"t": [at], "n": [12_345], "p": [0.123456], "b": [True], "l": [["a", "b"]], "none": pa.nulls(1)})
    html = Rows(rows)._repr_html_()
    assert [cell.partition("<")[0] for cell in html.split("<td>")[1:]] == [
        "2026-05-01 12:30", "12,345", "0.123", "yes", "a, b", "",
    ]  # fmt: skip


def test_other_libraries_take_rows_as_they_are() -> None:
    rows = Rows(pa.table({"n": [1, 2, 3]}))
    assert pl.DataFrame(rows)["n"].to_list() == [1, 2, 3]
    assert pa.table(rows).equals(rows.table)
    assert duckdb.sql("SELECT sum(n) FROM rows").fetchall() == [(6,)]


def test_a_result_names_its_columns_and_holds_its_rows_back() -> None:
    assert repr(Rows(pa.table({"account_id": ["secret"]}))) == "<1 rows: account_id>"
