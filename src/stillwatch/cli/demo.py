"""`demo`: the whole way in a minute."""

import shutil
import time
from pathlib import Path

from stillwatch.cli.context import current
from stillwatch.cli.findings import CAMPAIGN_COLUMNS
from stillwatch.cli.output import show_table, talk
from stillwatch.cli.progress import bar
from stillwatch.cli.report import write_report
from stillwatch.cli.words import sentences
from stillwatch.errors import UsageError

WHY = 1
"""Campaigns that the demonstration explains in full; the report explains all."""

MARK = ".stillwatch-demo"
"""A folder with this file was made by `demo` and may be made anew."""


def demo(folder: Path = Path("stillwatch-demo"), *, seed: int = 1) -> None:
    """Simulate two weeks of a provider, ingest it, find the campaigns, and write a report. No network, under a minute.

    Everything is simulated and lies in one folder, which the next `demo` replaces.

    Example: stillwatch demo
    """
    from stillwatch.evaluate.demonstration import demonstrate

    started = time.monotonic()
    _make_room(folder)
    with bar("steps") as progress:
        shown = demonstrate(folder, seed=seed, config=current().settings().config, step=talk, progress=progress)
    with shown.watch as watch:
        report = folder / "report.html"
        write_report(watch, report)
        show_table(watch.campaigns().table.to_pylist(), CAMPAIGN_COLUMNS, title="campaigns found")
        for campaign in watch.campaigns().table.to_pylist()[:WHY]:
            talk("")
            talk(f"why {campaign['campaign_id']}:")
            for sentence in sentences(campaign):
                talk(f"  {sentence}")
        show_table(shown.found.to_pylist(), shown.found.column_names, title="planted campaigns, in accounts")
        show_table(shown.honest.to_pylist(), shown.honest.column_names, title="honest accounts by class, in people")
    talk(f"report: {report}; everything is simulated; {time.monotonic() - started:.0f} s")
    talk(f"look around: STILLWATCH_KEYS={folder / 'keys.json'} stillwatch --workspace {folder / 'workspace'} campaigns")


def _make_room(folder: Path) -> None:
    if folder.exists():
        if not (folder / MARK).exists():
            raise UsageError(f"{folder} exists and was not made by `stillwatch demo`; name another folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
