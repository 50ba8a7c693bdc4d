"""What other rooms recorded, as listings: sharing, provenance, screening, pulse, webhooks and the ledger."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import pyarrow as pa
from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from stillwatch.api import paging
from stillwatch.api.bodies import Refused
from stillwatch.api.documents import arrow_and_json, one
from stillwatch.api.paging import Listing
from stillwatch.api.reading import Page, Text, paged
from stillwatch.errors import GuardRefused, LedgerError
from stillwatch.guard import Review, Tlp
from stillwatch.model.tables import (
    DECISION_EVENTS,
    DISCLOSURES,
    GUARD_DECISIONS,
    INDICATORS,
    PROVENANCE_VERDICTS,
    PULSES,
    SCREENING_HITS,
    SCREENING_REVIEWS,
    WEBHOOK_DELIVERIES,
)
from stillwatch.pipeline.sharing import Asked
from stillwatch.python_api import Stillwatch
from stillwatch.sharing.sighted import SIGHTED
from stillwatch.store.checkpoint import open_note
from stillwatch.store.decisions import Decisions
from stillwatch.store.outbox import Outbox
from stillwatch.store.screenings import Screenings
from stillwatch.store.verdicts import Verdicts

DISCLOSURE_LIST: Final = Listing("disclosures", ("record_id",), ("direction", "peer", "profile"), time="at")
GUARD_LIST: Final = Listing("guard-decisions", ("decision_no",), ("outcome", "rule", "field_class"))
INDICATOR_LIST: Final = Listing("indicators", ("indicator_id", "kind", "value"), ("peer", "kind"), time="modified")
SIGHTED_LIST: Final = Listing("sighted", ("indicator_id", "kind", "value"), ("peer", "kind"))
VERDICT_LIST: Final = Listing("verdicts", ("verdict_id",), ("suspect", "verdict"), time="reached_at")
HIT_LIST: Final = Listing("hits", ("hit_id",), ("account_id", "cause", "level"), time="found_at")
REVIEW_LIST: Final = Listing("reviews", ("review_id",), ("account_id", "verdict"), time="reviewed_at")
PULSE_LIST: Final = Listing("pulses", ("day",))
EVENT_LIST: Final = Listing("decision-events", ("event_id",), ("kind", "account_id"), time="happened_at")
DELIVERY_LIST: Final = Listing("deliveries", ("event_id", "endpoint"), ("endpoint", "status"))

Handler = Callable[..., Response]


class Recorder:
    """The routes of what was recorded outside of detection."""

    def __init__(self, watch: Stillwatch, clock: Callable[[], datetime]) -> None:
        self._watch = watch
        self._clock = clock

    def add_to(self, router: APIRouter) -> None:
        """Add every route of records."""
        listings: tuple[tuple[str, Handler, pa.Schema], ...] = (
            ("/v1/disclosures", self.disclosures, DISCLOSURES.schema),
            ("/v1/disclosures/{record_id}/decisions", self.guard_decisions, GUARD_DECISIONS.schema),
            ("/v1/indicators", self.indicators, INDICATORS.schema),
            ("/v1/indicators/sighted", self.sighted, SIGHTED),
            ("/v1/provenance", self.verdicts, PROVENANCE_VERDICTS.schema),
            ("/v1/screening/hits", self.hits, SCREENING_HITS.schema),
            ("/v1/screening/reviews", self.reviews, SCREENING_REVIEWS.schema),
            ("/v1/pulses", self.pulses, PULSES.schema),
            ("/v1/decisions/events", self.decision_events, DECISION_EVENTS.schema),
            ("/v1/deliveries", self.deliveries, WEBHOOK_DELIVERIES.schema),
        )
        for path, handler, schema in listings:
            router.add_api_route(path, handler, methods=["GET"], responses=arrow_and_json(schema), response_model=None)
        objects: tuple[tuple[str, Handler], ...] = (
            ("/v1/campaigns/{campaign_id}/sharing", self.preview),
            ("/v1/ledger", self.ledger),
            ("/v1/ledger/{entry}", self.proof),
        )
        for path, handler in objects:
            router.add_api_route(path, handler, methods=["GET"], responses=one(), response_model=None)

    # -- sharing ------------------------------------------------------------------------------------------------------

    def disclosures(
        self, request: Request, wanted: Page, direction: Text = None, peer: Text = None, profile: Text = None
    ) -> Response:
        """Everything that left or came in, oldest first."""
        filters = {"direction": direction, "peer": peer, "profile": profile}
        return paged(request, self._watch.sharing.disclosures.all(), DISCLOSURE_LIST, wanted, filters)

    def guard_decisions(
        self,
        request: Request,
        record_id: str,
        wanted: Page,
        outcome: Text = None,
        rule: Text = None,
        field_class: Text = None,
    ) -> Response:
        """What the guard decided about every field of one disclosure."""
        rows = self._watch.sharing.disclosures.decisions(record_id)
        if not rows.num_rows:
            raise Refused(404, "there are no decisions of such a record; /v1/disclosures lists them")
        return paged(request, rows, GUARD_LIST, wanted, {"outcome": outcome, "rule": rule, "field_class": field_class})

    def indicators(self, request: Request, wanted: Page, peer: Text = None, kind: Text = None) -> Response:
        """Indicators of peers that are in force now."""
        rows = self._watch.sharing.inbox.indicators(self._clock())
        return paged(request, rows, INDICATOR_LIST, wanted, {"peer": peer, "kind": kind})

    def sighted(self, request: Request, wanted: Page, peer: Text = None, kind: Text = None) -> Response:
        """Indicators of peers that the latest run's window shows, most accounts first. Being named is no finding."""
        rows = self._watch.sharing.sighted()
        return paged(request, rows, SIGHTED_LIST, wanted, {"peer": peer, "kind": kind})

    def preview(
        self,
        campaign_id: str,
        to: Annotated[str, Query(min_length=1, max_length=200, description="who would get it")],
        profile: Literal["peer", "authority", "public"] = "peer",
        tlp: Literal["clear", "green", "amber"] | None = None,
    ) -> Response:
        """What would leave of a campaign, field by field, and which rule decides. Nothing leaves."""
        asked = Asked(to, profile, None if tlp is None else Tlp[tlp.upper()])
        if campaign_id not in self._watch.known_campaigns():
            raise Refused(404, "there is no such campaign in any run; /v1/campaigns lists them")
        try:
            return paging.whole(_shown(self._watch.sharing.preview(campaign_id, asked)))
        except GuardRefused as error:
            raise Refused(409, str(error)) from error

    # -- other rooms --------------------------------------------------------------------------------------------------

    def verdicts(self, request: Request, wanted: Page, suspect: Text = None, verdict: Text = None) -> Response:
        """Verdicts about suspect models, oldest first; `findings` is JSON with p-values, assumptions and controls."""
        rows = Verdicts(self._watch.workspace.state).rows()
        return paged(request, rows, VERDICT_LIST, wanted, {"suspect": suspect, "verdict": verdict})

    def hits(
        self, request: Request, wanted: Page, account_id: Text = None, cause: Text = None, level: Text = None
    ) -> Response:
        """Screening hits that stand, by account. A hit is a question for a person, never a feature of detection."""
        filters = {"account_id": account_id, "cause": cause, "level": level}
        return paged(request, self._screenings().standing(), HIT_LIST, wanted, filters)

    def reviews(self, request: Request, wanted: Page, account_id: Text = None, verdict: Text = None) -> Response:
        """What reviewers said of screening hits, oldest first."""
        filters = {"account_id": account_id, "verdict": verdict}
        return paged(request, self._screenings().reviews(), REVIEW_LIST, wanted, filters)

    def pulses(self, request: Request, wanted: Page) -> Response:
        """How unusual each judged day was for the population. It says nothing about any account."""
        return paged(request, self._watch.views.pulses(), PULSE_LIST, wanted, {})

    def decision_events(self, request: Request, wanted: Page, kind: Text = None, account_id: Text = None) -> Response:
        """What became of decisions: renewals, releases, appeals, roll-backs, the kill switch; oldest first."""
        workspace = self._watch.workspace
        rows = Decisions(workspace.state, workspace.ledger).events()
        return paged(request, rows, EVENT_LIST, wanted, {"kind": kind, "account_id": account_id})

    def deliveries(self, request: Request, wanted: Page, endpoint: Text = None, status: Text = None) -> Response:
        """Webhook deliveries with what became of them, oldest event first."""
        rows = Outbox(self._watch.workspace.state).deliveries()
        return paged(request, rows, DELIVERY_LIST, wanted, {"endpoint": endpoint, "status": status})

    # -- the ledger ---------------------------------------------------------------------------------------------------

    def ledger(self) -> Response:
        """How long the ledger is, its last signed head, and the key that checks it."""
        workspace = self._watch.workspace
        last = workspace.checkpoints.last()
        return paging.whole(
            {"size": workspace.ledger.size(), "checkpoint": last, "verifier_key": workspace.checkpoints.verifier}
        )

    def proof(self, entry: Annotated[int, Path(ge=1, lt=2**53)]) -> Response:
        """One entry, and the proof that the last signed head holds it."""
        workspace = self._watch.workspace
        note = workspace.checkpoints.last()
        size = 0 if note is None else open_note(note, workspace.checkpoints.verifier).size
        if entry > size:
            raise Refused(404, "the last signed head holds no such entry; /v1/ledger says how many")
        try:
            found, proof = workspace.ledger.entry(entry), workspace.ledger.prove_inclusion(entry, size)
        except LedgerError as error:
            raise Refused(409, str(error)) from error
        return paging.whole(
            {
                "entry": found.canonical().decode(),
                "leaf_index": proof.index,
                "tree_size": proof.size,
                "leaf_hash": found.leaf().hex(),
                "inclusion_path": [digest.hex() for digest in proof.path],
                "checkpoint": note,
                "verifier_key": workspace.checkpoints.verifier,
            }
        )

    def _screenings(self) -> Screenings:
        return Screenings(self._watch.workspace.state, self._watch.workspace.ledger)


def _shown(review: Review) -> dict[str, Any]:
    terms = review.terms
    decisions = [
        {"object": d.object_id, "field": d.path, "class": d.field_class.value, "outcome": d.outcome, "rule": d.rule}
        for d in review.decisions
    ]
    return {
        "terms": {
            "asked": terms.asked, "profile": terms.name, "basis": terms.basis.id,
            "needs_approver": terms.profile.needs_approver, "policy_digest": review.policy_digest,
        },
        "n_objects": len(review.objects),
        "n_held_back": len(review.held_back),
        "counts": review.counts(),
        "objects": list(review.objects),
        "decisions": decisions,
    }  # fmt: skip
