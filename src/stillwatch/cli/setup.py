"""`init`, `doctor`, `config`, `schema`."""

import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import Format, show_table, talk, write_json
from stillwatch.errors import EnvironmentFault, StillwatchError, UsageError

if TYPE_CHECKING:
    from stillwatch.pipeline.health import Check


def init() -> None:
    """Make a workspace: an empty lake, a state database, and keys outside of it.

    Example: stillwatch --workspace ./acme init
    """
    from stillwatch.store.workspace import Workspace

    url = current().settings().config.state.url
    with Workspace.init(current().workspace, state_url=url) as workspace:
        talk(f"workspace {workspace.workspace_id} is ready in {current().workspace}")
        talk("next: stillwatch ingest PATH --source litellm|otlp|envoy|canonical|mapped")


def doctor(*, format: Annotated[Format, Parameter(name=["--format"])] = "table") -> int:
    """Check the installation and the workspace, and say what mends each fault; exit code 5 when something is broken.

    Example: stillwatch doctor --format json
    """
    checks = [_python(), *_packages(), *_workspace(current().workspace)]
    rows: list[dict[str, object]] = [
        {"check": c.name, "state": c.state, "detail": c.detail, "fix": c.fix} for c in checks
    ]
    if format == "json":
        write_json(rows)
    else:
        show_table(rows, ["check", "state", "detail", "fix"])
    if any(check.state == "fail" for check in checks):
        raise EnvironmentFault("a check failed; see the lines marked fail")
    return 0


def _python() -> "Check":
    from stillwatch.pipeline.health import Check

    good = sys.version_info >= (3, 11)
    return Check("python", "ok" if good else "fail", f"{platform.python_version()}; 3.11 or later is needed")


def _packages() -> "list[Check]":
    from importlib.metadata import PackageNotFoundError, version

    from stillwatch.pipeline.health import Check

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
            found.append(Check(package, state, f"not installed ({why})", "pip install 'stillwatch[spark]'"))
    return found


def _workspace(path: Path) -> "list[Check]":
    from stillwatch.pipeline.health import Check, examine
    from stillwatch.store.workspace import Workspace

    try:
        settings = current().settings().config
        with Workspace.open(path, state_url=settings.state.url) as workspace:
            return examine(workspace, settings, clock=lambda: datetime.now(UTC))
    except StillwatchError as error:
        return [Check("workspace", "warn", str(error), f"stillwatch --workspace {path} init")]


def config(action: Literal["show"] = "show", *, origin: bool = False) -> None:
    """Print every setting, with `--origin` also where it came from.

    Example: stillwatch config show --origin
    """
    import msgspec

    loaded = current().settings()
    tree = msgspec.to_builtins(loaded.config)
    tree["state"]["url"] = _without_password(loaded.config.state.url)
    tree["sources"]["ibis"]["url"] = _without_password(loaded.config.sources.ibis.url)
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
