"""`pulse`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from stillwatch.cli.context import current
from stillwatch.cli.detect import moment
from stillwatch.cli.output import Format, talk, write_rows
from stillwatch.cli.progress import bar


def pulse(
    *,
    as_of: str | None = None,
    days: PositiveInt = 14,
    format: Annotated[Format, Parameter(name=["--format"])] = "table",
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
) -> None:
    """Say on which days what the population asks moved, against its own history. It is never about an account.

    Examples:
        stillwatch pulse
        stillwatch pulse --as-of 2026-05-01 --days 30 --format json

    Parameters
    ----------
    as_of
        See nothing from this time (UTC) on; default: the end of the stored traffic.
    days
        How many whole days to judge.
    """
    with current().open() as watch, bar("steps") as progress:
        rows = watch.pulse(as_of=moment(as_of), n_days=days, progress=progress).table
    n_unusual, n_judged = rows["is_unusual"].to_pylist().count(True), len(rows["p_value"].drop_null())
    talk(
        f"{n_unusual} unusual of {n_judged} days with enough history; an unusual day says that the population moved, "
        "and nothing about any account"
    )
    write_rows(rows, format, output)
