"""When a campaign was active: exchanges a day, and accounts that start and fall silent (hand-overs)."""

from typing import Any

import altair as alt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.evidence.charts.style import BLUE, GREY, ORANGE, PALE, WIDTH, inline


def timeline(days: pa.Table) -> alt.VConcatChart:
    """`days` as `Stillwatch.days` gives them: one row an account and day.

    Above: all exchanges of the member accounts, and how many of them lie inside evidence at the least. Below: accounts
    seen for the first time (up) and for the last time (down). Many ends beside many starts on one day are a hand-over;
    starts on the first day and ends on the last are only the ends of the window.
    """
    return alt.vconcat(_volume(days), _turnover(days)).resolve_scale(color="independent")


def _volume(days: pa.Table) -> alt.Chart:
    sums = days.group_by("day", use_threads=False).aggregate([("n", "sum"), ("n_evidence", "sum")]).to_pylist()
    rows: list[dict[str, object]] = []
    for row in sums:
        rows.append({"day": row["day"], "part": "inside evidence", "place": 0, "n": row["n_evidence_sum"]})
        rows.append({"day": row["day"], "part": "other traffic", "place": 1, "n": row["n_sum"] - row["n_evidence_sum"]})
    return (
        alt.Chart(inline(rows), title="Exchanges of its accounts a day", width=WIDTH, height=150)
        .mark_bar()
        .encode(
            x=_day(),
            y=alt.Y("n:Q", title="exchanges"),
            color=alt.Color(
                "part:N", title=None, scale=alt.Scale(domain=["inside evidence", "other traffic"], range=[ORANGE, PALE])
            ),
            order=alt.Order("place:Q"),
            tooltip=[_day_said(), alt.Tooltip("part:N"), alt.Tooltip("n:Q", format=",")],
        )
    )


def _turnover(days: pa.Table) -> alt.Chart:
    spans = days.group_by("account_id", use_threads=False).aggregate([("day", "min"), ("day", "max")])
    rows = [*_counted(spans["day_min"], "first seen", 1), *_counted(spans["day_max"], "last seen", -1)]
    return (
        alt.Chart(inline(rows), title="Accounts seen for the first and for the last time", width=WIDTH, height=110)
        .mark_bar()
        .encode(
            x=_day(),
            y=alt.Y("height:Q", title="accounts"),
            color=alt.Color(
                "event:N", title=None, scale=alt.Scale(domain=["first seen", "last seen"], range=[BLUE, GREY])
            ),
            tooltip=[_day_said(), alt.Tooltip("event:N"), alt.Tooltip("n:Q", format=",")],
        )
    )


def _counted(days: pa.ChunkedArray, event: str, sign: int) -> list[dict[str, object]]:
    counted: list[dict[str, Any]] = pc.value_counts(days.combine_chunks()).to_pylist()
    return [
        {"day": one["values"], "event": event, "n": one["counts"], "height": sign * one["counts"]} for one in counted
    ]


def _day() -> alt.X:
    return alt.X("utcyearmonthdate(day):T", title=None)


def _day_said() -> alt.Tooltip:
    return alt.Tooltip("utcyearmonthdate(day):T", title="day (UTC)")
