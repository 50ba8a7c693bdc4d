"""The report as one HTML file that loads nothing and runs nothing."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from stillwatch.evidence.report.content import Content


def html_report(said: Content) -> bytes:
    """The page; equal content gives equal bytes."""
    figures = {name: Markup(drawn) for name, drawn in said["figures"].items()}  # noqa: S704 - escaped where drawn
    return rendered("report.html.j2", {**said, "figures": figures})


def rendered(template: str, said: Content) -> bytes:
    """A page of this folder; all text is escaped."""
    environment = Environment(
        loader=PackageLoader("stillwatch.evidence.report", "."), autoescape=select_autoescape(default=True),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template).render(**said).encode()
