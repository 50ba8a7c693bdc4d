"""Writes the reference pages from the code: `python tools/reference.py docs/reference`.

Five pages: the command line's help, the REST routes with the roles that may call them, every table with its columns,
every signal with its prose, and every setting with its default. They are made by `make docs` and not kept in the
repository, so that they cannot be out of date.
"""

import asyncio
import io
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
from cyclopts import App
from rich.console import Console
from starlette.types import ASGIApp

from stillwatch.api.app import create_app
from stillwatch.api.roles import ACCESS
from stillwatch.cli.app import app
from stillwatch.config import Config
from stillwatch.model.role import Role
from stillwatch.model.table import Table
from stillwatch.model.tables import TABLES
from stillwatch.signals import catalog
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.workspace import Workspace

WIDTH = 100
HOMES = {
    "lake": "In the lake, as Parquet segments.",
    "state": "In the state database.",
    "run": "Inside one detection run only; never stored.",
    "view": "Derived from other tables when it is read.",
}


def cli() -> str:
    """Help of every verb and of everything below it."""
    parts = [
        "# Command line",
        "`stillwatch [--workspace DIR] VERB`. Data goes to standard output, talk to standard error.",
    ]
    for names, _ in _verbs(app, ()):
        said = io.StringIO()
        app.help_print(list(names), console=Console(file=said, width=WIDTH, no_color=True, force_terminal=False))
        text = "\n".join(line.rstrip() for line in said.getvalue().strip().splitlines())
        parts.append(f"{'#' * (1 + len(names))} {' '.join(('stillwatch', *names))}\n\n```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def _verbs(parent: App, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], App]]:
    for name in parent:
        if not name.startswith("-"):
            child = parent[name]
            yield (*names, name), child
            yield from _verbs(child, (*names, name))


def api() -> str:
    """Every route with who may call it, and what the OpenAPI document says of it."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {"STILLWATCH_KEYS": str(Path(folder) / "keys.json")}
        with Workspace.init(Path(folder) / "workspace", environ=environ) as workspace:
            document = _openapi(workspace)
    parts = [
        "# REST interface",
        "Routes of `stillwatch serve`; [Server](../serve.md) is the guide. All of it as OpenAPI: `/openapi.json`.",
    ]
    for (method, path), roles in ACCESS.items():
        parts.append(f"## {method} {path}\n\nRoles: {', '.join(sorted(role.value for role in roles))}.")
        told = document["paths"].get(path.replace(":path}", "}"), {}).get(method.lower(), {})
        parts += [said for said in (told.get("description", ""),) if said]
        if told.get("parameters"):
            parts.append(_parameters(told["parameters"]))
    return "\n\n".join(parts) + "\n"


def _openapi(workspace: Workspace) -> dict[str, Any]:
    """The document as the server itself hands it out."""
    keys = ApiKeys(workspace.state, workspace.keys)
    key = keys.create(Role.ADMIN, name="reference", created_at=datetime.now(UTC))

    async def asked() -> dict[str, Any]:
        application = create_app(workspace, Config())
        async with _running(application):
            transport = httpx.ASGITransport(application)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                answer = await client.get("/openapi.json", headers={"x-stillwatch-key": key})
        document: dict[str, Any] = answer.raise_for_status().json()
        return document

    return asyncio.run(asked())


@asynccontextmanager
async def _running(application: ASGIApp) -> AsyncIterator[None]:
    """The application between its start and its end: it closes what it opened."""
    has_started, is_over = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, str]:
        if not has_started.is_set():
            return {"type": "lifespan.startup"}
        await is_over.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "lifespan.startup.complete":
            has_started.set()

    lifespan = asyncio.create_task(application({"type": "lifespan", "state": {}}, receive, send))  # type: ignore[arg-type]
    await has_started.wait()
    try:
        yield
    finally:
        is_over.set()
        await lifespan


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = [f"| `{one['name']}` | {one['in']} | {_kind(one['schema'])} |" for one in parameters]
    return "\n".join(["| parameter | in | type |", "|---|---|---|", *rows])


def _kind(schema: dict[str, Any]) -> str:
    kinds = [part.get("type", "") for part in schema.get("anyOf", [schema])]
    bounds = [f"{name} {schema[name]}" for name in ("default", "minimum", "maximum") if name in schema]
    return ", ".join([" or ".join(kind for kind in kinds if kind), *bounds])


def tables() -> str:
    """The floor plan: every table with its key, its maker, its home and its columns."""
    parts = ["# Tables", "Times are UTC microseconds. Columns that are not required may be null."]
    return "\n\n".join([*parts, *(_table(table) for table in TABLES)]) + "\n"


def _table(table: Table) -> str:
    head = f"Made by `{table.made_by}`. Key: {', '.join(f'`{name}`' for name in table.key)}. {HOMES[table.home.value]}"
    rows = ["| column | type | required | unit | note |", "|---|---|---|---|---|"]
    for field in table.schema:
        told = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        required = "" if field.nullable else "yes"
        note = told.get("note", "").replace("|", "\\|")
        rows.append(f"| `{field.name}` | {field.type} | {required} | {told.get('unit', '')} | {note} |")
    return f"## {table.name}\n\n{head}\n\n" + "\n".join(rows)


def signals() -> str:
    """Every signal: what it asks, what a high value shows, and what innocent cause it most likely has."""
    parts = [
        "# Signals",
        "What is asked of every group. [Concepts](../concepts.md) says how the answers become a verdict.",
    ]
    for signal in catalog():
        lines = [
            f"## {signal.name}",
            signal.question,
            f"- **A high value shows:** {signal.high_means}",
            f"- **An innocent cause:** {signal.innocent_cause}",
            f"- **Unit:** {signal.unit}",
            f"- **Source:** {signal.source}",
        ]
        parts.append("\n\n".join([*lines[:2], "\n".join(lines[2:])]))
    return "\n\n".join(parts) + "\n"


def settings() -> str:
    """Every setting with its default, as `stillwatch config show` lists them."""
    rows = [f"| `{name}` | {_default(value)} |" for name, value in _flat(msgspec.to_builtins(Config()), "")]
    return (
        "\n".join(
            [
                "# Settings\n",
                "In `stillwatch.toml` a setting `detect.alpha` is `alpha` under `[detect]`; in the environment it is",
                "`STILLWATCH_DETECT__ALPHA`. `stillwatch config show --origin` says where each value comes from.\n",
                "| setting | default |",
                "|---|---|",
                *rows,
            ]
        )
        + "\n"
    )


def _flat(rooms: dict[str, Any], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in rooms.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _default(value: object) -> str:
    text = msgspec.json.encode(value).decode().replace("|", "\\|")
    return "none" if value is None else f"`{text}`"


PAGES = {"cli.md": cli, "api.md": api, "tables.md": tables, "signals.md": signals, "settings.md": settings}


def main(folder: Path) -> None:
    """Write every page into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
