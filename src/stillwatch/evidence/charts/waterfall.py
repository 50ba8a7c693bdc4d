"""From what size and volume give, through what each signal adds or takes, to the score."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

import altair as alt

from stillwatch.evidence.charts.style import BLUE, GREY, ORANGE, ROW, WIDTH, inline

SMALLEST_STEP: Final = 0.005
"""A remainder under this is rounding."""


def waterfall(campaign: Mapping[str, Any]) -> alt.LayerChart:
    """One row of CAMPAIGNS, its steps in the unit of the score; p values are those among honest groups."""
    rows = inline(steps(campaign))
    bars = (
        alt.Chart(rows, width=WIDTH, height=alt.Step(ROW))
        .mark_bar(height={"band": 0.7})
        .encode(
            y=alt.Y("step:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)),
            x=alt.X("low:Q", title="score"),
            x2="high:Q",
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=["adds", "takes", "sum"], range=[ORANGE, BLUE, GREY])
            ),
            tooltip=[alt.Tooltip("step:N"), alt.Tooltip("by:Q", format="+.2f"), alt.Tooltip("p_value:Q", format=".2g")],
        )
    )
    labels = (
        alt.Chart(rows)
        .mark_text(align="left", dx=4)
        .encode(y=alt.Y("step:N", sort=None), x="high:Q", text=alt.Text("by:Q", format="+.1f"))
    )
    return alt.layer(bars, labels).properties(title="What each signal adds to the score")


def steps(campaign: Mapping[str, Any]) -> list[dict[str, object]]:
    """Rows `step, by, low, high, kind, p_value` from zero to the score; what is not named is one step of its own."""
    names: Sequence[str] = campaign["signals"]
    told: list[tuple[str, float, float | None]] = [("size, volume, tests", campaign["baseline"], None)]
    told += list(zip(names, campaign["signal_contributions"], campaign["signal_p_values"], strict=True))
    rest = campaign["score"] - sum(by for _, by, _ in told)
    told += [("other signals", rest, None)] if abs(rest) >= SMALLEST_STEP else []
    befores = accumulate((by for _, by, _ in told), initial=0.0)
    rows = [_row(name, before, before + by, by, p_value) for (name, by, p_value), before in zip(told, befores)]  # noqa: B905 - one more
    return [*rows, {**_row("score", 0.0, campaign["score"], campaign["score"], None), "kind": "sum"}]


def _row(name: str, before: float, after: float, by: float, p_value: float | None) -> dict[str, object]:
    return {
        "step": name.replace("_", " "),
        "by": by,
        "low": min(before, after),
        "high": max(before, after),
        "kind": "adds" if by >= 0 else "takes",
        "p_value": p_value,
    }
