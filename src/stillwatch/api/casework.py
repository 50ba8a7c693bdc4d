"""What is made of a campaign for others: dossiers, and who may be behind it, over HTTP as by `stillwatch dossier`."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from stillwatch.api import paging
from stillwatch.api.access import KeyRing
from stillwatch.api.bodies import Refused
from stillwatch.api.documents import ERRORS, arrow_and_json, one
from stillwatch.api.paging import Listing
from stillwatch.api.reading import Page, Text, paged
from stillwatch.api.writing import LONGEST_NOTE, author_of, second_of
from stillwatch.errors import ConfigError, EnvironmentFault, GuardRefused
from stillwatch.evidence.attribution import parse_assessment
from stillwatch.model.attribution import Assessment
from stillwatch.model.tables.views import SEALED_DOSSIERS
from stillwatch.pipeline.dossier import INTERNAL, Dossiers
from stillwatch.python_api import Stillwatch
from stillwatch.store.attributions import Attributions

DOSSIER: Final = "/v1/campaigns/{campaign_id}/dossier"
DOSSIER_LIST: Final = Listing("dossiers", ("entry",), ("campaign_id", "audience"), time="at")
LONGEST_ASSESSMENT: Final = 100_000
ZIP: Final = "application/zip"

Outside = Literal["peer", "public", "regulator", "authority", "court"]


class Build(BaseModel):
    """A dossier to be built. Damages need a worksheet, which the command line alone takes."""

    model_config = ConfigDict(extra="forbid")

    audience: Literal["internal", "peer", "public", "regulator", "authority", "court"] = "internal"
    to: Annotated[str, Field(max_length=200, description="who gets it; needed but for internal ones")] = ""
    run_id: Annotated[str | None, Field(max_length=512, description="null: the latest")] = None
    is_redacted: Annotated[bool, Field(description="leave out rows about single accounts")] = False
    has_pdf: Annotated[bool, Field(description="also typeset the report (extra `report`)")] = False


class Written(BaseModel):
    """An assessment of who may be behind a campaign. Its author is the holder of the key."""

    model_config = ConfigDict(extra="forbid")

    assessment: Annotated[str, Field(max_length=LONGEST_ASSESSMENT, description="TOML, as by `dossier attribute`")]


class Settled(BaseModel):
    """What a person says of an assessment."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["approved", "withdrawn"]
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""


class Casework:
    """The routes of dossiers and attribution."""

    def __init__(self, watch: Stillwatch, ring: KeyRing, clock: Callable[[], datetime]) -> None:
        self._watch = watch
        self._ring = ring
        self._clock = clock

    def add_to(self, router: APIRouter) -> None:
        """Add every route of casework."""
        made = {201: {"description": "It was recorded"}, **ERRORS}
        built = {201: {"description": "The dossier", "content": {ZIP: {"schema": _FILE}}}, **ERRORS}
        routes: tuple[tuple[str, str, Callable[..., Response], dict[int | str, Any]], ...] = (
            ("GET", "/v1/dossiers", self.dossiers, arrow_and_json(SEALED_DOSSIERS)),
            ("GET", DOSSIER, self.preview, one()),
            ("POST", DOSSIER, self.build, built),
            ("GET", "/v1/campaigns/{campaign_id}/attributions", self.attributions, one()),
            ("GET", "/v1/attributions", self.every_attribution, one()),
            ("POST", "/v1/attributions", self.attribute, made),
            ("POST", "/v1/attributions/{assessment_id}", self.settle, made),
        )
        for method, path, handler, responses in routes:
            router.add_api_route(path, handler, methods=[method], responses=responses, response_model=None)

    # -- dossiers -----------------------------------------------------------------------------------------------------

    def dossiers(self, request: Request, wanted: Page, campaign_id: Text = None, audience: Text = None) -> Response:
        """Every dossier that was built and entered into the ledger, oldest first."""
        rows = Dossiers(self._watch.workspace, self._watch.config, clock=self._clock).sealed()
        return paged(request, rows, DOSSIER_LIST, wanted, {"campaign_id": campaign_id, "audience": audience})

    def preview(
        self,
        campaign_id: str,
        audience: Outside,
        to: Annotated[str, Query(min_length=1, max_length=200, pattern=r"\S", description="who would get it")],
        run: Text = None,
    ) -> Response:
        """Part by part what an audience would hold of a dossier, and which rule decides. Nothing leaves."""
        self._known(campaign_id)
        try:
            rows = self._watch.dossier_preview(campaign_id, run_id=run, audience=audience, receiver=to)
        except GuardRefused as error:
            raise Refused(409, str(error)) from error
        return paging.whole({"rows": rows})

    def build(self, request: Request, campaign_id: str, wanted: Build) -> Response:
        """The dossier as a zip, sealed in the ledger before it leaves. It may take a minute.

        Where the sharing policy needs an approver, another person shows a key as well.
        """
        self._known(campaign_id)
        request.scope["audit_subject"] = f"dossier of {campaign_id} for {wanted.audience}"
        approver = second_of(request, self._ring, DOSSIER)
        try:
            body = self._watch.dossier(
                campaign_id, run_id=wanted.run_id, audience=wanted.audience, receiver=wanted.to, approver=approver,
                is_redacted=wanted.is_redacted, has_pdf=wanted.has_pdf,
            )  # fmt: skip
        except (GuardRefused, EnvironmentFault) as error:
            raise Refused(409, str(error)) from error
        name = campaign_id if wanted.audience == INTERNAL else f"{campaign_id}-{wanted.audience}"
        headers = {"content-disposition": f'attachment; filename="{name}.zip"'}
        return Response(body, 201, headers=headers, media_type=ZIP)

    # -- attribution --------------------------------------------------------------------------------------------------

    def attributions(self, campaign_id: str) -> Response:
        """What was written about who may be behind a campaign: competing hypotheses, and whether they stand."""
        return paging.whole({"rows": [_told(one) for one in self._kept.all(campaign_id)]})

    def every_attribution(self) -> Response:
        """What was written about who may be behind campaigns, of all of them, oldest first."""
        return paging.whole({"rows": [_told(one) for one in self._kept.all()]})

    def attribute(self, request: Request, wanted: Written) -> Response:
        """Record competing hypotheses about who is behind a campaign. They stand once somebody else approves them."""
        try:
            made = parse_assessment(
                wanted.assessment, name="as sent", author=author_of(request), at=self._clock()
            )  # fmt: skip
        except ConfigError as error:
            raise Refused(422, str(error)) from error
        self._known(made.campaign_id)
        request.scope["audit_subject"] = made.assessment_id
        self._kept.write(made)
        return paging.whole(_told(made), 201)

    def settle(self, request: Request, assessment_id: Annotated[str, Path(max_length=64)], wanted: Settled) -> Response:
        """Approve an assessment that somebody else wrote, or withdraw one. It stays on record."""
        found = next((one for one in self._kept.all() if one.assessment_id == assessment_id), None)
        if found is None:
            raise Refused(404, "there is no such assessment; /v1/campaigns/{campaign_id}/attributions lists them")
        request.scope["audit_subject"] = assessment_id
        author = author_of(request)
        if wanted.kind == "approved" and _person(author) == _person(found.author):
            raise Refused(409, "who wrote an assessment cannot approve it: somebody else has to, with another key")
        self._kept.settle(assessment_id, wanted.kind, author=author, note=wanted.note, at=self._clock())
        settled = next(one for one in self._kept.all() if one.assessment_id == assessment_id)
        return paging.whole(_told(settled), 201)

    # -- plumbing -----------------------------------------------------------------------------------------------------

    @property
    def _kept(self) -> Attributions:
        return Attributions(self._watch.workspace.state, self._watch.workspace.ledger)

    def _known(self, campaign_id: str) -> None:
        if campaign_id not in self._watch.known_campaigns():
            raise Refused(404, "there is no such campaign in any run; /v1/campaigns lists them")


_FILE: Final[dict[str, Any]] = {"type": "string", "format": "binary"}


def _person(author: str) -> str:
    """The name of who wrote, whichever key it was: one person with two keys is one person."""
    return author.partition(" (key ")[0].casefold()


def _told(one: Assessment) -> dict[str, Any]:
    """An assessment with its likelihoods in words, as they are written."""
    hypotheses = [asdict(each) | {"likelihood": each.likelihood.words} for each in one.hypotheses]
    return asdict(one) | {"hypotheses": hypotheses, "stands": one.stands}
