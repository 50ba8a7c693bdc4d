"""Charts as inline SVG: no script, no network, readable in print. All text is escaped."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from math import log10

from markupsafe import Markup

from stillwatch.cli.text import visible

WIDTH = 720
ROW = 26
LABEL = 210
SMALLEST_REST = 0.05
"""A remainder under this rounds to nothing and is not drawn."""

SMALLEST_P = 1e-12
"""A p-value under this is drawn as this; conformal p-values do not come near it."""


def waterfall(names: Sequence[str], p_values: Sequence[float], weights: Sequence[float], score: float) -> Markup:
    """What each signal adds to the score (its weight times -log10 p), what weak signals and tests leave, the score."""
    parts = [weight * -log10(max(p, SMALLEST_P)) for p, weight in zip(p_values, weights, strict=True)]
    scale = (WIDTH - LABEL - 60) / max(sum(parts), score, 1.0)
    rows, left = [], 0.0
    for index, (name, part) in enumerate(zip(names, parts, strict=True)):
        rows.append(_bar(index, name, left * scale, part * scale, f"+{part:.1f}"))
        left += part
    rest = score - left
    if abs(rest) >= SMALLEST_REST:
        start = min(left, score) * scale
        rows.append(_bar(len(rows), "weak signals, tests", start, abs(rest) * scale, f"{rest:+.1f}"))
    rows.append(_bar(len(rows), "score", 0.0, score * scale, f"{score:.1f}", kind="sum"))
    return _svg(ROW * len(rows) + 8, rows, "What each signal adds to the score")


def timeline(spans: Sequence[tuple[str, datetime, datetime]], start: datetime, end: datetime) -> Markup:
    """When each campaign was active inside the window."""
    length = (end - start).total_seconds() or 1.0
    scale = (WIDTH - LABEL - 20) / length
    rows = [
        _bar(index, name, (first - start).total_seconds() * scale, max(3.0, (last - first).total_seconds() * scale), "")
        for index, (name, first, last) in enumerate(spans)
    ]
    axis = (
        f'<text x="{LABEL}" y="{ROW * len(spans) + 18}" class="axis">{start:%Y-%m-%d}</text>'
        f'<text x="{WIDTH - 20}" y="{ROW * len(spans) + 18}" class="axis" text-anchor="end">{end:%Y-%m-%d}</text>'
    )
    return _svg(ROW * len(spans) + 26, [*rows, axis], "When each campaign was active")


def _bar(index: int, name: str, left: float, length: float, value: str, *, kind: str = "bar") -> str:
    y = index * ROW + 4
    label = escape(visible(name.replace("_", " ")))
    return (
        f'<text x="{LABEL - 8}" y="{y + 14}" text-anchor="end">{label}</text>'
        f'<rect x="{LABEL + left:.1f}" y="{y}" width="{max(length, 1.0):.1f}" height="{ROW - 8}" class="{kind}"/>'
        f'<text x="{LABEL + left + length + 6:.1f}" y="{y + 14}">{escape(value)}</text>'
    )


def _svg(height: int, rows: Sequence[str], title: str) -> Markup:
    body = "".join(rows)
    return Markup(  # noqa: S704 - every part was escaped above
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">{body}</svg>'
    )
