"""uvicorn with bounds on what a client may take its time with."""

import asyncio
import ipaddress
import logging
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stillwatch.api.app import create_app
from stillwatch.config import Config, ServeSettings
from stillwatch.store.workspace import Workspace

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than the 60 s after which common gateways give up an idle connection, so that they do it and not we."""
CLOSE_SECONDS: Final = 10

_log = logging.getLogger(__name__)


class ImpatientProtocol(HttpToolsProtocol):
    """HTTP that hangs up on a client whose headers do not arrive in time."""

    header_seconds: float = 20.0

    def connection_made(self, transport: Any) -> None:
        """Start to wait for the first request."""
        self._patience: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request is here: the rest of its headers has to follow."""
        super().on_message_begin()
        self._wait_for_headers()

    def on_headers_complete(self) -> None:
        """The headers are here."""
        self._stop_waiting()
        super().on_headers_complete()

    def _wait_for_headers(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(self.header_seconds, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _hang_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def configured(app: ASGIApp, settings: ServeSettings) -> uvicorn.Config:
    """Uvicorn's settings for the application."""
    protocol = type("Protocol", (ImpatientProtocol,), {"header_seconds": settings.request_seconds})
    return uvicorn.Config(
        app, host=settings.host, port=settings.port, http=protocol, loop="uvloop", ws="none", lifespan="on",
        access_log=False, server_header=False, proxy_headers=False, log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS, timeout_graceful_shutdown=CLOSE_SECONDS,
        limit_concurrency=settings.max_connections,
    )  # fmt: skip


def serve(workspace: Workspace, config: Config) -> None:
    """Serve until the process is told to stop.

    Raises:
        EnvironmentFault: another server holds the spool of this workspace.
    """
    settings = config.serve
    if not _is_loopback(settings.host):
        _log.warning("listening on %s: keys travel in clear unless TLS ends in front of this server", settings.host)
    uvicorn.Server(configured(create_app(workspace, config), settings)).run()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
