"""What the console shows beside plain listings: the overview, and one campaign from every side."""

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from stillwatch.api import paging
from stillwatch.api.bodies import Refused
from stillwatch.api.documents import arrow_and_json, one
from stillwatch.api.kept import Kept
from stillwatch.api.paging import Listing
from stillwatch.api.reading import Page, Text, paged
from stillwatch.model.tables import EXPOSURE_ACCOUNTS, EXPOSURE_DAYS, EXPOSURE_MODELS, EXPOSURES
from stillwatch.model.tables.views import (
    CAMPAIGN_DAYS,
    CAMPAIGN_HISTORY,
    CAMPAIGN_TOKENS,
    FIELD_COVERAGE,
    POPULATION_DAYS,
    REJECT_REASONS,
    SOURCE_HEALTH,
    TOKEN_HOLDERS,
)
from stillwatch.pipeline import Exposed
from stillwatch.python_api import Stillwatch

DAYS: Final = Listing("days", ("day",))
TIMELINE: Final = Listing("timeline", ("day",))
TOKENS: Final = Listing("tokens", ("token_kind", "token"), ("token_kind",))
HISTORY: Final = Listing("history", ("at", "kind", "reference", "what"), ("kind",), time="at")
HOLDERS: Final = Listing("holders", ("account_id",), ("tier", "campaign_id"), time="last_seen_at")
SOURCES: Final = Listing("sources", ("source",))
REASONS: Final = Listing("reasons", ("source", "reason"), ("source", "reason"))
COVERAGE: Final = Listing("coverage", ("source", "field"), ("source", "field"))
EXPOSED: Final = {
    "": Listing("exposure", ("capability",), ("capability",)),
    "accounts": Listing("exposure-accounts", ("account_id", "capability"), ("capability", "tier")),
    "days": Listing("exposure-days", ("day", "capability"), ("capability",)),
    "models": Listing("exposure-models", ("model",), ("model",)),
}
"""The tables of exposure by the last part of their path."""


class Viewer:
    """The routes of derived views. Results about a run are made once and kept."""

    def __init__(self, watch: Stillwatch, kept: Kept) -> None:
        self._watch = watch
        self._kept = kept

    def add_to(self, router: APIRouter) -> None:
        """Add every route of views."""
        campaign = "/v1/campaigns/{campaign_id}"
        listings: tuple[tuple[str, Callable[..., Response], pa.Schema], ...] = (
            ("/v1/days", self.days, POPULATION_DAYS),
            ("/v1/sources", self.sources, SOURCE_HEALTH),
            ("/v1/rejects/reasons", self.reasons, REJECT_REASONS),
            ("/v1/coverage", self.coverage, FIELD_COVERAGE),
            (f"{campaign}/timeline", self.timeline, CAMPAIGN_DAYS),
            (f"{campaign}/tokens", self.tokens, CAMPAIGN_TOKENS),
            (f"{campaign}/history", self.history, CAMPAIGN_HISTORY),
            (f"{campaign}/exposure", self.exposure, EXPOSURES.schema),
            (f"{campaign}/exposure/accounts", self.exposure_accounts, EXPOSURE_ACCOUNTS.schema),
            (f"{campaign}/exposure/days", self.exposure_days, EXPOSURE_DAYS.schema),
            (f"{campaign}/exposure/models", self.exposure_models, EXPOSURE_MODELS.schema),
            ("/v1/tokens/{token_kind}/{token}/accounts", self.holders, TOKEN_HOLDERS),
        )
        for path, handler, schema in listings:
            router.add_api_route(path, handler, methods=["GET"], responses=arrow_and_json(schema), response_model=None)
        for path, handler in (("/v1/overview", self.overview), (f"{campaign}/evidence", self.evidence)):
            router.add_api_route(path, handler, methods=["GET"], responses=one(), response_model=None)

    # -- everybody ----------------------------------------------------------------------------------------------------

    def overview(self, run: Text = None) -> Response:
        """A run at a glance: campaigns, the share of traffic in them, days, sources, calibration, what it missed."""
        runs = self._kept.runs().to_pylist()
        run_id = run or (runs[-1]["run_id"] if runs else None)
        said: dict[str, Any] = {
            "n_runs": len(runs),
            "sources": self._watch.views.source_health().to_pylist(),
            "calibration": self._watch.calibration(),
            "run": None,
        }
        if run_id is not None:
            said |= self._of_run(run_id, runs)
        return paging.whole(said)

    def _of_run(self, run_id: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
        days = self._days(run_id)
        found = next((row for row in runs if row["run_id"] == run_id), None)
        campaigns = self._kept.campaigns(run_id)
        n, n_flagged = (int(pc.sum(days[name]).as_py() or 0) for name in ("n_exchanges", "n_flagged_exchanges"))
        return {
            "run": found,
            "campaigns": {
                "by_tier": dict(sorted(Counter(campaigns["tier"].to_pylist()).items())),
                "n_accounts": int(pc.sum(campaigns["n_accounts"]).as_py() or 0),
                "n_exchanges": int(pc.sum(campaigns["n_exchanges"]).as_py() or 0),
            },
            "n_exchanges": n,
            "n_flagged_exchanges": n_flagged,
            "flagged_share": n_flagged / n if n else None,
            "days": days.to_pylist(),
        }

    def days(self, request: Request, wanted: Page, run: Text = None) -> Response:
        """Everybody's traffic by day of a run's window, and how much of it lies in campaigns."""
        run_id = self._kept.run(DAYS, wanted, run)
        return paged(request, self._days(run_id), DAYS, wanted, {}, run_id)

    def _days(self, run_id: str) -> pa.Table:
        return self._kept.of_run("days", run_id, lambda: self._watch.views.population_days(run_id))

    def sources(self, request: Request, wanted: Page) -> Response:
        """What each source sent, and when it was last heard of."""
        return paged(request, self._watch.views.source_health(), SOURCES, wanted, {})

    def reasons(self, request: Request, wanted: Page, source: Text = None, reason: Text = None) -> Response:
        """Records in quarantine by source and reason, most frequent first."""
        rows = self._watch.views.reject_reasons()
        return paged(request, rows, REASONS, wanted, {"source": source, "reason": reason})

    def coverage(self, request: Request, wanted: Page, source: Text = None, field: Text = None) -> Response:
        """Which fields the records of each source have; `column.` is before the names of our own columns."""
        rows = self._watch.views.field_coverage()
        return paged(request, rows, COVERAGE, wanted, {"source": source, "field": field})

    def holders(
        self,
        request: Request,
        token_kind: Annotated[str, Path(max_length=64)],
        token: Annotated[int, Path(ge=-(2**63), lt=2**63)],
        wanted: Page,
        run: Text = None,
        tier: Text = None,
        campaign_id: Text = None,
    ) -> Response:
        """Every account of a run's window that carries a token, most exchanges first."""
        run_id = self._kept.run(HOLDERS, wanted, run)
        name = f"holders of {token_kind} {token}"
        rows = self._kept.of_run(name, run_id, lambda: self._watch.views.token_holders(token_kind, token, run_id))
        return paged(request, rows, HOLDERS, wanted, {"tier": tier, "campaign_id": campaign_id}, run_id)

    # -- one campaign -------------------------------------------------------------------------------------------------

    def evidence(self, campaign_id: str, run: Text = None) -> Response:
        """What speaks for and against a campaign, step by step from zero to its score."""
        run_id = self._known(campaign_id, run or self._kept.latest())
        return paging.whole(self._watch.views.evidence(campaign_id, run_id))

    def timeline(self, request: Request, campaign_id: str, wanted: Page, run: Text = None) -> Response:
        """A campaign day by day: volume, who joined, who was suspended and who came after, models."""
        run_id = self._known(campaign_id, self._kept.run(TIMELINE, wanted, run))
        rows = self._kept.of_run(
            f"timeline of {campaign_id}", run_id, lambda: self._watch.views.timeline(campaign_id, run_id)
        )
        return paged(request, rows, TIMELINE, wanted, {}, run_id)

    def tokens(
        self, request: Request, campaign_id: str, wanted: Page, run: Text = None, token_kind: Text = None
    ) -> Response:
        """The tokens that hold a campaign together, with everybody who carries them, most members first."""
        run_id = self._known(campaign_id, self._kept.run(TOKENS, wanted, run))
        rows = self._kept.of_run(
            f"tokens of {campaign_id}", run_id, lambda: self._watch.views.tokens(campaign_id, run_id)
        )
        return paged(request, rows, TOKENS, wanted, {"token_kind": token_kind}, run_id)

    def history(self, request: Request, campaign_id: str, wanted: Page, kind: Text = None) -> Response:
        """What runs found, people said and was done about a campaign, oldest first."""
        rows = self._watch.views.history(campaign_id)
        if not rows.num_rows:
            raise Refused(404, "there is no such campaign in any run; /v1/campaigns lists them")
        return paged(request, rows, HISTORY, wanted, {"kind": kind})

    def exposure(
        self, request: Request, campaign_id: str, wanted: Page, run: Text = None, capability: Text = None
    ) -> Response:
        """What a campaign took, by capability and in all, with intervals. The first call may take long."""
        return self._exposed(request, campaign_id, wanted, run, "", {"capability": capability})

    def exposure_accounts(
        self,
        request: Request,
        campaign_id: str,
        wanted: Page,
        run: Text = None,
        capability: Text = None,
        tier: Text = None,
    ) -> Response:
        """What each account of a campaign took, by capability."""
        return self._exposed(request, campaign_id, wanted, run, "accounts", {"capability": capability, "tier": tier})

    def exposure_days(
        self, request: Request, campaign_id: str, wanted: Page, run: Text = None, capability: Text = None
    ) -> Response:
        """What a campaign took by day and capability."""
        return self._exposed(request, campaign_id, wanted, run, "days", {"capability": capability})

    def exposure_models(
        self, request: Request, campaign_id: str, wanted: Page, run: Text = None, model: Text = None
    ) -> Response:
        """What a campaign took by model, and how soon after its release."""
        return self._exposed(request, campaign_id, wanted, run, "models", {"model": model})

    def _exposed(
        self,
        request: Request,
        campaign_id: str,
        wanted: Page,
        run: str | None,
        part: str,
        filters: dict[str, str | None],
    ) -> Response:
        run_id = self._known(campaign_id, self._kept.run(EXPOSED[part], wanted, run))
        exposed: Exposed = self._kept.of_run("exposure", run_id, lambda: self._watch.exposed(run_id)).of(campaign_id)
        rows = getattr(exposed, part or "sums")
        return paged(request, rows, EXPOSED[part], wanted, filters, run_id)

    def _known(self, campaign_id: str, run_id: str) -> str:
        """The run, which has the campaign."""
        rows = self._kept.campaigns(run_id)
        if pc.index(rows["campaign_id"], campaign_id).as_py() < 0:
            raise Refused(404, "there is no such campaign in this run; /v1/campaigns lists them")
        return run_id
