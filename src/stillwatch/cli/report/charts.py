"""Charts as inline SVG: no script, no network, readable in print. All text is escaped."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from itertools import accumulate

from markupsafe import Markup

from stillwatch.cli.text import visible

WIDTH = 720
ROW = 26
LABEL = 210
SMALLEST_STEP = 0.05
"""A baseline or remainder under this rounds to nothing and is not drawn."""


def waterfall(names: Sequence[str], contributions: Sequence[float], *, baseline: float, score: float) -> Markup:
    """From the baseline (size, volume, tests) through what each signal adds, and what the others leave, to the score.

    Scores may be negative: the drawn range holds 0 and every step.
    """
    steps = [("size, volume, tests", baseline), *zip(names, contributions, strict=True)]
    steps.append(("other signals", score - sum(step for _, step in steps)))
    steps = [(name, step) for name, step in steps if abs(step) >= SMALLEST_STEP or name in names]
    ends = [0.0, *accumulate(step for _, step in steps), score]
    low, scale = min(ends), (WIDTH - LABEL - 60) / max(max(ends) - min(ends), 1.0)
    rows = [
        _bar(index, name, (min(before, before + step) - low) * scale, abs(step) * scale, f"{step:+.1f}")
        for index, ((name, step), before) in enumerate(zip(steps, ends, strict=False))
    ]
    left = (min(score, 0.0) - low) * scale
    rows.append(_bar(len(rows), "score", left, abs(score) * scale, f"{score:.1f}", kind="sum"))
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
