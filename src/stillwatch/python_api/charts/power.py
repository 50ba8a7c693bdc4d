"""What `evaluate` measured: recall against each knob of the adversary, with intervals and goals."""

import re
from pathlib import Path
from typing import Final

import altair as alt
import msgspec

from stillwatch.errors import UsageError
from stillwatch.evidence.charts.style import BLUE, GREY, ORANGE, WIDTH, inline

KNOB: Final = re.compile(r"^(?P<knob>.*?[^\d.\s])\s*(?P<at>\d+(?:\.\d+)?)x?$")
"""A case that ends in a number is a point on the curve of its knob: `dilution 0.9`, `base500`."""


class Bar(msgspec.Struct, frozen=True):
    """One share of a report with its interval, and its goal where it has one."""

    name: str
    value: float
    low: float
    high: float
    goal: float | None = None
    is_ceiling: bool = False


class _Body(msgspec.Struct, frozen=True):
    bars: tuple[Bar, ...]


class _Report(msgspec.Struct, frozen=True):
    question: str
    body: _Body


def power(report: Path) -> alt.VConcatChart:
    """The curves of a report that `evaluate --json` or `evaluate SUITE DIR` wrote; what is no curve stands below.

    Raises:
        UsageError: the file is no such report, or its suite measures no shares.
    """
    try:
        told = msgspec.json.decode(report.read_bytes(), type=_Report)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(
            f"{report} is no report of `stillwatch evaluate`: write one with `--json {report.name}`"
        ) from error
    if not told.body.bars:
        raise UsageError(f"{report}: this suite measures no shares that could be drawn; use `quick` or `frontier`")
    curves, single = parted(told.body.bars)
    parts = [_curve(knob, points) for knob, points in curves.items()]
    below = [_bars(single)] if single else []
    return alt.vconcat(*([alt.concat(*parts, columns=3)] if parts else []), *below).properties(title=told.question)


def parted(bars: tuple[Bar, ...]) -> tuple[dict[str, list[tuple[float, Bar]]], list[Bar]]:
    """Bars of knobs that were turned to two values or more, by value; and all others."""
    found: dict[str, list[tuple[float, Bar]]] = {}
    for bar in bars:
        if (match := KNOB.match(bar.name)) is not None:
            found.setdefault(match["knob"], []).append((float(match["at"]), bar))
    curves = {knob: sorted(points, key=lambda point: point[0]) for knob, points in found.items() if len(points) > 1}
    drawn = {bar.name for points in curves.values() for _, bar in points}
    return curves, [bar for bar in bars if bar.name not in drawn]


def _row(bar: Bar) -> dict[str, object]:
    is_met = bar.goal is None or (bar.value <= bar.goal if bar.is_ceiling else bar.value >= bar.goal)
    said = "no goal" if bar.goal is None else "met" if is_met else "missed"
    return {"name": bar.name, "value": bar.value, "low": bar.low, "high": bar.high, "goal": bar.goal, "goal is": said}


def _curve(knob: str, points: list[tuple[float, Bar]]) -> alt.LayerChart:
    rows = inline({**_row(bar), "at": at} for at, bar in points)
    is_wide = points[-1][0] >= 100 * max(points[0][0], 1e-9)
    x = alt.X("at:Q", title=knob, scale=alt.Scale(type="log" if is_wide else "linear", zero=False))
    y = alt.Y("value:Q", title="share", scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(rows, width=WIDTH / 3 - 40, height=150)
    return alt.layer(
        base.mark_errorbar().encode(x=x, y=alt.Y("low:Q", title="share"), y2="high:Q"),
        base.mark_line(color=BLUE).encode(x=x, y=y),
        base.mark_point(filled=True, size=50).encode(x=x, y=y, color=_goal(), tooltip=_tooltip()),
        base.mark_tick(color=GREY, thickness=2).encode(x=x, y="goal:Q"),
    )


def _bars(bars: list[Bar]) -> alt.LayerChart:
    rows = inline(_row(bar) for bar in bars)
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=300))
    base = alt.Chart(rows, width=WIDTH, height=alt.Step(18))
    return alt.layer(
        base.mark_rule().encode(y=y, x=alt.X("low:Q", title="share", scale=alt.Scale(domain=[0, 1])), x2="high:Q"),
        base.mark_point(filled=True, size=50).encode(y=y, x="value:Q", color=_goal(), tooltip=_tooltip()),
        base.mark_tick(color=GREY, thickness=2).encode(y=y, x="goal:Q"),
    )


def _goal() -> alt.Color:
    return alt.Color(
        "goal is:N", scale=alt.Scale(domain=["met", "missed", "no goal"], range=[BLUE, ORANGE, GREY]), title="goal"
    )


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("name:N"),
        *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("value", "low", "high", "goal")),
    ]
