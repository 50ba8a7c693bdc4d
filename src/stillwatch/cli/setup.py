"""`init`, `doctor`, `config`, `schema`."""

import platform
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import Format, show_table, talk, write_json
from stillwatch.errors import EnvironmentFault, LedgerError, StillwatchError, UsageError

if TYPE_CHECKING:
    from stillwatch.guard.policy import Basis
    from stillwatch.store.workspace import Workspace

FREE_GIB = 5.0
"""Free space under which `doctor` warns; a month of 1M exchanges a day without text takes about as much."""


def init() -> None:
    """Make a workspace: an empty lake, a state database, and keys outside of it.

    Example: stillwatch --workspace ./acme init
    """
    from stillwatch.store.workspace import Workspace

    url = current().settings().config.state.url
    with Workspace.init(current().workspace, state_url=url) as workspace:
        talk(f"workspace {workspace.workspace_id} is ready in {current().workspace}")
        talk("next: stillwatch ingest PATH --source litellm|otlp|envoy|canonical|mapped")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`."""

    name: str
    state: Literal["ok", "warn", "fail"]
    detail: str


def doctor(*, format: Annotated[Format, Parameter(name=["--format"])] = "table") -> int:
    """Check the installation and the workspace; exit code 5 when something is broken.

    Example: stillwatch doctor --format json
    """
    checks = [_python(), _memory(), *_packages(), *_workspace(current().workspace)]
    rows: list[dict[str, object]] = [{"check": c.name, "state": c.state, "detail": c.detail} for c in checks]
    if format == "json":
        write_json(rows)
    else:
        show_table(rows, ["check", "state", "detail"])
    if any(check.state == "fail" for check in checks):
        raise EnvironmentFault("a check failed; see the lines marked fail")
    return 0


def _python() -> Check:
    good = sys.version_info >= (3, 11)
    return Check("python", "ok" if good else "fail", f"{platform.python_version()}; 3.11 or later is needed")


def _memory() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return Check("disk", "ok" if free > FREE_GIB else "warn", f"{free:.0f} GiB free here")


def _packages() -> list[Check]:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for package, why in (
        ("duckdb", "default engine"),
        ("ibis-framework", "expressions"),
        ("pyspark", "optional engine"),
    ):
        try:
            found.append(Check(package, "ok", f"{version(package)}: {why}"))
        except PackageNotFoundError:
            state: Literal["warn", "fail"] = "warn" if why.startswith("optional") else "fail"
            found.append(Check(package, state, f"not installed ({why}): pip install 'stillwatch[spark]'"))
    return found


def _workspace(path: Path) -> list[Check]:
    try:
        with current().open() as watch:
            snapshot = watch.workspace.lake.snapshot()
            keys = watch.workspace.keys.pseudonym_key_id
            chosen = watch.calibration()
            batches = watch.batches().table
            sealed = _sealed(watch.workspace)
            expired = watch.sharing.policy.expired(datetime.now(UTC))
    except StillwatchError as error:
        return [Check("workspace", "warn", str(error))]
    rejected = sum(batches["rejected"].to_pylist())
    return [
        Check("workspace", "ok", f"{path}, lake version {snapshot.version}, schema {snapshot.schema_version}"),
        Check("keys", "ok", f"pseudonym key {keys}, outside of the workspace"),
        Check("calibration", "ok", f"{chosen['kind']} {str(chosen['calibration_id'])[:12]}"),
        Check("sharing", "warn" if expired else "ok", _bases(expired)),
        Check(
            "ingest", "warn" if rejected else "ok", f"{batches.num_rows} batches, {rejected:,} records in quarantine"
        ),
        sealed,
    ]


def _sealed(workspace: "Workspace") -> Check:
    """Whether the stored decisions are those that the ledger sealed."""
    from stillwatch.store.decisions import Decisions

    try:
        n = Decisions(workspace.state, workspace.ledger).verify()
    except LedgerError as error:
        return Check("decisions", "fail", str(error))
    return Check("decisions", "ok", f"{n:,} as the ledger sealed them")


def _bases(expired: "list[Basis]") -> str:
    """What to say of legal bases that ran out."""
    if not expired:
        return "every legal basis of the sharing policy holds"
    named = ", ".join(f"{basis.id} ended on {basis.until}" for basis in expired)
    return f"{named}: sharing falls back to stricter profiles; ask counsel and date the policy's bases"


def config(action: Literal["show"] = "show", *, origin: bool = False) -> None:
    """Print every setting, with `--origin` also where it came from.

    Example: stillwatch config show --origin
    """
    import msgspec

    loaded = current().settings()
    tree = msgspec.to_builtins(loaded.config)
    tree["state"]["url"] = _without_password(loaded.config.state.url)
    rows = [
        {"setting": f"{room}.{name}", "value": value, "origin": loaded.origins.get(f"{room}.{name}", "default")}
        for room, fields in tree.items()
        for name, value in fields.items()
    ]
    show_table(rows, ["setting", "value", "origin"] if origin else ["setting", "value"], title=action and "")


def _without_password(url: str) -> str:
    """The URL as it may be shown; one that cannot be read is not shown at all."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True) if url else ""
    except ArgumentError:
        return "(not a URL)"


def schema(table: str | None = None, *, format: Annotated[Format, Parameter(name=["--format"])] = "table") -> None:
    """List the tables, or the columns of one.

    Example: stillwatch schema exchange_records
    """
    from stillwatch.model.tables import TABLES

    if table is None:
        rows: list[dict[str, object]] = [
            {"table": t.name, "made_by": t.made_by, "home": t.home.value, "key": ", ".join(t.key)} for t in TABLES
        ]
    else:
        chosen = [t for t in TABLES if t.name == table]
        if not chosen:
            raise UsageError(f"there is no table {table!r}; `stillwatch schema` lists them")
        rows = [_column(field) for field in chosen[0].schema]
    if format == "json":
        write_json(rows)
    else:
        show_table(rows, list(rows[0]))


def _column(field: object) -> dict[str, object]:
    import pyarrow as pa

    assert isinstance(field, pa.Field)
    said = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    return {
        "column": field.name,
        "type": str(field.type),
        "required": not field.nullable,
        "unit": said.get("unit", ""),
        "note": said.get("note", ""),
    }
