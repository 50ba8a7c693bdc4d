"""`evaluate`: the detector measured on simulated worlds and on real data sets."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import talk
from stillwatch.cli.plots import bar_plot
from stillwatch.cli.progress import bar
from stillwatch.errors import UsageError

if TYPE_CHECKING:
    from stillwatch.evaluate.report import Report
    from stillwatch.evaluate.suite import Suite

FULL = "full"
N_ACCOUNTS = 20_000
"""As `evaluate.suite.N_ACCOUNTS`, which `--help` must not import."""


def evaluate(
    suite: str = "quick",
    folder: Path | None = None,
    *,
    seeds: Annotated[list[int] | None, Parameter(consume_multiple=True)] = None,
    accounts: int = N_ACCOUNTS,
    data: Annotated[Path | None, Parameter(env_var="STILLWATCH_EVALUATION_DATA")] = None,
    json_output: Annotated[Path | None, Parameter(name=["--json"])] = None,
) -> int:
    """Measure the detector on worlds that it was not calibrated on, or audit a simulated world.

    A missed goal prints a line that begins with FAILS and makes the exit code 1.

    Examples:
        stillwatch evaluate quick
        stillwatch evaluate frontier results/ --seeds 9201 9202
        stillwatch evaluate real results/ --data DATA-SETS
        stillwatch evaluate full results/ --data DATA-SETS
        stillwatch evaluate audit world/

    Parameters
    ----------
    suite
        `quick`, `frontier`, `delay`, `alarm`, `detector`, `missing`, `framing`, `joint`, `successors`, `real`,
        `starscout`, `exposure`; `full` is all of them.
        `audit`: what single-account rules find in FOLDER.
    folder
        Where the figures of each seed, tables and plots are kept: the same command goes on where it was interrupted.
        For `audit`, what `simulate` wrote.
    seeds
        Seeds of the worlds, from 9000 on.
    accounts
        Honest accounts of a world.
    data
        Folder of real data sets, for `real` and `starscout`.
    json_output
        Also write the figures as JSON; those of `full` are the goals, the others lie in the folder.
    """
    if suite == "audit":
        return _audit(folder)
    from stillwatch.evaluate.suites import SUITES

    if suite != FULL and suite not in SUITES:
        raise UsageError(f"there is no suite {suite!r}; choose one of {', '.join([*SUITES, FULL, 'audit'])}")
    if suite == FULL and folder is None:
        raise UsageError("name a folder to keep the figures in: stillwatch evaluate full DIR")
    chosen = list(SUITES.values()) if suite == FULL else [SUITES[suite]]
    reports = _run(chosen, seeds, folder, accounts=accounts, data=data)
    print("\n\n".join(report.to_markdown() for report in reports))  # noqa: T201 - the report is the output
    if json_output is not None:
        json_output.write_text(reports[-1].to_json(), encoding="utf-8")
    return 0 if all(report.passes for report in reports) else 1


def _audit(folder: Path | None) -> int:
    from stillwatch.evaluate import audit

    if folder is None:
        raise UsageError("name the simulated world: stillwatch evaluate audit DIR")
    table = audit.audit(folder)
    print(audit.render(table))  # noqa: T201 - the table is the output
    return 0 if audit.passes(table) else 1


def _run(
    suites: "Sequence[Suite]", seeds: Sequence[int] | None, folder: Path | None, *, accounts: int, data: Path | None
) -> "list[Report]":
    """The reports of the suites; each is also written to the folder as soon as it is there."""
    from stillwatch import scoring
    from stillwatch.engines import open_engine
    from stillwatch.evaluate.full import full
    from stillwatch.evaluate.suite import Bench, run_suite

    config = current().settings().config
    reports = []
    with closing(open_engine("duckdb", config.engines)) as engine, bar("steps") as progress:
        bench = Bench(
            engine=engine, config=config, calibration=scoring.shipped(), n_accounts=accounts, data=data,
            progress=progress, tell=talk,
        )  # fmt: skip
        for suite in suites:
            report = run_suite(suite, tuple(seeds) if seeds else suite.seeds, bench, folder=folder)
            reports.append(report)
            if folder is not None:
                _write(report, folder)
        if len(suites) > 1 and folder is not None:
            reports.append(full({report.suite: report for report in reports}, bench))
            _write(reports[-1], folder)
    return reports


def _write(report: "Report", folder: Path) -> None:
    """The report as Markdown, JSON and, where it has bars, SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{report.suite}.md").write_text(report.to_markdown() + "\n", encoding="utf-8")
    (folder / f"{report.suite}.json").write_text(report.to_json(), encoding="utf-8")
    if report.body.bars:
        (folder / f"{report.suite}.svg").write_text(bar_plot(report.question, report.body.bars), encoding="utf-8")
