"""The TAXII 2.1 server: nine routes over the shelf. Bytes come from the guard, peers are keys of role `peer`.

References:
    OASIS (2021), TAXII Version 2.1, sections 3.4 (filters, pages), 3.6 (errors), 4 and 5 (routes).
"""

import base64
import binascii
import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stillwatch.api.bodies import Bounds, Refused, read_body
from stillwatch.errors import GuardRefused
from stillwatch.guard import Guard, Passage
from stillwatch.guard.intake import read_bounded, read_objects
from stillwatch.sharing.inbox import Inbox
from stillwatch.sharing.settings import Collection, Settings
from stillwatch.sharing.shelf import Query, Shelf, Shelved, Statuses, relay

MEDIA_TYPE: Final = "application/taxii+json;version=2.1"
STIX_TYPE: Final = "application/stix+json;version=2.1"
ROOT: Final = "/taxii2/root"
_FILTERS: Final = frozenset(
    {"added_after", "limit", "next", *(f"match[{n}]" for n in ("id", "type", "version", "spec_version"))}
)

Handler = Callable[[Request], Response]


class Fault(Exception):
    """An answer that is an error message of TAXII."""

    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title


class Taxii:
    """The routes over one workspace's collections."""

    def __init__(
        self,
        settings: Settings,
        shelf: Shelf,
        statuses: Statuses,
        inbox: Inbox,
        guard: Guard,
        *,
        bounds: Bounds,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._collections = {collection.id: collection for collection in settings.collections}
        self._shelf, self._statuses, self._inbox, self._guard = shelf, statuses, inbox, guard
        self._bounds = replace(bounds, max_bytes=settings.post_bytes)
        self._clock = clock

    def routes(self) -> list[Route]:
        """The nine URL templates."""
        objects = f"{ROOT}/collections/{{collection_id}}/objects/"
        reads: dict[str, Handler] = {
            "/taxii2/": self._discovery,
            f"{ROOT}/": self._root,
            f"{ROOT}/status/{{status_id}}/": self._status,
            f"{ROOT}/collections/": self._all_collections,
            f"{ROOT}/collections/{{collection_id}}/": self._collection,
            f"{ROOT}/collections/{{collection_id}}/manifest/": self._manifest,
            f"{objects}{{object_id}}/versions/": self._versions,
        }
        return [
            *(Route(path, _answering(handler), methods=["GET"]) for path, handler in reads.items()),
            Route(objects, self._objects, methods=["GET", "POST"]),
            Route(f"{objects}{{object_id}}/", self._object, methods=["GET", "DELETE"]),
        ]

    # -- what there is ------------------------------------------------------------------------------------------------

    def _discovery(self, request: Request) -> Response:
        root = f"{request.url.scheme}://{request.url.netloc}{ROOT}/"
        return _json({"title": "stillwatch", "default": root, "api_roots": [root]})

    def _root(self, _request: Request) -> Response:
        return _json({
            "title": "Indicators of distillation campaigns", "versions": [MEDIA_TYPE],
            "max_content_length": self._settings.post_bytes,
        })  # fmt: skip

    def _status(self, request: Request) -> Response:
        found = self._statuses.get(request.path_params["status_id"], _peer(request))
        if found is None:
            raise Fault(404, "there is no such status")
        return Response(found, media_type=MEDIA_TYPE)

    def _all_collections(self, request: Request) -> Response:
        seen = [_described(c, _peer(request)) for c in self._collections.values() if _may_see(c, _peer(request))]
        return _json({"collections": seen} if seen else {})

    def _collection(self, request: Request) -> Response:
        return _json(_described(self._seen(request), _peer(request)))

    # -- reading ------------------------------------------------------------------------------------------------------

    def _manifest(self, request: Request) -> Response:
        collection = self._readable(request)
        found, more, following = self._page(request, collection, None)
        told = [
            {"id": s.object_id, "date_added": _time(s.added_at), "version": _time(s.version), "media_type": STIX_TYPE}
            for s in found
        ]
        page: dict[str, Any] = ({"more": True, "next": following} if more else {}) | ({"objects": told} if told else {})
        return _json(page, _added(found))

    def _versions(self, request: Request) -> Response:
        collection, object_id = self._readable(request), request.path_params["object_id"]
        found, more, following = self._page(request, collection, object_id, ("all",))
        if not found and "next" not in request.query_params and not self._exists(collection, object_id):
            raise Fault(404, "there is no such object")
        page: dict[str, Any] = {"more": True, "next": following} if more else {}
        return _json(page | {"versions": [_time(s.version) for s in found]}, _added(found))

    def _read(self, request: Request, object_id: str | None = None) -> Response:
        collection = self._readable(request)
        found, more, following = self._page(request, collection, object_id)
        if object_id is not None and not found and not self._exists(collection, object_id):
            raise Fault(404, "there is no such object")
        passage = Passage(_peer(request), "taxii", collection.profile, self._clock())
        stored = [(s.body, msgspec.json.decode(s.body)) for s in found]
        try:
            cleared = self._guard.again(stored, passage, found[0].record_id if found else "")
        except GuardRefused as refused:
            raise Fault(403, str(refused)) from refused
        body = cleared.envelope(more=more, following=following if more else None)
        return Response(body, headers=_added(found), media_type=MEDIA_TYPE)

    def _page(
        self, request: Request, collection: Collection, object_id: str | None, versions: tuple[str, ...] = ("last",)
    ) -> tuple[list[Shelved], bool, str]:
        query = _query(request, object_id, versions)
        digest = _digest(collection.id, query)
        after = _cursor(request.query_params.get("next"), digest)
        limit = min(_limit(request.query_params.get("limit")), self._settings.page_objects)
        found, more = self._shelf.page(collection.id, query, limit=limit, after=after)
        return found, more, _following(found[-1].seq, digest) if found else ""

    def _exists(self, collection: Collection, object_id: str) -> bool:
        return bool(self._shelf.page(collection.id, Query(ids=(object_id,), versions=("all",)), limit=1)[0])

    # -- writing ------------------------------------------------------------------------------------------------------

    async def _objects(self, request: Request) -> Response:
        if request.method != "POST":
            return await _answered(self._read, request)
        body = b""
        try:
            _check_content_type(request)
            body = await read_body(request, self._bounds)
        except Fault as fault:
            return _message(fault)
        except Refused as refused:
            return _message(Fault(refused.status, refused.words))
        return await _answered(lambda asked: self._add(asked, body), request)

    async def _object(self, request: Request) -> Response:
        if request.method == "DELETE":
            return await _answered(self._delete, request)
        return await _answered(lambda asked: self._read(asked, asked.path_params["object_id"]), request)

    def _add(self, request: Request, body: bytes) -> Response:
        collection, peer, at = self._writable(request), _peer(request), self._clock()
        if len(body) > self._settings.post_bytes:
            raise Fault(413, f"a message has at most {self._settings.post_bytes:,} bytes")
        try:
            objects = read_objects(read_bounded(body))
        except GuardRefused as refused:
            raise Fault(422, str(refused)) from refused
        if not objects or len(objects) > self._settings.post_objects:
            raise Fault(422, f"a message has 1 to {self._settings.post_objects:,} objects")
        try:
            received = self._inbox.receive(objects, peer=peer, channel="taxii", at=at)
        except GuardRefused as refused:
            raise Fault(403, str(refused)) from refused
        relay(received.cleared, self._shelf, self._guard, collection.id, at)
        passed = {msgspec.json.decode(taken)["id"] for taken in received.cleared.objects}
        return _json(self._told(objects, passed, peer, at), status=202)

    def _told(self, objects: list[dict[str, Any]], passed: set[str], peer: str, at: datetime) -> dict[str, Any]:
        successes = [_version_of(stix, at) for stix in objects if _id_of(stix) in passed]
        failures = [
            _version_of(stix, at) | {"message": "the policy of this server does not let the object in"}
            for stix in objects
            if _id_of(stix) not in passed
        ]
        status: dict[str, Any] = {
            "id": str(uuid.uuid4()), "status": "complete", "request_timestamp": _time(at), "total_count": len(objects),
            "success_count": len(successes), "failure_count": len(failures), "pending_count": 0,
        }  # fmt: skip
        status |= {name: told for name, told in (("successes", successes), ("failures", failures)) if told}
        self._statuses.put(status["id"], peer, msgspec.json.encode(status), at)
        return status

    def _delete(self, request: Request) -> Response:
        collection, object_id = self._writable(request), request.path_params["object_id"]
        if _peer(request) not in collection.readers:
            raise Fault(403, "deleting needs reading and writing")
        if not self._shelf.remove(collection.id, _query(request, object_id, ("all",))):
            raise Fault(404, "there is no such object")
        return Response(b"", media_type=MEDIA_TYPE)

    # -- grants -------------------------------------------------------------------------------------------------------

    def _seen(self, request: Request) -> Collection:
        collection = self._collections.get(request.path_params["collection_id"])
        if collection is None or not _may_see(collection, _peer(request)):
            raise Fault(404, "there is no such collection")
        return collection

    def _readable(self, request: Request) -> Collection:
        collection = self._seen(request)
        if _peer(request) not in collection.readers:
            raise Fault(403, "this peer may not read the collection")
        return collection

    def _writable(self, request: Request) -> Collection:
        collection = self._seen(request)
        if _peer(request) not in collection.writers:
            raise Fault(403, "this peer may not write to the collection")
        return collection


def _peer(request: Request) -> str:
    """The name of the key: who calls."""
    return str(request.scope["api_key"].name)


def _may_see(collection: Collection, peer: str) -> bool:
    return peer in collection.readers or peer in collection.writers


def _described(collection: Collection, peer: str) -> dict[str, object]:
    return {
        "id": collection.id,
        "title": collection.title,
        "can_read": peer in collection.readers,
        "can_write": peer in collection.writers,
        "media_types": [STIX_TYPE],
    }


# -- forms ------------------------------------------------------------------------------------------------------------


def _query(request: Request, object_id: str | None, versions: tuple[str, ...]) -> Query:
    given = request.query_params
    if set(given.keys()) - _FILTERS:
        raise Fault(400, f"filters are {', '.join(sorted(_FILTERS))}")
    added_after = given.get("added_after")
    said = _several(given.get("match[version]"))
    return Query(
        added_after=None if added_after is None else _read_time(added_after),
        ids=(object_id,) if object_id is not None else _several(given.get("match[id]")),
        types=_several(given.get("match[type]")),
        spec_versions=_several(given.get("match[spec_version]")),
        versions=tuple(v if v in ("first", "last", "all") else _read_time(v) for v in said) or versions,
    )


def _several(value: str | None) -> tuple[str, ...]:
    return tuple(part for part in (value or "").split(",") if part)


def _limit(value: str | None) -> int:
    if value is None:
        return 1000
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 10**9:
        raise Fault(400, "limit is a whole number from 1 on")
    return int(value)


def _read_time(value: str) -> datetime:
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise Fault(400, "times look like 2026-04-22T12:00:00.000000Z") from None
    if read.tzinfo is None:
        raise Fault(400, "times end in Z")
    return read.astimezone(UTC)


def _digest(collection_id: str, query: Query) -> bytes:
    return hashlib.sha256(repr((collection_id, query)).encode()).digest()[:8]


def _following(seq: int, digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest + seq.to_bytes(8, "big")).decode().rstrip("=")


def _cursor(value: str | None, digest: bytes) -> int:
    """The number that a cursor goes on from; 0 for none. A cursor belongs to one query."""
    if value is None:
        return 0
    try:
        decoded = base64.urlsafe_b64decode(value + "==")
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) != 16 or decoded[:8] != digest:
        raise Fault(400, "next is not a cursor of this query")
    return int.from_bytes(decoded[8:], "big")


def _check_content_type(request: Request) -> None:
    given = request.headers.get("content-type", "").replace(" ", "").lower()
    if given not in (MEDIA_TYPE, "application/taxii+json"):
        raise Fault(415, f"objects come as {MEDIA_TYPE}")


def _check_accept(request: Request) -> None:
    given = request.headers.get("accept", "").replace(" ", "").lower()
    parts = [part.split(";q=")[0] for part in given.split(",")]
    if not {MEDIA_TYPE, "application/taxii+json", "application/*", "*/*"} & set(parts):
        raise Fault(406, f"answers come as {MEDIA_TYPE}")


def _id_of(stix: Mapping[str, object]) -> str:
    return str(stix.get("id", ""))


def _version_of(stix: Mapping[str, object], at: datetime) -> dict[str, object]:
    """Id and version of an object as a status tells them; an id that is none is not repeated."""
    version = stix.get("modified") or stix.get("created") or _time(at)
    return {"id": _id_of(stix)[:100], "version": str(version)[:40]}


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _added(found: list[Shelved]) -> dict[str, str]:
    if not found:
        return {}
    return {
        "x-taxii-date-added-first": _time(found[0].added_at),
        "x-taxii-date-added-last": _time(found[-1].added_at),
    }


def _json(value: object, headers: Mapping[str, str] | None = None, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _message(fault: Fault) -> Response:
    return _json({"title": fault.title, "http_status": str(fault.status)}, status=fault.status)


def _answering(handler: Handler) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        return await _answered(handler, request)

    return answer


async def _answered(handler: Handler, request: Request) -> Response:
    """The handler's answer, made beside the event loop; a fault is an error message of TAXII."""

    def answer() -> Response:
        try:
            _check_accept(request)
            return handler(request)
        except Fault as fault:
            return _message(fault)

    return await to_thread.run_sync(answer)
