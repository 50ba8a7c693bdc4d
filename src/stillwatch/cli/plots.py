"""Plots as SVG files that stand alone: no script, no font, no network."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from stillwatch.cli.text import visible

if TYPE_CHECKING:
    from stillwatch.evaluate.report import Bar

WIDTH, LABEL, ROW, TOP, BOTTOM = 760, 300, 24, 40, 30
STYLE = (
    "text{font:13px sans-serif;fill:#222}.axis{fill:#666}.bar{fill:#4c78a8}.miss{fill:#d1782f}"
    ".grid{stroke:#ddd}.range{stroke:#222}.goal{stroke:#b00020;stroke-width:2}"
)


def bar_plot(title: str, bars: "Sequence[Bar]") -> str:
    """Shares from 0 to 1 as horizontal bars with their intervals; a goal is a red tick, a bar that misses it orange.

    Whether a goal is a least or a greatest value is told by `Bar.is_met`. All text is escaped.
    """
    height = TOP + ROW * len(bars) + BOTTOM
    parts = [_axis(height), *(_bar(TOP + ROW * index, one) for index, one in enumerate(bars))]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(visible(title))}"><style>{STYLE}</style>'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
        f'<text x="12" y="22">{escape(visible(title))}</text>{"".join(parts)}</svg>\n'
    )


def _x(share: float) -> float:
    return LABEL + share * (WIDTH - LABEL - 70)


def _axis(height: int) -> str:
    ticks = []
    for tenths in (0, 2, 4, 6, 8, 10):
        x, foot = _x(tenths / 10), height - BOTTOM
        ticks.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{foot}"/>')
        ticks.append(f'<text class="axis" text-anchor="middle" x="{x:.1f}" y="{foot + 18}">{tenths / 10:g}</text>')
    return "".join(ticks)


def _bar(y: int, one: "Bar") -> str:
    middle = y + ROW / 2
    kind, length = "bar" if one.is_met else "miss", max(_x(one.value) - LABEL, 1.0)
    parts = [
        f'<text x="{LABEL - 8}" y="{middle + 5:.1f}" text-anchor="end">{escape(visible(one.name))}</text>',
        f'<rect class="{kind}" x="{LABEL}" y="{y + 4}" width="{length:.1f}" height="{ROW - 8}"/>',
        f'<line class="range" x1="{_x(one.low):.1f}" x2="{_x(one.high):.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>',
        f'<text x="{WIDTH - 62}" y="{middle + 5:.1f}">{one.value:.3f}</text>',
    ]
    if one.goal is not None:
        x = _x(one.goal)
        parts.append(f'<line class="goal" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 2}" y2="{y + ROW - 2}"/>')
    return "".join(parts)
