"""Charts as one HTML file that needs no network: Vega is inside, and the page forbids itself to load anything."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

from stillwatch.errors import EnvironmentFault
from stillwatch.model.inert import visible

FONT: Final = "system-ui, sans-serif"
CONFIG: Final = {"font": FONT, "view": {"stroke": "transparent"}, "title": {"anchor": "start", "subtitleColor": "#555"}}
DRAW: Final = """
for (const script of document.querySelectorAll("script[data-chart]")) {
  vegaEmbed(document.getElementById(script.dataset.chart), JSON.parse(script.textContent),
    {mode: "vega-lite", actions: false, ast: true, renderer: "svg"});
}
"""
"""`ast`: expressions are walked by Vega's interpreter, so that the page can forbid `eval`."""
STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1f2933;"
    "background:#fff}h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}.chart{overflow-x:auto}"
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart with its heading and a sentence about it."""

    heading: str
    chart: Any
    says: str = ""


def save_html(chart: Any, path: Path, *, heading: str = "stillwatch") -> Path:
    """Write one chart as a page that opens without network."""
    path.write_text(page(heading, [Figure("", chart)]), encoding="utf-8")
    return path


def page(heading: str, figures: Sequence[Figure]) -> str:
    """The whole document; headings and sentences are escaped."""
    body = [f"<h1>{_inert(heading)}</h1>"]
    for number, figure in enumerate(figures):
        body.append(f"<h2>{_inert(figure.heading)}</h2>" if figure.heading else "")
        body.append(f"<p>{_inert(figure.says)}</p>" if figure.says else "")
        body.append(drawn(figure.chart, f"chart-{number}"))
    return document(heading, "".join(body), scripts=(DRAW,), style=STYLE)


def drawn(chart: Any, place: str) -> str:
    """The element that DRAW fills, and the chart's specification as inert JSON."""
    return f'<div class="chart" id="{escape(place)}"></div>' + embedded(
        specification(chart), attribute="chart", name=place
    )


def embedded(value: object, *, attribute: str, name: str) -> str:
    """A value as JSON inside the page, where no text of it can end the element that holds it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json" data-{attribute}="{escape(name)}">{text}</script>'


def document(title: str, body: str, *, scripts: Sequence[str], style: str) -> str:
    """The page around a body. Its policy names the digests of the scripts that may run; nothing else may, or load."""
    running = [vega(), *scripts]
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in running)
    policy = f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:"
    tags = "".join(f"<script>{script}</script>" for script in running)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{_inert(title)}</title>'
        f"<style>{style}</style></head><body>{body}{tags}</body></html>\n"
    )


def specification(chart: Any) -> Mapping[str, Any]:
    """The chart's Vega-Lite document, without the address of its schema."""
    told: dict[str, Any] = chart.to_dict()
    told.pop("$schema", None)
    return {**told, "config": {**told.get("config", {}), **CONFIG}}


@cache
def vega() -> str:
    """Vega, Vega-Lite and vega-embed as one script that sets `vegaEmbed`; addresses of their project pages are cut out.

    Raises:
        EnvironmentFault: vl-convert is not installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise EnvironmentFault("pages with charts need vl-convert: pip install 'stillwatch[notebook]'") from error
    bundle: str = vl_convert.javascript_bundle(None)  # type: ignore[arg-type]
    return re.sub(r"https://(?:vega\.github\.io|github\.com/vega)/", "", bundle).replace("</script", "<\\/script")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _inert(text: str) -> str:
    return escape(visible(text))
