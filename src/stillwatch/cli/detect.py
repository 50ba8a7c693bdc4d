"""`detect` and `calibrate`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.findings import CAMPAIGN_COLUMNS
from stillwatch.cli.output import Format, talk, write_json, write_rows
from stillwatch.cli.progress import bar
from stillwatch.errors import UsageError

FINDINGS = 1


def detect(
    *,
    as_of: str | None = None,
    known_at: str | None = None,
    window: str | None = None,
    by: Literal["account", "org", "end_user"] | None = None,
    engine: str | None = None,
    alpha: float | None = None,
    fail_on: Literal["review", "accuse"] | None = None,
    format: Annotated[Format, Parameter(name=["--format"])] = "table",
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
) -> int:
    """Find campaigns in what was ingested and print them.

    Examples:
        stillwatch detect
        stillwatch detect --as-of 2026-05-01 --window 30d --fail-on accuse
        stillwatch detect --by end_user --engine local[2]

    Parameters
    ----------
    as_of
        See nothing from this time (UTC) on; default: the end of the stored traffic.
    known_at
        See nothing that was ingested at this time or later.
    window
        Days to look back, as `45d`.
    by
        Identity level.
    engine
        duckdb, or a Spark master.
    alpha
        Share of honest people that may be accused in a window.
    fail_on
        Exit with 1 when a campaign of this tier or above was found.
    """
    flags = {"detect__window_days": _days(window), "detect__by": by, "detect__engine": engine, "detect__alpha": alpha}
    with current().open(**flags) as watch, bar("steps") as progress:
        outcome = watch.detect(as_of=moment(as_of), known_at=moment(known_at), progress=progress)
        rows = watch.campaigns(outcome.run.run_id).table
    summary = outcome.summary
    talk(
        f"{summary['n_exchanges']:,} exchanges of {summary['n_accounts']:,} accounts, {summary['n_groups']:,} groups, "
        f"{rows.num_rows} campaigns, {outcome.findings.num_rows:,} accounts flagged"
    )
    for note in outcome.notes:
        talk(f"note: {note}")
    write_rows(rows, format, output, columns=CAMPAIGN_COLUMNS)
    reached = {"review": {"review", "accuse"}, "accuse": {"accuse"}}.get(fail_on or "", set())
    return FINDINGS if reached & set(rows["tier"].to_pylist()) else 0


def calibrate(*, format: Annotated[Format, Parameter(name=["--format"])] = "table") -> None:
    """Fit the calibration to this deployment's own history; the next `detect` uses it.

    Example: stillwatch calibrate
    """
    with current().open() as watch, bar("steps") as progress:
        refit = watch.calibrate(progress=progress)
    if format == "json":
        write_json(refit.summary())
    else:
        for name, value in refit.summary().items():
            talk(f"{name.replace('_', ' ')}: {value}")


def _days(window: str | None) -> int | None:
    if window is None:
        return None
    number = window.removesuffix("d")
    if not number.isdigit():
        raise UsageError(f"--window takes days as `45d`, got {window!r}")
    return int(number)


def moment(text: str | None) -> datetime | None:
    """The time that a flag says, in UTC; None where it was not given."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no ISO 8601 time such as 2026-05-01 or 2026-05-01T12:00:00Z") from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
