"""The `report` verb."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import talk

if TYPE_CHECKING:
    from stillwatch.python_api import Stillwatch


def report(
    *,
    output: Annotated[Path, Parameter(name=["-o", "--output"])] = Path("report.html"),
    run: str | None = None,
) -> None:
    """Write campaigns, timeline, reasons, look-alikes considered, data health and method as one HTML file.

    Example: stillwatch report -o report.html
    """
    with current().open() as watch:
        write_report(watch, output, run_id=run)
    talk(f"report: {output}")


def write_report(watch: "Stillwatch", path: Path, *, run_id: str | None = None) -> None:
    """Write the report of a run (None: the latest) to `path`."""
    from stillwatch.cli.report.page import page

    path.write_text(page(watch, run_id), encoding="utf-8")
