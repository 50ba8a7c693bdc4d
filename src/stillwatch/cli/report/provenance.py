"""The provenance section of a dossier: the verdict, each test with its controls, and plots."""

from html import escape
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from stillwatch.cli.text import visible

if TYPE_CHECKING:
    from stillwatch.provenance.finding import Plot
    from stillwatch.provenance.verdict import Conclusion

VERDICT_SAYS: Final = {
    "supported": "Supported: a test whose null is our own random key rejects.",
    "supported_if_twins_are_accepted": "Supported if the twins are accepted as honest second samples.",
    "consistent_with": "Consistent with having been made from our answers. This grade does not prove it.",
    "no_evidence": "No evidence was found. This does not show that the suspect was made without our answers.",
    "inconclusive": "Inconclusive: no test could answer.",
}
_WIDTH, _HEIGHT, _MARGIN = 720, 112, 20
_AXIS = 76
"""Where the line lies that null values and the suspect stand on."""


def section(suspect: str, conclusion: "Conclusion") -> str:
    """The section as one HTML document that needs no network and runs no script."""
    environment = Environment(
        loader=PackageLoader("stillwatch.cli.report", "."), autoescape=select_autoescape(default=True),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(inert=lambda value: visible(str(value)), p=lambda value: f"{value:.2g}")
    return environment.get_template("provenance.html.j2").render(
        suspect=suspect,
        says=VERDICT_SAYS[conclusion.verdict.value],
        conclusion=conclusion,
        plots={finding.test: [strip(plot) for plot in finding.plots] for finding in conclusion.findings},
    )


def strip(plot: "Plot") -> Markup:
    """Null values as ticks on a line, the suspect as a longer one; all text is escaped."""
    values = [*plot.null_values, plot.value]
    low, high = min(values), max(values)
    scale = (_WIDTH - 2 * _MARGIN) / ((high - low) or 1.0)
    ticks = "".join(_tick(_MARGIN + (value - low) * scale, 50, "null") for value in plot.null_values)
    own = _tick(_MARGIN + (plot.value - low) * scale, 30, "own")
    title = escape(visible(plot.title))
    said = f"{title}: grey {len(plot.null_values):,} null values, red the suspect at {plot.value:.3g}"
    return Markup(  # noqa: S704 - every part was escaped above
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">'
        f"{_text(_MARGIN, 18, 'start', said)}{ticks}{own}"
        f'<line x1="{_MARGIN}" x2="{_WIDTH - _MARGIN}" y1="{_AXIS}" y2="{_AXIS}" class="axis"/>'
        f"{_text(_MARGIN, 94, 'start', f'{low:.3g}')}{_text(_WIDTH - _MARGIN, 94, 'end', f'{high:.3g}')}"
        f"{_text(_WIDTH / 2, 94, 'middle', escape(visible(plot.axis)))}</svg>"
    )


def _tick(x: float, top: int, kind: str) -> str:
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{_AXIS}" class="{kind}"/>'


def _text(x: float, y: float, anchor: str, escaped: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escaped}</text>'
