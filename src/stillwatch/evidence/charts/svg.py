"""Charts as SVG: no script, no style sheet, nothing from outside; equal charts give equal bytes.

The same drawings stand in HTML and in PDF, so they name the one font that both have.
"""

import re
from html import escape
from typing import Any, Final

import vl_convert

FONT: Final = "Libertinus Serif, Georgia, serif"
CONFIG: Final = {
    "aria": False,
    "background": None,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {"labelFontSize": 13, "titleFontSize": 13, "titleFontWeight": "normal", "gridColor": "#e5e9ee"},
    "legend": {"labelFontSize": 13, "titleFontSize": 13, "titleFontWeight": "normal"},
    "text": {"fontSize": 13},
    "title": {"fontSize": 14, "fontWeight": "normal", "anchor": "start", "subtitleFontSize": 13},
}
"""Without `aria` no label names what a mark stands for: tokens are not written out in a figure."""
_CLIP: Final = re.compile(r"\bclip\d+\b")


def svg(chart: Any, title: str) -> str:
    """The chart drawn, with a title for those who do not see it."""
    told: dict[str, Any] = chart.to_dict(validate=False)
    drawn = vl_convert.vegalite_to_svg({**told, "config": CONFIG})
    return _numbered(drawn).replace("<svg ", '<svg role="img" ', 1).replace(">", f"><title>{escape(title)}</title>", 1)


def _numbered(drawn: str) -> str:
    """The drawing with its clips numbered from its own beginning: the renderer counts over all that it ever drew."""
    names = {name: f"clip{place}" for place, name in enumerate(dict.fromkeys(_CLIP.findall(drawn)))}
    return _CLIP.sub(lambda found: names[found[0]], drawn)
