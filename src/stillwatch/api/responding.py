"""What is done about findings, over HTTP: the functions of `stillwatch respond`, behind roles and the audit trail."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

import pyarrow as pa
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from stillwatch.api import paging
from stillwatch.api.access import KeyRing
from stillwatch.api.bodies import Refused
from stillwatch.api.documents import ERRORS, arrow_and_json, one
from stillwatch.api.paging import Listing, Wanted
from stillwatch.api.reading import paged, wanted_page
from stillwatch.api.writing import LONGEST_NOTE, author_of, second_of
from stillwatch.errors import ConfigError
from stillwatch.model.tables import DECISIONS
from stillwatch.model.tables.views import APPEALS
from stillwatch.pipeline.response import Responder
from stillwatch.python_api import Stillwatch
from stillwatch.response import Plan, Policy
from stillwatch.response.listing import back_test_summary, plan_rows, plan_summary

DECISION_SCHEMA: Final = DECISIONS.schema.append(pa.field("status", pa.string(), nullable=False))
DECISION_LIST: Final = Listing(
    "decisions",
    ("decision_id",),
    ("account_id", "campaign_id", "action", "mode", "rule", "status"),
    time="decided_at",
)
APPEAL_LIST: Final = Listing("appeals", ("account_id",), ("account_id", "status"), time="asked_at")
MOST_LINES: Final = 1000
LONGEST_POLICY: Final = 100_000
LONGEST_ID: Final = 512

Page = Annotated[Wanted, Depends(wanted_page)]
Text = Annotated[str | None, Query(max_length=LONGEST_ID)]


class Preview(BaseModel):
    """A policy to try: what it would do now, and what it would have done."""

    model_config = ConfigDict(extra="forbid")

    policy: Annotated[str, Field(max_length=LONGEST_POLICY, description="TOML, as in `respond policy`")]
    run_id: Annotated[str | None, Field(max_length=LONGEST_ID, description="null: the latest")] = None
    days: Annotated[int, Field(ge=0, le=366, description="of earlier runs to replay it on; 0: none")] = 0


class Application(BaseModel):
    """A policy to apply."""

    model_config = ConfigDict(extra="forbid")

    policy: Annotated[
        str | None, Field(max_length=LONGEST_POLICY, description="TOML; null: the policy applied last")
    ] = None
    run_id: Annotated[str | None, Field(max_length=LONGEST_ID, description="null: the latest")] = None


class Appeal(BaseModel):
    """An appeal that is granted."""

    model_config = ConfigDict(extra="forbid")

    account_id: Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""
    unseen: Annotated[bool, Field(description="caught on its first request, before any telemetry named it")] = False


class Kill(BaseModel):
    """The kill switch, as it is to be."""

    model_config = ConfigDict(extra="forbid")

    is_on: bool
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""


class Responding:
    """The routes of responders. The author of what they do is the holder of the key that they show."""

    def __init__(self, watch: Stillwatch, ring: KeyRing, clock: Callable[[], datetime]) -> None:
        self._watch = watch
        self._ring = ring
        self._clock = clock

    def add_to(self, router: APIRouter) -> None:
        """Add every route of responders."""
        made = {201: {"description": "It was recorded and published"}, **ERRORS}
        routes: tuple[tuple[str, str, Callable[..., Any], dict[int | str, Any]], ...] = (
            ("GET", "/v1/decisions", self.decisions, arrow_and_json(DECISION_SCHEMA)),
            ("GET", "/v1/plan", self.plan, one()),
            ("POST", "/v1/plan", self.preview, one()),
            ("POST", "/v1/apply", self.apply, made),
            ("GET", "/v1/appeals", self.appeals, arrow_and_json(APPEALS)),
            ("POST", "/v1/appeals", self.appeal, made),
            ("GET", "/v1/appeals/budget", self.budget, one()),
            ("GET", "/v1/kill", self.kill_switch, one()),
            ("POST", "/v1/kill", self.kill, made),
        )
        for method, path, handler, responses in routes:
            router.add_api_route(path, handler, methods=[method], responses=responses, response_model=None)

    def decisions(
        self,
        request: Request,
        wanted: Page,
        account_id: Text = None,
        campaign_id: Text = None,
        action: Text = None,
        mode: Text = None,
        rule: Text = None,
        status: Text = None,
    ) -> Response:
        """Every decision that was ever made with what became of it, oldest first."""
        filters = {
            "account_id": account_id, "campaign_id": campaign_id, "action": action, "mode": mode, "rule": rule,
            "status": status,
        }  # fmt: skip
        rows = self._responder().history().select(DECISION_SCHEMA.names)
        return paged(request, rows, DECISION_LIST, wanted, filters)

    def plan(self, request: Request, run: Text = None) -> Response:
        """What the policy applied last would do now, and who must agree. Changes nothing."""
        responder = self._responder()
        return _shown(request, responder.plan(_in_force(responder), run))

    def preview(self, request: Request, wanted: Preview) -> Response:
        """What another policy would do now, and on earlier runs. Changes nothing."""
        responder = self._responder()
        policy = _parsed(wanted.policy)
        past = back_test_summary(responder.back_test(policy, days=wanted.days)) if wanted.days else None
        return _shown(request, responder.plan(policy, wanted.run_id), {"back_test": past})

    def apply(self, request: Request, wanted: Application) -> Response:
        """Record what the plan says and publish it. Where two people must agree, the other shows a key as well."""
        responder = self._responder()
        policy = _in_force(responder) if wanted.policy is None else _parsed(wanted.policy)
        request.scope["audit_subject"] = policy.digest
        second = second_of(request, self._ring, "/v1/apply")
        made = responder.apply(policy, author=author_of(request), second=second, run_id=wanted.run_id)
        return _json(plan_summary(made), 201)

    def appeal(self, request: Request, wanted: Appeal) -> Response:
        """Grant an account's appeal: it is restored at once and judged honest."""
        request.scope["audit_subject"] = wanted.account_id
        done = self._responder().appeal(
            wanted.account_id, author=author_of(request), note=wanted.note, unseen=wanted.unseen
        )
        budget = {"n_granted": done.budget.n_granted, "n_enforced": done.budget.n_enforced}
        return _json({"n_ended": done.n_ended, "is_rolled_back": done.is_rolled_back, **budget}, 201)

    def appeals(self, request: Request, wanted: Page, account_id: Text = None, status: Text = None) -> Response:
        """Who asked to be restored (account event `appeal_opened`) or was, waiting ones first."""
        filters = {"account_id": account_id, "status": status}
        return paged(request, self._responder().appeals(), APPEAL_LIST, wanted, filters)

    def budget(self) -> Response:
        """How many appeals were granted of how many accounts with a decision in force, and the share that may be."""
        responder = self._responder()
        found, limits = responder.budget(), responder.limits()
        share = {"false_positive_budget": limits.false_positive_budget, "budget_days": limits.budget_days}
        return _json(asdict(found) | share)

    def kill_switch(self) -> Response:
        """The kill switch as it is now."""
        return _json(asdict(self._responder().kill_switch()))

    def kill(self, request: Request, wanted: Kill) -> Response:
        """Stop every decision at once, or let them go on, which takes two people."""
        request.scope["audit_subject"] = "on" if wanted.is_on else "off"
        second = second_of(request, self._ring, "/v1/kill")
        responder = self._responder()
        responder.kill(is_on=wanted.is_on, author=author_of(request), note=wanted.note, second=second)
        return _json(asdict(responder.kill_switch()), 201)

    # -- plumbing -----------------------------------------------------------------------------------------------------

    def _responder(self) -> Responder:
        return Responder(self._watch.workspace, self._watch.config, clock=self._clock)


def _in_force(responder: Responder) -> Policy:
    policy = responder.policy_in_force()
    if policy is None:
        raise Refused(409, "no policy was ever applied; send one as `policy`")
    return policy


def _parsed(text: str) -> Policy:
    try:
        return Policy.parse(text, "policy")
    except ConfigError as error:
        raise Refused(422, str(error)) from error


def _shown(request: Request, plan: Plan, more: dict[str, object] | None = None) -> Response:
    """The plan: all of its lines in Arrow, the summary and its first lines in JSON."""
    rows = plan_rows(plan)
    if paging.ARROW in request.headers.get("accept", ""):
        return paging.answer(request, paging.Cut(rows))
    lines = rows.slice(0, MOST_LINES).to_pylist()
    return _json({**plan_summary(plan), "n_lines": rows.num_rows, "lines": lines, **(more or {})})


def _json(value: object, status: int = 200) -> Response:
    return Response(paging.encode(value), status, media_type=paging.JSON)
