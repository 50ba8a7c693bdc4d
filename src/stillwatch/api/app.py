"""The application: every route, behind one door, with what has to run beside it."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from anyio import to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from stillwatch import __version__
from stillwatch.api.access import Buckets, Door, KeyRing, RoleGate, refusal
from stillwatch.api.auditing import Auditor
from stillwatch.api.bodies import Bounds, Refused
from stillwatch.api.casework import Casework
from stillwatch.api.console import Console
from stillwatch.api.desk import Desk
from stillwatch.api.drain import Drainage, Drained
from stillwatch.api.events import Broadcast
from stillwatch.api.figures import Figures
from stillwatch.api.gateways import UNPUBLISHED, Gateways, listed
from stillwatch.api.graphing import Drawer
from stillwatch.api.hot_documents import hot_paths
from stillwatch.api.keeper import Keeper
from stillwatch.api.kept import Kept
from stillwatch.api.matching import PATH as MATCHING
from stillwatch.api.matching import matching_route
from stillwatch.api.reading import Reader
from stillwatch.api.receiver import Receiver
from stillwatch.api.records import Recorder
from stillwatch.api.responding import Responding
from stillwatch.api.roles import ACCESS, CONSOLE_PATHS, OPEN_PATHS
from stillwatch.api.searching import Searcher
from stillwatch.api.standing import Standing
from stillwatch.api.taxii import Taxii
from stillwatch.api.viewing import Viewer
from stillwatch.api.writing import Desks
from stillwatch.config import Config
from stillwatch.errors import ConfigError, LakeError, StillwatchError, UsageError
from stillwatch.ingest.pseudonyms import Pseudonymiser
from stillwatch.pipeline.provenance import Provenance
from stillwatch.pipeline.response import SNAPSHOT_FILE
from stillwatch.provenance.canary.serving import Serving
from stillwatch.python_api import Stillwatch
from stillwatch.response import public_key
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.audit import AuditTrail
from stillwatch.store.decisions import Decisions
from stillwatch.store.spool import Spool
from stillwatch.store.underway import read_underway
from stillwatch.store.workspace import Workspace

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WATCH_SECONDS: Final = 2.0
"""How often the lake and the state are looked at for new runs and decisions."""

_log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, no longer than so many seconds; whether it came."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


class Server:
    """The parts of one server, and the tasks that run beside its routes."""

    def __init__(self, workspace: Workspace, config: Config, clock: Callable[[], datetime]) -> None:
        settings = config.serve
        self.config = config
        self.figures = Figures()
        self.broadcast = Broadcast()
        self.watch = Stillwatch(workspace, config, clock=clock)
        self.kept = Kept(self.watch)
        keys = ApiKeys(workspace.state, workspace.keys)
        trail = AuditTrail(workspace.state)
        self.auditor = Auditor(trail, clock)
        self.ring = KeyRing(keys, clock)
        self.buckets = Buckets(settings.calls_per_second, settings.burst_calls)
        self.desk = Desk(
            Pseudonymiser.under(workspace.keys), self.figures, fails_open=settings.fail == "open",
            canaries=_canaries(workspace, config, clock),
        )  # fmt: skip
        path = Path(settings.snapshot) if settings.snapshot else workspace.path / SNAPSHOT_FILE
        self.keeper = Keeper(path, public_key(workspace.keys), self.desk, self.figures)
        self.spool = Spool(workspace.path / "spool", settings.spool)
        self.figures.spool_bytes.set_function(lambda: self.spool.n_bytes)
        self.drainage = Drainage(workspace.path, self.spool.folder, config, {**os.environ, **workspace.environ})
        self.bounds = Bounds(settings.max_body_bytes, settings.max_unpacked_bytes, settings.request_seconds)
        self.people = Desks(self.watch, self.ring, keys, trail, self.broadcast, clock)
        self._decisions = Decisions(workspace.state, workspace.ledger)
        self._clock = clock
        sharing = self.watch.sharing
        self.taxii = Taxii(
            config.sharing,
            sharing.shelf,
            sharing.statuses,
            sharing.inbox,
            sharing.guard,
            bounds=self.bounds,
            clock=clock,
        )
        self.is_ready = False
        self._fault: str | None = None

    @contextlib.asynccontextmanager
    async def running(self, _app: FastAPI) -> AsyncIterator[None]:
        """Start what runs beside the routes; on leaving, everything acknowledged is on disk and sealed."""
        self.auditor.start()
        self.keeper.look()
        stopping = asyncio.Event()
        readers = [asyncio.create_task(self._refresh(stopping)), asyncio.create_task(self._watch_lake(stopping))]
        others = [self._warming(self.desk.warm), self._warming(self.kept.warm)]
        if self.config.serve.drain:
            others.append(asyncio.create_task(self._drain()))
        self.is_ready = True
        try:
            yield
        finally:
            self.is_ready = False
            self.broadcast.close()
            # NOTE: what reads the state ends by itself: a cancelled task leaves its thread with a connection.
            stopping.set()
            for task in others:
                task.cancel()
            await asyncio.gather(*readers, *others, return_exceptions=True)
            await to_thread.run_sync(self.spool.close)
            await self.drainage.close()
            await to_thread.run_sync(self.auditor.close)

    def _warming(self, warm: Callable[[], None]) -> asyncio.Task[None]:
        return asyncio.create_task(to_thread.run_sync(warm))

    async def _refresh(self, stopping: asyncio.Event) -> None:
        """Look at keys and snapshot again and again; a state database that is away leaves the keys as they are."""
        while not await _is_set_within(stopping, self.config.serve.refresh_seconds):
            if await to_thread.run_sync(self.keeper.look):
                self.broadcast.tell("snapshot", {"serial": self.keeper.serial})
            await to_thread.run_sync(self.ring.try_refresh)

    async def _drain(self) -> None:
        while True:
            await self.drainage.go(self._told)
            await asyncio.sleep(self.config.serve.drain_seconds)

    def _told(self, done: Drained) -> None:
        if done.fault is not None:
            self.figures.drain_faults.inc()
            if done.fault != self._fault:
                _log.warning("the spool waits: %s", done.fault)
            self._fault = done.fault
            return
        self._fault = None
        for outcome in ("rows_out", "duplicates", "rejected"):
            self.figures.drained.labels(outcome).inc(getattr(done, outcome))
        self.broadcast.tell(
            "ingest",
            {name: getattr(done, name) for name in ("records_in", "rows_out", "duplicates", "rejected")},
        )

    async def _watch_lake(self, stopping: asyncio.Event) -> None:
        """Tell of detection runs, those under way too, and of decisions, whoever made them."""
        known = await to_thread.run_sync(self._run_ids)
        since, seen = self._clock(), None
        while not await _is_set_within(stopping, WATCH_SECONDS):
            since = await self._tell_decisions(since)
            under_way = await to_thread.run_sync(read_underway, self.watch.workspace.path)
            if under_way is not None and under_way != seen:
                self.broadcast.tell("progress", msgspec.structs.asdict(under_way))
            seen = under_way
            found = await to_thread.run_sync(self._run_ids)
            if found - known:
                await to_thread.run_sync(self.kept.warm)
            for run_id in sorted(found - known):
                self.broadcast.tell("run", {"run_id": run_id})
            known = found

    async def _tell_decisions(self, since: datetime) -> datetime:
        """Tell of what was decided and ended after `since`; returns the time of the latest."""
        try:
            found = await to_thread.run_sync(self._decisions.changes_after, since)
        except SQLAlchemyError as error:
            _log.warning("decisions cannot be read: %s", type(error).__name__)
            return since
        if found.until > since:
            said = {"n_decided": found.n_decided, "n_events": found.n_events, "is_killed": found.is_killed}
            self.broadcast.tell("decisions", said)
        return found.until

    def _run_ids(self) -> set[str]:
        try:
            return set(self.watch.run_ids())
        except LakeError as error:
            _log.warning("the lake cannot be read: %s", type(error).__name__)
            return set()


def _canaries(workspace: Workspace, config: Config, clock: Callable[[], datetime]) -> Serving | None:
    """The sealed plan that the settings name.

    Raises:
        ProvenanceError: it is no plan, or the ledger does not hold its commitments.
    """
    named = config.serve.canary_plan
    return Provenance(workspace, config, clock=clock).serving(Path(named)) if named else None


def create_app(workspace: Workspace, config: Config, *, clock: Callable[[], datetime] = _now) -> ASGIApp:
    """The ASGI application over an opened workspace. Its lifespan holds the spool: one application at a time.

    Raises:
        ConfigError: a route has no roles, or roles stand for no route.
        EnvironmentFault: another server holds the spool.
    """
    server = Server(workspace, config, clock)
    app = FastAPI(
        title="stillwatch", version=__version__, lifespan=server.running, docs_url=None, redoc_url=None,
        openapi_url=None, redirect_slashes=False,
        description="Receives telemetry, decides for gateways, and hands out findings. Keys: `stillwatch keys create`.",
    )  # fmt: skip
    for route in _hot_routes(server, app):
        app.router.routes.append(route)
    kept = server.kept
    Reader(server.watch, kept).add_to(app.router)
    Viewer(server.watch, kept).add_to(app.router)
    Drawer(server.watch, kept).add_to(app.router)
    Searcher(server.watch, kept).add_to(app.router)
    Recorder(server.watch, clock).add_to(app.router)
    Casework(server.watch, server.ring, clock).add_to(app.router)
    Standing(server.watch, clock).add_to(app.router)
    server.people.add_to(app.router)
    Responding(server.watch, server.ring, clock).add_to(app.router)
    app.router.routes.extend(server.taxii.routes())
    app.router.routes.extend(Console().routes())
    app.router.routes.append(Route(MATCHING, matching_route(server.watch.sharing, server.bounds), methods=["POST"]))
    for kind, answer in _ANSWERS.items():
        app.add_exception_handler(kind, answer)
    guard_routes(app.router.routes)
    return Door(app, ring=server.ring, buckets=server.buckets, auditor=server.auditor, figures=server.figures)


def _hot_routes(server: Server, app: FastAPI) -> list[Route]:
    receiver = Receiver(server.spool, server.bounds, server.figures)
    gateways = Gateways(server.desk, server.bounds, server.config.serve.gateway)

    async def health(_request: Request) -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def ready(_request: Request) -> Response:
        return Response(b'{"status":"ok"}' if server.is_ready else b'{"status":"starting"}',
                        200 if server.is_ready else 503, media_type="application/json")  # fmt: skip

    async def metrics(_request: Request) -> Response:
        return Response(server.figures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def snapshot(_request: Request) -> Response:
        try:
            body = await to_thread.run_sync(server.keeper.path.read_bytes)
        except FileNotFoundError:
            return refusal(409, UNPUBLISHED)
        return Response(body, media_type="application/octet-stream")

    async def suspended(request: Request) -> Response:
        return await to_thread.run_sync(listed, server.keeper.snapshot, request.query_params.get("gateway", "text"),
                                        server.config.serve.gateway)  # fmt: skip

    async def openapi(_request: Request) -> Response:
        return Response(_document(app), media_type="application/json")

    return [
        Route("/v1/decision", gateways.decision, methods=["POST"]),
        Route("/v1/traces", receiver.traces, methods=["POST"]),
        Route("/v1/logs", receiver.logs, methods=["POST"]),
        Route("/beta/litellm_basic_guardrail_api", gateways.litellm, methods=["POST"]),
        Route("/v1/ext_authz/{path:path}", gateways.ext_authz, methods=METHODS),
        Route("/v1/auth_request", gateways.auth_request, methods=["GET"]),
        Route("/v1/snapshot", snapshot, methods=["GET"]),
        Route("/v1/suspended", suspended, methods=["GET"]),
        Route("/healthz", health, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route("/openapi.json", openapi, methods=["GET"]),
    ]


def _document(app: FastAPI) -> bytes:
    document = app.openapi()
    hot, components = hot_paths()
    document["paths"] = hot | document["paths"]
    document.setdefault("components", {}).setdefault("schemas", {}).update(components)
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]
    return msgspec.json.encode(document)


def guard_routes(routes: list[BaseRoute]) -> None:
    """Put a gate before every route, by `ACCESS`.

    Raises:
        ConfigError: a route is not named there, or a name there is no route: nothing starts without its roles.
    """
    by_path: dict[str, dict[str, Any]] = {}
    for (method, path), roles in ACCESS.items():
        by_path.setdefault(path, {})[method] = roles
    guarded = set()
    for route in routes:
        path = getattr(route, "path", "")
        if path in OPEN_PATHS | CONSOLE_PATHS:
            continue
        if not isinstance(route, Route) or path not in by_path:
            raise ConfigError(f"route {path or type(route).__name__} has no roles; name it in api/roles.py")
        methods = (route.methods or set()) - {"HEAD"}
        unnamed = methods - by_path[path].keys() if "*" not in by_path[path] else set()
        if unnamed:
            raise ConfigError(f"route {path} has no roles for {', '.join(sorted(unnamed))}; name it in api/roles.py")
        route.app = RoleGate(route.app, path, by_path[path])
        guarded |= {(method, path) for method in methods} | {("*", path)}
    missing = [f"{method} {path}" for method, path in ACCESS if (method, path) not in guarded]
    if missing:
        raise ConfigError(f"roles are named for routes that do not exist: {', '.join(missing)}")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return refusal(error.status, error.words, headers)


async def _misused(_request: Request, error: Exception) -> Response:
    return refusal(409 if "detection run" in str(error) else 422, str(error))


async def _broken(_request: Request, error: Exception) -> Response:
    _log.error("a call failed: %s", error)
    return refusal(503, "the workspace cannot be read now; the server's log says why", {"retry-after": "10"})


async def _malformed(_request: Request, error: Exception) -> Response:
    """Which parameter or field is wrong; never what it held."""
    assert isinstance(error, RequestValidationError)
    places = sorted({".".join(map(str, fault["loc"])) for fault in error.errors()})
    return refusal(422, f"wrong form: {', '.join(places)}"[:500])


async def _unknown(_request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return refusal(status, {404: "there is no such route", 405: "this route has no such method"}.get(status, "no"))


_ANSWERS: Final[Mapping[Any, Callable[[Request, Exception], Any]]] = {
    Refused: _refused,
    UsageError: _misused,
    StillwatchError: _broken,
    RequestValidationError: _malformed,
    404: _unknown,
    405: _unknown,
}
