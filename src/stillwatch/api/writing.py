"""What people write over HTTP: judgements and API keys; and who wrote it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from stillwatch.api import paging
from stillwatch.api.access import KeyRing, refusal
from stillwatch.api.bodies import Refused
from stillwatch.api.documents import ERRORS, arrow_and_json, one
from stillwatch.api.events import Broadcast
from stillwatch.api.exporting import exported
from stillwatch.api.roles import ACCESS
from stillwatch.model.role import Role
from stillwatch.model.tables import AUDIT_ENTRIES
from stillwatch.python_api import Stillwatch
from stillwatch.store.api_keys import LONGEST_NAME, ApiKey, ApiKeys
from stillwatch.store.audit import AuditTrail

SECOND_KEY: Final = "x-stillwatch-second-key"
"""Where the second person shows a key, where two must agree: a name alone would be one person's word for two."""
LONGEST_NOTE: Final = 4000
MOST_DAYS: Final = 3660


_STREAM: Final[dict[int | str, Any]] = {
    200: {"description": "Server-sent events", "content": {"text/event-stream": {}}},
    **ERRORS,
}


class Judgement(BaseModel):
    """What a person concluded. The author is the holder of the key."""

    model_config = ConfigDict(extra="forbid")

    subject_id: Annotated[str, Field(min_length=1, max_length=512, description="a campaign or an account")]
    verdict: Annotated[str, Field(pattern="^(distillation|honest|unsure)$")]
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""


class NewKey(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=r"\S", description="who holds it")]
    days: Annotated[int | None, Field(ge=1, le=MOST_DAYS, description="when it expires; null: never")] = None


class Desks:
    """The routes of people: judgements, keys, the audit trail, and events."""

    def __init__(
        self,
        watch: Stillwatch,
        ring: KeyRing,
        keys: ApiKeys,
        trail: AuditTrail,
        broadcast: Broadcast,
        clock: Callable[[], datetime],
    ) -> None:
        self._watch = watch
        self._ring = ring
        self._keys = keys
        self._trail = trail
        self._broadcast = broadcast
        self._clock = clock

    def add_to(self, router: APIRouter) -> None:
        """Add every route of people."""
        made = {201: {"description": "It was stored"}, **ERRORS}
        routes: tuple[tuple[str, str, Callable[..., Any], dict[int | str, Any]], ...] = (
            ("POST", "/v1/judgements", self.judge, made),
            ("GET", "/v1/keys", self.list_keys, one()),
            ("POST", "/v1/keys", self.create_key, made),
            ("DELETE", "/v1/keys/{key_id}", self.revoke_key, one()),
            ("GET", "/v1/audit", self.audit, arrow_and_json(AUDIT_ENTRIES.schema)),
            ("GET", "/v1/whoami", self.whoami, one()),
            ("GET", "/v1/events", self.events, _STREAM),
        )  # fmt: skip
        for method, path, handler, responses in routes:
            router.add_api_route(path, handler, methods=[method], responses=responses, response_model=None)

    def judge(self, request: Request, said: Judgement) -> Response:
        """Record what a person thinks of a campaign or an account; what is judged honest is not found again."""
        request.scope["audit_subject"] = said.subject_id
        judgement_id = self._watch.judge(said.subject_id, said.verdict, author=author_of(request), note=said.note)
        return _json({"judgement_id": judgement_id}, 201)

    def list_keys(self) -> Response:
        """Every key without its secret, oldest first."""
        return _json({"rows": [_shown(key) for key in self._keys.all()]})

    def create_key(self, request: Request, wanted: NewKey) -> Response:
        """Make a key. `key` is shown in this answer and never again."""
        now = self._clock()
        expires_at = None if wanted.days is None else now + timedelta(days=wanted.days)
        shown = self._keys.create(wanted.role, name=wanted.name, created_at=now, expires_at=expires_at)
        request.scope["audit_subject"] = shown.split("_")[1]
        self._ring.refresh()
        return _json({"key_id": shown.split("_")[1], "role": wanted.role.value, "key": shown}, 201)

    def revoke_key(self, request: Request, key_id: str) -> Response:
        """Make a key open nothing, at once."""
        if key_id not in {key.key_id for key in self._keys.all()}:
            raise Refused(404, "there is no such key; /v1/keys lists them")
        request.scope["audit_subject"] = key_id
        revoked = self._keys.revoke(key_id, revoked_at=self._clock())
        self._ring.refresh()
        return _json(_shown(revoked))

    def audit(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=paging.MOST_ROWS)] = 100,
        cursor: Annotated[str, Query(max_length=64, pattern="^[0-9a-f-]*$")] = "",
        at: Annotated[int | None, Query(ge=0, le=2**53, description="place of the first row, newest first")] = None,
        format: Annotated[paging.Form | None, Query(description="the whole trail as a file")] = None,
    ) -> Response:
        """Writes and refused calls, oldest first; refused ones appear within a second or two.

        With `at`, in place of a cursor, a page begins at this place among all, newest first.
        """
        if format is not None:
            return exported(request, self._trail.entries(limit=None), "audit", format)
        if at is not None:
            rows, total = self._trail.latest(at=at, limit=limit)
            return paging.answer(request, paging.Cut(rows, None, total, at))
        rows = self._trail.entries(after=cursor, limit=limit)
        following = rows["audit_id"][-1].as_py() if rows.num_rows == limit else None
        return paging.answer(request, paging.Cut(rows, following))

    def whoami(self, request: Request) -> Response:
        """The key that the call came with, without its secret."""
        return _json(_shown(request.scope["api_key"]))

    async def events(self, request: Request) -> Response:
        """Server-sent events: `ingest`, `run`, `decisions`, `snapshot`. `Last-Event-ID` catches up with recent ones."""
        if self._broadcast.is_full:
            return refusal(503, "too many listeners", {"retry-after": "30"})
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isascii() and last.isdigit() and len(last) < 16 else 0
        return StreamingResponse(self._broadcast.listen(after), media_type="text/event-stream")


def author_of(request: Request) -> str:
    """Who makes the call, as it is recorded: the key's holder and the key."""
    key: ApiKey = request.scope["api_key"]
    return f"{key.name} (key {key.key_id})"


def second_of(request: Request, ring: KeyRing, path: str) -> str | None:
    """The other person, who shows a key of another name that may call the route too; None without one.

    Raises:
        Refused: what is shown is no such key.
    """
    shown = request.headers.get(SECOND_KEY)
    if shown is None:
        return None
    key = ring.find(Headers({"x-stillwatch-key": shown}))
    if key is None or key.role not in ACCESS["POST", path]:
        raise Refused(403, f"{SECOND_KEY} holds no key that may do that")
    if key.name.casefold() == request.scope["api_key"].name.casefold():
        raise Refused(403, f"{SECOND_KEY} must be the key of another person")
    return f"{key.name} (key {key.key_id})"


def _shown(key: ApiKey) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "role": key.role.value,
        "name": key.name,
        "created_at": key.created_at.astimezone(UTC),
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


def _json(value: object, status: int = 200) -> Response:
    return Response(paging.encode(value), status, media_type=paging.JSON)
