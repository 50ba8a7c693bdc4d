"""`migrate`, `backup`, `restore`, `prune`, `erase`, `hold`: what an operator does over years."""

import getpass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import Format, Row, show_table, talk, write_json
from stillwatch.errors import UsageError

if TYPE_CHECKING:
    from stillwatch.pipeline.lifecycle import Custodian
    from stillwatch.python_api import Stillwatch
    from stillwatch.store.backup import Contents

FormatFlag = Annotated[Format, Parameter(name=["--format"])]


def custodian(watch: "Stillwatch") -> "Custodian":
    """What looks after an opened workspace."""
    from stillwatch.pipeline.lifecycle import Custodian

    return Custodian(watch.workspace, watch.config, clock=lambda: datetime.now(UTC))


def migrate(*, dry_run: bool = False, format: FormatFlag = "table") -> None:
    """Bring the workspace from an earlier release's layout to this one's.

    A second run changes nothing; what a killed one left undone the next one does.

    Example: stillwatch migrate --dry-run

    Parameters
    ----------
    dry_run
        Say what would change and change nothing.
    """
    with current().open() as watch:
        keeper = custodian(watch)
        changes = keeper.pending() if dry_run else keeper.migrate()
    rows: list[Row] = [
        {"part": change.part, "from": change.version, "to": change.version + 1, "change": change.says}
        for change in changes
    ]
    _print(rows, ["part", "from", "to", "change"], format)
    if not rows:
        talk("nothing to do: the workspace has this release's layout")
    elif dry_run:
        talk("nothing was changed; take a backup, then run `stillwatch migrate`")


def backup(target: Path, *, with_keys: bool = False, check: bool = False, format: FormatFlag = "table") -> None:
    """Back up the workspace into a new folder or .tar file, while others ingest, detect and serve.

    Keys stay out unless asked for: keep them apart from what they open.

    Examples:
        stillwatch backup /backups/monday.tar
        stillwatch backup /backups/monday.tar --check

    Parameters
    ----------
    with_keys
        Put the keys into the backup as well: whoever reads it can open the vault.
    check
        Do not back up; compare the backup at TARGET with its list, file by file.
    """
    from stillwatch import __version__
    from stillwatch.store.restore import verify

    if check:
        contents = verify(target)
    else:
        with current().open() as watch:
            contents = custodian(watch).back_up(target, release=__version__, with_keys=with_keys)
    _print_contents(contents, format)


def restore(backup: Path, *, format: FormatFlag = "table") -> None:
    """Make the workspace of a backup in the folder that --workspace names, which has to be new.

    Example: stillwatch --workspace ./again restore /backups/monday.tar
    """
    from stillwatch.store.keys import key_file
    from stillwatch.store.restore import restore as restored

    url = current().settings().config.state.url
    contents = restored(backup, current().workspace, state_url=url)
    _print_contents(contents, format)
    keys = key_file(contents.workspace_id)
    if not keys.exists():
        talk(f"findings can be read; to ingest, screen or share, put the keys of this workspace at {keys}")


def erase(account: str, *, reason: str, by: str | None = None, format: FormatFlag = "table") -> None:
    """Take an account out of the workspace: rows, texts, sealed identities, its part in aggregates and findings.

    A legal hold refuses it. Backups that were taken before still hold the account.

    Example: stillwatch erase acct-42 --reason "request 2026-17"

    Parameters
    ----------
    reason
        Why, such as a ticket; it goes into the ledger and must not name the account.
    by
        Who erases; default: the name of this login.
    """
    with current().open() as watch:
        had_run = watch.run_ids()[-1:] if watch.run_ids() else []
        done = custodian(watch).erase(account, actor=by or getpass.getuser(), reason=reason)
        if had_run and had_run[0] in done.runs:
            _detect_again(watch)
    row: Row = {
        "rows": done.n_rows,
        "identities": done.forgotten.n_identities,
        "state_rows": done.forgotten.n_rows,
        "renamed": done.forgotten.n_renamed,
        "runs": len(done.runs),
    }
    _print([row], list(row), format)
    talk("erased; the ledger keeps that something was erased, by whom and why, and cannot say whom")


def _detect_again(watch: "Stillwatch") -> None:
    """Answer the latest run's question again, so that its campaigns are those of a world without the account."""
    from stillwatch.model.tables import EXPOSURES

    latest = watch.runs().table.to_pylist()[-1]
    had_exposure = latest["run_id"] in watch.workspace.lake.snapshot().partitions(EXPOSURES)
    watch.detect(as_of=latest["as_of"], known_at=latest["known_at"])
    if had_exposure:
        watch.expose(latest["run_id"])


def prune(action: Literal["plan", "apply"], *, by: str | None = None, format: FormatFlag = "table") -> None:
    """Say what is past its time by [retention] and [ingest], or take it out.

    Rows under a legal hold stay.

    Example: stillwatch prune plan

    Parameters
    ----------
    by
        Who takes it out; default: the name of this login.
    """
    with current().open() as watch:
        keeper = custodian(watch)
        found = keeper.expiring() if action == "plan" else keeper.prune(actor=by or getpass.getuser())
    rows: list[Row] = [{"table": one.table, "n_rows": one.n_rows, "n_held": one.n_held} for one in found]
    _print(rows, ["table", "n_rows", "n_held"], format)
    if not rows:
        talk("nothing is past its time")


def hold(
    case: str | None = None,
    *,
    account: list[str] | None = None,
    campaign: str | None = None,
    reason: str = "",
    until: date | None = None,
    approver: str = "",
    by: str | None = None,
    release: bool = False,
    format: FormatFlag = "table",
) -> None:
    """Keep accounts from erasure and retention while a case runs; without CASE, list the holds in force.

    Examples:
        stillwatch hold case-7 --campaign c-abcd1234 --reason "litigation" --until 2027-06-30 --approver "A. Counsel"
        stillwatch hold case-7 --release
        stillwatch hold

    Parameters
    ----------
    account
        An account to hold; may be given several times.
    campaign
        Hold every account that a stored run counts to this campaign.
    until
        Last day of the hold.
    approver
        Who stands for the hold; another person than --by.
    by
        Who places or releases it; default: the name of this login.
    """
    person = by or getpass.getuser()
    with current().open() as watch:
        keeper, now = custodian(watch), datetime.now(UTC)
        if case is None:
            _print_holds(keeper, now, format)
        elif release:
            talk(f"{keeper.holds.release(case, released_by=person, at=now):,} accounts are no longer held for {case}")
        else:
            if until is None:
                raise UsageError("a hold needs --until DATE; it can be placed anew before it ends")
            end = datetime.combine(until, time.max, UTC)
            placed = keeper.hold(
                case, accounts=account or (), campaign=campaign, reason=reason, placed_by=person, approver=approver,
                expires_at=end,
            )  # fmt: skip
            talk(f"{placed.n_accounts:,} accounts are held for {case} until {until}")


def _print_holds(keeper: "Custodian", now: datetime, format: Format) -> None:
    columns = ["case_id", "n_accounts", "reason", "approver", "expires_at"]
    rows: list[Row] = [{name: getattr(one, name) for name in columns} for one in keeper.holds.standing(now)]
    _print(rows, columns, format)


def _print_contents(contents: "Contents", format: Format) -> None:
    row: Row = {
        "workspace_id": contents.workspace_id,
        "taken_at": contents.taken_at,
        "lake_version": contents.lake_version,
        "is_of_one_moment": contents.is_of_one_moment,
        "has_keys": contents.has_keys,
        "n_files": len(contents.members),
        "n_bytes": contents.n_bytes,
    }
    _print([row], list(row), format)


def _print(rows: list[Row], columns: list[str], format: Format) -> None:
    if format == "json":
        write_json(rows)
    else:
        show_table(rows, columns)
