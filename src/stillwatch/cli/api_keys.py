"""`keys`: the API keys of the server."""

import getpass
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import Format, Row, show_table, talk, write_json
from stillwatch.errors import UsageError

COLUMNS = ("key_id", "role", "name", "created_at", "expires_at", "revoked_at")


def keys(
    action: Literal["create", "list", "revoke", "rotate"],
    key_id: str | None = None,
    *,
    role: Literal["ingest", "analyst", "responder", "admin", "peer"] | None = None,
    name: str | None = None,
    days: int | None = None,
    reason: str = "",
    by: str | None = None,
    format: Annotated[Format, Parameter(name=["--format"])] = "table",
) -> None:
    """Create, list or revoke API keys of the server; rotate the workspace's own keys. An API key is shown once.

    `rotate` puts every pseudonym and sealed identity under new keys; stop servers and watch loops first, and keep the
    new key file with your backup of keys. What was the same account, address or card stays the same.

    Examples:
        stillwatch keys create --role ingest --name "gateway 1"
        stillwatch keys list
        stillwatch keys revoke 0123456789ab
        stillwatch keys rotate --reason "yearly"

    Parameters
    ----------
    key_id
        The key to revoke.
    role
        What the new key may do.
    name
        Who holds the new key.
    days
        When the new key expires; default: never.
    reason
        Why the workspace's keys are rotated; it goes into the ledger.
    by
        Who rotates; default: the name of this login.
    """
    if action == "create":
        _create(role, name, days)
    elif action == "revoke":
        _revoke(key_id)
    elif action == "rotate":
        _rotate(by or getpass.getuser(), reason)
    else:
        _list(format)


def _create(role: str | None, name: str | None, days: int | None) -> None:
    from stillwatch.model.role import Role
    from stillwatch.store.api_keys import ApiKeys
    from stillwatch.store.audit import AuditTrail, Call

    if role is None or name is None:
        raise UsageError("a new key needs --role and --name, the name of who holds it")
    if days is not None and days < 1:
        raise UsageError("--days takes a number from 1 on")
    now = datetime.now(UTC)
    with current().open() as watch:
        state = watch.workspace.state
        expires_at = None if days is None else now + timedelta(days=days)
        shown = ApiKeys(state, watch.workspace.keys).create(
            Role(role), name=name, created_at=now, expires_at=expires_at
        )
        AuditTrail(state).write(
            [(Call("CLI", f"keys create by {getpass.getuser()}", 0, subject=shown.split("_")[1]), 1)], now
        )
    sys.stdout.write(f"{shown}\n")
    talk("this is the only time that the key is shown; a running server takes it within a second or two")


def _revoke(key_id: str | None) -> None:
    from stillwatch.store.api_keys import ApiKeys
    from stillwatch.store.audit import AuditTrail, Call

    if key_id is None:
        raise UsageError("name the key: stillwatch keys revoke KEY_ID")
    now = datetime.now(UTC)
    with current().open() as watch:
        state = watch.workspace.state
        ApiKeys(state, watch.workspace.keys).revoke(key_id, revoked_at=now)
        AuditTrail(state).write([(Call("CLI", f"keys revoke by {getpass.getuser()}", 0, subject=key_id), 1)], now)
    talk(f"key {key_id} opens nothing from now on; a running server refuses it within a second or two")


def _rotate(person: str, reason: str) -> None:
    from stillwatch.cli.lifecycle import custodian

    with current().open() as watch:
        done = custodian(watch).rotate(actor=person, reason=reason)
        talk(
            f"all rows are under key {done.key_id}: {done.n_segments:,} segments and {done.state.n_identities:,} sealed"
        )
        talk(f"back up {watch.workspace.key_file} now; backups from before need the key file from before")


def _list(format: Format) -> None:
    from stillwatch.store.api_keys import ApiKeys

    with current().open() as watch:
        found = ApiKeys(watch.workspace.state, watch.workspace.keys).all()
    rows: list[Row] = [{column: getattr(key, column) for column in COLUMNS} for key in found]
    if format == "table":
        show_table(rows, COLUMNS)
    else:
        write_json(rows)
