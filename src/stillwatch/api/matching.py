"""Private matching over HTTP: one route, one message in, the signed answer out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from stillwatch.api.bodies import Bounds, Refused, read_body
from stillwatch.errors import ConfigError, GuardRefused, UsageError
from stillwatch.guard.intake import MAX_BYTES
from stillwatch.guard.matching import MESSAGE_TYPE
from stillwatch.pipeline.matching import Matchmaker
from stillwatch.pipeline.sharing import Sharing

PATH: Final = "/v1/matching"


def matching_route(sharing: Sharing, bounds: Bounds) -> Callable[[Request], object]:
    """The handler of PATH; a partner is an API key of role `peer` with the partner's name.

    202 says that a person has to consent first, or that nothing more is due. A refusal says no more than that it is
    one: why is in the ledger here, and no business of who tried.
    """
    limits = replace(bounds, max_bytes=MAX_BYTES)

    async def matching(request: Request) -> Response:
        try:
            body = await read_body(request, limits)
        except Refused as refused:
            return Response(refused.words, refused.status, media_type="text/plain")
        return await to_thread.run_sync(_answered, sharing.matchmaker, str(request.scope["api_key"].name), body)

    return matching


def _answered(maker: Matchmaker, name: str, body: bytes) -> Response:
    try:
        reply = maker.take(body, name, is_unattended=True)
    except (GuardRefused, UsageError, ConfigError):
        return Response("refused", 409, media_type="text/plain")
    if reply is None:
        return Response(b"", 202)
    return Response(reply.body, media_type=MESSAGE_TYPE)
