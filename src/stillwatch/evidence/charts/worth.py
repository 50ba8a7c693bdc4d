"""What it is worth: heads of damage side by side, on a scale on which floor and avoided cost can both be read."""

from collections.abc import Sequence
from math import ceil, floor, log10

import altair as alt

from stillwatch.evidence.charts.style import BLUE, INK, ORANGE, ROW, WIDTH, inline
from stillwatch.evidence.charts.taken import Span


def amounts(spans: Sequence[Span]) -> alt.LayerChart:
    """Amounts in dollars with their ranges on a logarithmic axis; what is below its left end is drawn there."""
    least = min((s.low for s in spans if s.low > 0), default=1.0)
    ends = (floor(log10(max(least, 1.0))), ceil(log10(max(*(s.high for s in spans), 10 * max(least, 1.0)))))
    left = 10.0 ** ends[0]
    rows = inline(
        {"name": s.name, "said": s.said, **{name: max(getattr(s, name), left) for name in ("low", "value", "high")}}
        for s in spans
    )
    scale = alt.Scale(type="log", domain=[left, 10.0 ** ends[1]])
    marks = [10.0**power for power in range(ends[0], ends[1] + 1)]
    axis = alt.Axis(values=marks, labelExpr="replace(format(datum.value, '$~s'), 'G', ' bn')")
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=260))
    base = alt.Chart(rows, width=WIDTH, height=alt.Step(1.4 * ROW)).encode(y=y)
    x = alt.X("low:Q", title="US dollars, logarithmic", scale=scale, axis=axis)
    return alt.layer(
        base.mark_rule(color=BLUE, strokeWidth=7, opacity=0.45).encode(x=x, x2="high:Q"),
        base.mark_circle(color=ORANGE, size=80, opacity=1).encode(x="value:Q"),
        base.mark_text(align="center", dy=-11, color=INK).encode(x="value:Q", text="said:N"),
    )
