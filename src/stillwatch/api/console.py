"""The analyst's console: static files that hold no data, built from `console/` and served beside the API they call."""

import gzip
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from stillwatch.api.roles import CONSOLE_PATH, CONSOLE_PREFIX

BUNDLE: Final = Path(__file__).resolve().parent.parent / "console_assets"
"""Where `make console` puts the built bundle; wheels have it, a checkout has it only after it was built."""
PAGE: Final = "index.html"
HASHED: Final = "assets/"
"""Files below it carry a digest in their name, so that they may be kept for ever."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html"
)
"""Nothing from elsewhere, no inline script or style; the one Trusted Types policy is Svelte's own, for templates."""
HEADERS: Final = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
NOT_BUILT: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>stillwatch: the console is not built</title></head>
<body><h1>The console is not built</h1>
<p>This installation has no console in it. Everything else works: the REST API, the receiver and the command line.</p>
<p>In a checkout with Node 20.19 or later, run <code>make console</code> and start the server again.
A wheel that was built with the console needs no Node: install one of those instead.</p>
</body></html>
"""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file of the bundle in memory: no path of a request ever reaches the disk."""

    media_type: str
    body: bytes
    packed: bytes
    cache: str


class Console:
    """The routes of the console. They are open: the page holds no data, and every call it makes shows a key."""

    def __init__(self, bundle: Path = BUNDLE) -> None:
        self._files = _read(bundle)

    def routes(self) -> list[Route]:
        """The page under every address of the console, and the files it loads."""
        return [
            Route(CONSOLE_PREFIX.rstrip("/"), self._redirect, methods=["GET"]),
            Route(CONSOLE_PATH, self._answer, methods=["GET"]),
        ]

    async def _redirect(self, _request: Request) -> Response:
        return RedirectResponse(CONSOLE_PREFIX, 308)

    async def _answer(self, request: Request) -> Response:
        name = request.path_params["path"]
        found = self._files.get(name)
        if found is None and name.startswith(HASHED):
            return Response(b"", 404, headers=HEADERS, media_type="text/plain")
        found = found or self._files.get(PAGE)
        if found is None:
            return Response(NOT_BUILT, 503, headers=HEADERS, media_type="text/html")
        headers = {**HEADERS, "cache-control": found.cache, "vary": "accept-encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(found.packed, headers={**headers, "content-encoding": "gzip"}, media_type=found.media_type)
        return Response(found.body, headers=headers, media_type=found.media_type)


def _read(bundle: Path) -> dict[str, StaticFile]:
    """Every file of the bundle by its path below it; none where there is no bundle."""
    files = {}
    for path in sorted(bundle.rglob("*")):
        if path.is_file():
            name = path.relative_to(bundle).as_posix()
            body = path.read_bytes()
            cache = "public, max-age=31536000, immutable" if name.startswith(HASHED) else "no-cache"
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            files[name] = StaticFile(kind, body, gzip.compress(body, mtime=0), cache)
    return files
