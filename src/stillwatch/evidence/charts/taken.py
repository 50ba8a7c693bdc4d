"""What was taken: quantities with their intervals, and the share of the capability grid covered day by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import altair as alt

from stillwatch.evidence.charts.style import BLUE, INK, ORANGE, PALE, ROW, WIDTH, inline

ROUND: Final = "datum.value ? format(datum.value, '~s') : '0'"
"""Labels of an axis of counts."""


@dataclass(frozen=True, slots=True)
class Span:
    """A named value with the ends of its interval, and the value in words."""

    name: str
    low: float
    value: float
    high: float
    said: str


def intervals(spans: Sequence[Span], title: str) -> alt.LayerChart:
    """Values as bars from zero, their intervals as lines; `title` is that of the axis."""
    rows = inline({"name": s.name, "low": s.low, "value": s.value, "high": s.high, "said": s.said} for s in spans)
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=260))
    base = alt.Chart(rows, width=WIDTH, height=alt.Step(ROW)).encode(y=y)
    return alt.layer(
        base.mark_bar(color=PALE, height={"band": 0.7}).encode(
            x=alt.X("value:Q", title=title, axis=alt.Axis(labelExpr=ROUND), scale=alt.Scale(domainMin=0))
        ),
        base.mark_rule(color=INK, strokeWidth=1.5).encode(x="low:Q", x2="high:Q"),
        base.mark_circle(color=ORANGE, size=70, opacity=1).encode(x="value:Q"),
        base.mark_text(align="left", dx=7).encode(x="high:Q", text="said:N"),
    )


def coverage(shares: Sequence[float], start: datetime) -> alt.LayerChart:
    """Share of the grid covered at the end of each day from `start` on."""
    days = [{"day": (start + timedelta(days=number)).date(), "share": share} for number, share in enumerate(shares)]
    last = {**days[-1], "said": f"{shares[-1]:.0%}"}
    x = alt.X("utcyearmonthdate(day):T", title=None, axis=alt.Axis(format="%-d %b", labelOverlap=True))
    y = alt.Y("share:Q", title="share of the grid", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    end = alt.Chart(inline([last]))
    return alt.layer(
        alt.Chart(inline(days), width=WIDTH, height=120).mark_line(color=BLUE, strokeWidth=2).encode(x=x, y=y),
        end.mark_circle(color=BLUE, size=60, opacity=1).encode(x=x, y=y),
        end.mark_text(color=BLUE, dy=-10, align="right").encode(x=x, y=y, text="said:N"),
    )
