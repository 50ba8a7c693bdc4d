"""`ingest --watch` and `--source ibis`: new files and rows taken as they appear."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from stillwatch.cli.context import current
from stillwatch.cli.ingest import tell_drift
from stillwatch.cli.output import talk
from stillwatch.cli.watch import opened_workspace, told_to_stop
from stillwatch.errors import ExternalServiceError, LakeLocked

if TYPE_CHECKING:
    from stillwatch.config import Config
    from stillwatch.ingest import BatchReport
    from stillwatch.pipeline.pull import Pull
    from stillwatch.pipeline.pull_tables import TablePull
    from stillwatch.store.workspace import Workspace


def pull(places: list[str], *, source: str, mapping: Path | None, every: str, once: bool) -> "list[BatchReport]":
    """The reports of one look with `once`; otherwise looks until it is told to stop, and talks about each file."""
    from stillwatch.pipeline.schedule import span

    config = current().settings().config
    pause = span(every).total_seconds()
    stopping = threading.Event()
    with opened_workspace(config) as workspace, told_to_stop(stopping):
        puller = _puller(places, source, mapping, workspace, config)
        if once:
            reports = list(puller.round(is_over=stopping.is_set))
            tell_drift(workspace, reports)
            return reports
        while not stopping.is_set():
            tell_drift(workspace, _look(puller, stopping))
            stopping.wait(pause)
    return []


def _puller(
    places: list[str], source: str, mapping: Path | None, workspace: "Workspace", config: "Config"
) -> "Pull | TablePull":
    """What takes from folders and prefixes, or with source `ibis` from tables."""
    from stillwatch import python_api, sources
    from stillwatch.pipeline.pull import Pull
    from stillwatch.pipeline.pull_tables import TablePull
    from stillwatch.sources.mapped import Mapped

    name = "mapped" if source == "ibis" else source
    chosen = sources.chosen(name, mapping, config.sources)
    if source == "ibis" and isinstance(chosen, Mapped):
        return TablePull(places, chosen, workspace=workspace, config=config, clock=python_api.now)
    return Pull(places, chosen, workspace=workspace, config=config, clock=python_api.now)


def _look(puller: "Pull | TablePull", stopping: threading.Event) -> "list[BatchReport]":
    """One round; a lake or a store that is busy or away is tried again in the next."""
    taken = []
    try:
        for report in puller.round(is_over=stopping.is_set):
            taken.append(report)
            talk(
                f"{report.uri}: {report.rows_out:,} of {report.records_in:,} records new, "
                f"{report.duplicates:,} known, {report.rejected:,} rejected"
            )
    except (LakeLocked, ExternalServiceError) as error:
        talk(f"{error}; tried again at the next look")
    return taken
