"""The report as one HTML file that loads nothing and runs nothing."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from stillwatch.evidence.report.content import Content


def html_report(said: Content) -> bytes:
    """The page; equal content gives equal bytes."""
    environment = Environment(
        loader=PackageLoader("stillwatch.evidence.report", "."), autoescape=select_autoescape(default=True),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    figures = {name: Markup(drawn) for name, drawn in said["figures"].items()}  # noqa: S704 - escaped where drawn
    return environment.get_template("report.html.j2").render(**{**said, "figures": figures}).encode()
