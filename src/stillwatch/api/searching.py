"""Search with pivot, and the one way to a stored text."""

from dataclasses import asdict
from typing import Annotated, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from stillwatch.api import paging
from stillwatch.api.bodies import Refused
from stillwatch.api.documents import ERRORS, one
from stillwatch.api.kept import Kept
from stillwatch.api.reading import Text
from stillwatch.api.writing import author_of
from stillwatch.errors import UsageError
from stillwatch.python_api import Stillwatch

LONGEST_REASON: Final = 500
SHOWN: Final = 20


class Opening(BaseModel):
    """Why a stored text has to be read."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=LONGEST_REASON, pattern=r"\S")]


class Searcher:
    """The routes that find, and the one that opens a text."""

    def __init__(self, watch: Stillwatch, kept: Kept) -> None:
        self._watch = watch
        self._kept = kept

    def add_to(self, router: APIRouter) -> None:
        """Add both routes."""
        router.add_api_route("/v1/search", self.search, methods=["GET"], responses=one(), response_model=None)
        opened: dict[int | str, dict[str, Any]] = {201: {"description": "The text, as text"}, **ERRORS}
        path = "/v1/contents/{content_ref}/reveal"
        router.add_api_route(path, self.reveal, methods=["POST"], responses=opened, response_model=None)

    def search(
        self,
        q: Annotated[str, Query(min_length=1, max_length=512, description="part of an id, or a whole token")],
        limit: Annotated[int, Query(ge=1, le=1000)] = SHOWN,
        run: Text = None,
    ) -> Response:
        """Accounts and campaigns of a run whose id holds `q`, and the tokens that it names; each with its number.

        A token is decimal, with or without its kind before it (`skeleton:123`); `/v1/tokens/{kind}/{token}/accounts`
        goes on from there.
        """
        run_id = run or self._kept.latest()
        accounts = self._kept.accounts(run_id)
        campaigns = self._kept.campaigns(run_id)
        tokens = self._kept.of_run("tokens", run_id, lambda: self._watch.views.linking_tokens(run_id))
        found = {
            "accounts": _holding(accounts, "account_id", q, limit),
            "campaigns": _holding(campaigns, "campaign_id", q, limit),
            "tokens": _tokens(tokens, q, limit),
        }
        return paging.whole({"run_id": run_id, **found})

    def reveal(self, request: Request, content_ref: Annotated[str, Path(max_length=128)], wanted: Opening) -> Response:
        """Open one stored text. Who did so and why is in the audit trail and the ledger before it is answered."""
        request.scope["audit_subject"] = content_ref
        try:
            found = self._watch.views.reveal(content_ref, actor=author_of(request), reason=wanted.reason)
        except UsageError as error:
            raise Refused(404, str(error)) from error
        return paging.whole(asdict(found), 201)


def _holding(rows: pa.Table, column: str, text: str, limit: int) -> dict[str, Any]:
    """Rows whose id holds the text, an equal one first; `n` is how many there are."""
    is_equal = pc.equal(rows[column], text)
    holds = pc.and_not(pc.match_substring(rows[column], text, ignore_case=True), is_equal)
    places = pa.concat_arrays([pc.indices_nonzero(is_equal), pc.indices_nonzero(holds)])
    return {"n": len(places), "rows": rows.take(places.slice(0, limit)).to_pylist()}


def _tokens(rows: pa.Table, text: str, limit: int) -> dict[str, Any]:
    kind, _, token = text.strip().rpartition(":")
    chosen = rows.filter(pc.equal(rows["token"], token))
    if kind:
        chosen = chosen.filter(pc.equal(chosen["token_kind"], kind))
    return {"n": chosen.num_rows, "rows": chosen.slice(0, limit).to_pylist()}
