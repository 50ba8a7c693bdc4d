"""Figures as SVG: no script, no style sheet, nothing from outside; all text is inert and escaped.

The same drawings stand in HTML and in PDF, so they name the one font that both have and carry their own colours.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

WIDTH: Final = 720
INK, SOFT, LINE, ACCENT, STRONG, PALE = "#1b1f24", "#57606a", "#d0d7de", "#0b5cad", "#8a2b06", "#b9d3ec"
FONT: Final = "Libertinus Serif, Georgia, serif"


def drawing(height: float, parts: Sequence[str], title: str) -> str:
    """The parts as one figure with a title for those who do not see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img" font-family="{FONT}" font-size="13">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def text(x: float, y: float, said: str, *, anchor: str = "start", color: str = INK, size: int = 13) -> str:
    """Words at a place."""
    style = f'text-anchor="{anchor}" fill="{color}" font-size="{size}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(said)}</text>'


def box(x: float, y: float, width: float, height: float, color: str) -> str:
    """A filled rectangle, at least one unit wide."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1.0):.1f}" height="{height:.1f}" fill="{color}"/>'


def line(x1: float, y1: float, x2: float, y2: float, *, color: str = LINE, width: float = 1.0, dash: str = "") -> str:
    """A straight line."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    style = f'stroke="{color}" stroke-width="{width}"{dashed}'
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def dot(x: float, y: float, radius: float, color: str) -> str:
    """A filled circle."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{color}"/>'


def path(points: Sequence[tuple[float, float]], color: str) -> str:
    """A line through points."""
    said = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{said}" fill="none" stroke="{color}" stroke-width="2"/>'
