"""When a campaign took what: exchanges a day, the first accusation, releases of models."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import altair as alt

from stillwatch.evidence.charts.style import BLUE, INK, ORANGE, WIDTH, inline

LINE_HEIGHT: Final = 15


def timeline(
    daily: Sequence[tuple[date, int]], alarm: datetime | None, releases: Sequence[tuple[str, date]]
) -> alt.LayerChart:
    """`daily` are flagged exchanges of every day of the window; `releases` are names of models with their days."""
    bars = (
        alt.Chart(inline({"day": day, "n": n} for day, n in daily), width=WIDTH, height=150)
        .mark_bar(color=ORANGE)
        .encode(x=_day(), y=alt.Y("n:Q", title="exchanges"))
    )
    marks = [(f"{name} released", day, BLUE) for name, day in releases]
    marks += [("first accusation", alarm.date(), INK)] if alarm is not None else []
    middle = daily[len(daily) // 2][0]
    return alt.layer(bars, *(layer for row, mark in enumerate(marks) for layer in _mark(*mark, row, middle)))


def _mark(said: str, day: date, color: str, row: int, middle: date) -> tuple[alt.Chart, alt.Chart]:
    """A dashed line at a day, and its name in a row of its own above the bars, on the side where there is room."""
    base = alt.Chart(inline([{"day": day, "said": said}]))
    is_late = day > middle
    line = base.mark_rule(color=color, strokeDash=[4, 3], strokeWidth=1.4).encode(x=_day())
    name = base.mark_text(
        color=color, align="right" if is_late else "left", dx=-4 if is_late else 4, baseline="bottom"
    ).encode(x=_day(), y=alt.value(-3 - LINE_HEIGHT * row), text="said:N")
    return line, name


def _day() -> alt.X:
    return alt.X("utcyearmonthdate(day):T", title=None, axis=alt.Axis(format="%-d %b", labelOverlap=True))
