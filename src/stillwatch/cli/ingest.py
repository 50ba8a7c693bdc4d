"""`ingest`: telemetry, accounts and account events in."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import Format, Row, show_table, talk, write_json
from stillwatch.cli.progress import bar
from stillwatch.errors import RejectedInputError, UsageError

if TYPE_CHECKING:
    from stillwatch.ingest import BatchReport
    from stillwatch.store.workspace import Workspace

COLUMNS = ("source", "uri", "records_in", "rows_out", "duplicates", "rejected")


def ingest(
    paths: list[str],
    *,
    source: str = "canonical",
    mapping: Path | None = None,
    max_rejected: float = 0.05,
    watch: bool = False,
    every: str = "1m",
    once: bool = False,
    format: Annotated[Format, Parameter(name=["--format"])] = "table",
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
) -> None:
    """Read telemetry files or folders. Reading a file twice changes nothing; bad records go to quarantine.

    Examples:
        stillwatch ingest logs/ --source litellm
        stillwatch ingest spans.pb --source otlp --format json
        stillwatch ingest accounts accounts.csv
        stillwatch ingest account-events events.jsonl
        stillwatch ingest s3://logs/calls --source openai --watch --every 5m
        stillwatch ingest calls --source ibis --mapping calls.toml

    Parameters
    ----------
    paths
        Files, folders, with ibis tables; or the word `accounts` or `account-events`, then files.
    source
        canonical, litellm, otlp, envoy, openai, anthropic, langfuse, bedrock, or mapped or ibis with --mapping.
    mapping
        Mapping file of source `mapped`.
    max_rejected
        Exit code 4 when a larger share of the records was rejected.
    watch
        Go on taking what appears in folders or object-store prefixes, until SIGTERM; each file once, over restarts.
    every
        With --watch: time between two looks, as 30s, 5m or 1h.
    once
        With --watch: look once and end.
    """
    if watch or source == "ibis":
        from stillwatch.cli.pull import pull

        if paths[0] in {"accounts", "account-events"}:
            raise UsageError("--watch takes telemetry; ingest accounts and account-events as files")
        reports = pull(paths, source=source, mapping=mapping, every=every, once=once or not watch)
        print_reports(reports, format, output)
        _check(reports, max_rejected)
        return
    kind, files = (paths[0], paths[1:]) if paths[0] in {"accounts", "account-events"} else ("telemetry", paths)
    if not files:
        raise UsageError(f"no files named: stillwatch ingest {kind} PATH...")
    with current().open() as opened, bar("bytes") as progress:
        if kind == "accounts":
            reports = opened.ingest_accounts(files)
        elif kind == "account-events":
            reports = opened.ingest_account_events(files)
        else:
            reports = opened.ingest(
                files, source=source, mapping=mapping,
                progress=lambda seen: progress("ingest", seen.bytes_done, seen.bytes_total),
            )  # fmt: skip
            tell_drift(opened.workspace, reports)
    print_reports(reports, format, output)
    _check(reports, max_rejected)


def print_reports(reports: list["BatchReport"], format: Format, output: Path | None) -> None:
    """Print one row a file."""
    rows: list[Row] = [_row(report) for report in reports]
    if format == "table":
        show_table(rows, COLUMNS, output=output)
    else:
        write_json(rows, output)


def tell_drift(workspace: "Workspace", reports: list["BatchReport"]) -> None:
    """Say which tools are of an untested version and which columns fell, against earlier batches of the source."""
    from stillwatch.pipeline.coverage import drifts

    for drift in drifts(workspace.lake.snapshot(), {report.ingest_batch_id for report in reports}):
        for line in drift.lines():
            talk(f"warning: {line}")


def _row(report: "BatchReport") -> Row:
    row: Row = dataclasses.asdict(report)
    row["field_coverage"] = json.loads(str(row["field_coverage"]))
    return row


def _check(reports: list["BatchReport"], max_rejected: float) -> None:
    n = sum(report.records_in for report in reports)
    rejected = sum(report.rejected for report in reports)
    if n and rejected > max_rejected * n:
        raise RejectedInputError(
            f"{rejected:,} of {n:,} records were rejected; the good ones are stored. "
            "Look at the reasons in ingest_rejects, or raise --max-rejected"
        )
