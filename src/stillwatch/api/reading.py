"""Everything that the command line reads, over HTTP: the same calls on the same workspace, cut into pages."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Annotated, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from stillwatch.api import paging
from stillwatch.api.bodies import Refused
from stillwatch.api.documents import arrow_and_json, one
from stillwatch.api.exporting import exported
from stillwatch.api.kept import Kept
from stillwatch.api.paging import Form, Listing, Wanted
from stillwatch.model.tables import (
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    DETECTION_RUNS,
    INGEST_BATCHES,
    INGEST_REJECTS,
    JUDGEMENTS,
    SEEN_ACCOUNTS,
)
from stillwatch.python_api import Stillwatch

RUNS: Final = Listing("runs", ("run_id",), time="as_of")
CAMPAIGN_LIST: Final = Listing("campaigns", ("campaign_id",), ("tier", "calibration"), time="last_seen_at")
MEMBERS: Final = Listing("members", ("account_id", "token_kind", "token"), ("account_id", "token_kind"))
GROUPS: Final = Listing("groups", ("token_kind", "token"), ("token_kind",))
SIGNALS: Final = Listing("signals", ("signal",))
ACCOUNTS: Final = Listing("accounts", ("account_id",), ("tier", "campaign_id", "queue"), time="first_flagged_at")
BATCHES: Final = Listing("batches", ("ingest_batch_id",), ("source",), time="started_at")
REJECTS: Final = Listing("rejects", ("ingest_batch_id", "line_no"), ("ingest_batch_id", "reason"))
JUDGEMENT_LIST: Final = Listing("judgements", ("judgement_id",), ("subject_id", "verdict"), time="judged_at")

Text = Annotated[str | None, Query(max_length=512)]


def wanted_page(
    limit: Annotated[int, Query(ge=1, le=paging.MOST_ROWS)] = 100,
    cursor: Annotated[str | None, Query(max_length=4096)] = None,
    at: Annotated[int | None, Query(ge=0, le=2**53, description="place of the first row, in place of a cursor")] = None,
    since: Text = None,
    until: Text = None,
    sort: Annotated[str | None, Query(max_length=64, description="a column; - before it: largest first")] = None,
    format: Annotated[Form | None, Query(description="the whole listing as a file, in place of a page")] = None,
) -> Wanted:
    """Page, and times of the listing's time column: `since` included, `until` not."""
    if at is not None and cursor is not None:
        raise Refused(422, "a page begins behind a cursor or at a place, not both")
    times = paging.as_moment(since, "since"), paging.as_moment(until, "until")
    return Wanted(limit, cursor, {}, *times, at=at, sort=sort, form=format)


Page = Annotated[Wanted, Depends(wanted_page)]


class Reader:
    """The routes that read. Their handlers are plain functions: they run in threads, not in the event loop."""

    def __init__(self, watch: Stillwatch, kept: Kept) -> None:
        self._watch = watch
        self._kept = kept

    def add_to(self, router: APIRouter) -> None:
        """Add every route that reads."""
        listings: tuple[tuple[str, Callable[..., Response], pa.Schema], ...] = (
            ("/v1/runs", self.runs, DETECTION_RUNS.schema),
            ("/v1/campaigns", self.campaigns, CAMPAIGNS.schema),
            ("/v1/campaigns/{campaign_id}/members", self.members, CAMPAIGN_MEMBERS.schema),
            ("/v1/campaigns/{campaign_id}/groups", self.groups, GROUP_SCHEMA),
            ("/v1/campaigns/{campaign_id}/signals", self.signals, SIGNAL_SCHEMA),
            ("/v1/accounts", self.accounts, SEEN_ACCOUNTS),
            ("/v1/batches", self.batches, INGEST_BATCHES.schema),
            ("/v1/rejects", self.rejects, INGEST_REJECTS.schema),
            ("/v1/judgements", self.judgements, JUDGEMENTS.schema),
        )
        for path, handler, schema in listings:
            router.add_api_route(path, handler, methods=["GET"], responses=arrow_and_json(schema), response_model=None)
        for path, handler in (
            ("/v1/campaigns/{campaign_id}", self.campaign),
            ("/v1/accounts/{account_id:path}", self.account),
            ("/v1/calibration", self.calibration),
        ):
            router.add_api_route(path, handler, methods=["GET"], responses=one(), response_model=None)

    # -- runs and what they found -------------------------------------------------------------------------------------

    def runs(self, request: Request, wanted: Page) -> Response:
        """Stored detection runs, latest `as_of` last."""
        return paged(request, self._kept.runs(), RUNS, wanted, {})

    def campaigns(
        self, request: Request, wanted: Page, run: Text = None, tier: Text = None, calibration: Text = None
    ) -> Response:
        """Campaigns of a run (default: the latest): accused ones first, then those to review, best score first."""
        run_id = self._kept.run(CAMPAIGN_LIST, wanted, run)
        rows = self._kept.campaigns(run_id)
        return paged(request, rows, CAMPAIGN_LIST, wanted, {"tier": tier, "calibration": calibration}, run_id)

    def campaign(self, campaign_id: str, run: Text = None) -> Response:
        """One campaign with everything that is known of it."""
        run_id = self._kept.latest() if run is None else run
        return _json(self._campaign(campaign_id, run_id))

    def members(
        self,
        request: Request,
        campaign_id: str,
        wanted: Page,
        run: Text = None,
        account_id: Text = None,
        token_kind: Text = None,
    ) -> Response:
        """The slices that are the evidence of a campaign, by account."""
        run_id = self._kept.run(MEMBERS, wanted, run)
        rows = self._members(campaign_id, run_id)
        return paged(request, rows, MEMBERS, wanted, {"account_id": account_id, "token_kind": token_kind}, run_id)

    def groups(
        self, request: Request, campaign_id: str, wanted: Page, run: Text = None, token_kind: Text = None
    ) -> Response:
        """The tokens that hold a campaign together, most accounts first."""
        run_id = self._kept.run(GROUPS, wanted, run)
        rows = _groups(self._members(campaign_id, run_id))
        return paged(request, rows, GROUPS, wanted, {"token_kind": token_kind}, run_id)

    def signals(self, request: Request, campaign_id: str, wanted: Page, run: Text = None) -> Response:
        """What the signals of a campaign's best group say, most telling first."""
        run_id = self._kept.run(SIGNALS, wanted, run)
        found = self._campaign(campaign_id, run_id)
        columns = [found[name] for name in ("signals", "signal_p_values", "signal_contributions")]
        rows = pa.Table.from_arrays(
            [pa.array(column, kind.type) for column, kind in zip(columns, SIGNAL_SCHEMA, strict=True)],
            schema=SIGNAL_SCHEMA,
        )
        return paged(request, rows, SIGNALS, wanted, {}, run_id)

    def accounts(
        self,
        request: Request,
        wanted: Page,
        run: Text = None,
        tier: Text = None,
        campaign_id: Text = None,
        queue: Text = None,
    ) -> Response:
        """Every account seen in a run's window with its tier, accused ones first."""
        run_id = self._kept.run(ACCOUNTS, wanted, run)
        rows = self._kept.accounts(run_id)
        filters = {"tier": tier, "campaign_id": campaign_id, "queue": queue}
        asked = _filtered(wanted, filters)
        name = f"places of accounts: {asked.sort} {sorted(asked.equal.items())} {asked.since} {asked.until}"
        places = self._kept.of_run(name, run_id, lambda: paging.places_of(rows, ACCOUNTS, asked))
        return _answered(request, rows, ACCOUNTS, asked, places, run_id)

    def account(self, account_id: str, run: Text = None) -> Response:
        """Why an account was flagged, or that it was not: finding and campaign are null then. Tokens are text."""
        found = self._watch.explain(account_id, run)
        slices = [row | {"token": str(row["token"])} for row in found.slices]
        return _json(asdict(found) | {"slices": slices})

    def calibration(self) -> Response:
        """The calibration that the next run uses."""
        return _json(self._watch.calibration())

    # -- what came in, and what people said ---------------------------------------------------------------------------

    def batches(self, request: Request, wanted: Page, source: Text = None) -> Response:
        """Every ingest batch, oldest first."""
        rows = self._watch.batches().table.sort_by([("started_at", "ascending"), ("ingest_batch_id", "ascending")])
        return paged(request, rows, BATCHES, wanted, {"source": source})

    def rejects(self, request: Request, wanted: Page, ingest_batch_id: Text = None, reason: Text = None) -> Response:
        """Records in quarantine: where they stood and why, never what they said."""
        rows = self._watch.rejects().table
        return paged(request, rows, REJECTS, wanted, {"ingest_batch_id": ingest_batch_id, "reason": reason})

    def judgements(self, request: Request, wanted: Page, subject_id: Text = None, verdict: Text = None) -> Response:
        """What people concluded, oldest first."""
        rows = self._watch.workspace.state.judgements(None)
        return paged(request, rows, JUDGEMENT_LIST, wanted, {"subject_id": subject_id, "verdict": verdict})

    # -- plumbing -----------------------------------------------------------------------------------------------------

    def _campaign(self, campaign_id: str, run_id: str) -> dict[str, Any]:
        rows = self._kept.campaigns(run_id)
        found: list[dict[str, Any]] = rows.filter(pc.equal(rows["campaign_id"], campaign_id)).to_pylist()
        if not found:
            raise Refused(404, "there is no such campaign in this run; /v1/campaigns lists them")
        return found[0]

    def _members(self, campaign_id: str, run_id: str) -> pa.Table:
        self._campaign(campaign_id, run_id)
        rows = self._watch.members(campaign_id, run_id).table
        return rows.sort_by([(name, "ascending") for name in MEMBERS.key])


GROUP_SCHEMA: Final = pa.schema(
    [
        pa.field("token_kind", pa.string(), nullable=False),
        pa.field("token", pa.int64(), nullable=False),
        pa.field("n_accounts", pa.int64(), nullable=False),
        pa.field("n_exchanges", pa.int64(), nullable=False),
        pa.field("first_seen_at", CAMPAIGN_MEMBERS.schema.field("first_seen_at").type, nullable=False),
        pa.field("last_seen_at", CAMPAIGN_MEMBERS.schema.field("last_seen_at").type, nullable=False),
    ]
)

SIGNAL_SCHEMA: Final = pa.schema(
    [
        pa.field("signal", pa.string(), nullable=False),
        pa.field("p_value", pa.float64()),
        pa.field("contribution", pa.float64()),
    ]
)


def _groups(members: pa.Table) -> pa.Table:
    grouped = members.group_by(["token_kind", "token"], use_threads=False).aggregate(
        [("account_id", "count_distinct"), ("n", "sum"), ("first_seen_at", "min"), ("last_seen_at", "max")]
    )
    columns = ("token_kind", "token", "account_id_count_distinct", "n_sum", "first_seen_at_min", "last_seen_at_max")
    rows = pa.Table.from_arrays([grouped[name].combine_chunks() for name in columns], schema=GROUP_SCHEMA)
    return rows.sort_by([("n_accounts", "descending"), ("token_kind", "ascending"), ("token", "ascending")])


def paged(
    request: Request,
    rows: pa.Table,
    listing: Listing,
    wanted: Wanted,
    filters: dict[str, str | None],
    run_id: str = "",
) -> Response:
    """One page of a listing, filtered, or all of it as a file; a filter that is None was not asked for."""
    asked = _filtered(wanted, filters)
    return _answered(request, rows, listing, asked, paging.places_of(rows, listing, asked), run_id)


def _filtered(wanted: Wanted, filters: dict[str, str | None]) -> Wanted:
    return replace(wanted, equal={name: value for name, value in filters.items() if value is not None})


def _answered(
    request: Request, rows: pa.Table, listing: Listing, asked: Wanted, places: paging.Places | None, run_id: str
) -> Response:
    """The page, or the file, of the rows at `places`."""
    if asked.form is not None:
        name = f"{listing.name}-{run_id}" if run_id else listing.name
        return exported(request, rows if places is None else rows.take(places), name, asked.form)
    return paging.answer(request, paging.page(rows, listing, asked, places, pinned=run_id))


def _json(value: object) -> Response:
    return Response(paging.encode(value), media_type=paging.JSON)
