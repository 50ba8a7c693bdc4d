"""One door to everything that is derived for readers."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.config import Config
from stillwatch.errors import UsageError
from stillwatch.model.table import Table
from stillwatch.model.tables import (
    ACCOUNT_FINDINGS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    PULSES,
)
from stillwatch.pipeline.views import overview, tokens
from stillwatch.pipeline.views.contents import Revealed, reveal
from stillwatch.pipeline.views.evidence import campaign_evidence
from stillwatch.pipeline.views.graph import Laid, lay_out
from stillwatch.pipeline.views.history import campaign_history
from stillwatch.pipeline.views.shelf import Row, Shelf, run_of
from stillwatch.pipeline.views.timeline import campaign_days
from stillwatch.store.workspace import Workspace


class Views:
    """What readers see of one workspace. `find` returns the row of a stored run (None: of the latest).

    Every call computes; results about a stored run change only when the same question is asked again.
    """

    def __init__(
        self,
        workspace: Workspace,
        config: Config,
        *,
        find: Callable[[str | None], Row],
        clock: Callable[[], datetime],
    ) -> None:
        self._shelf = Shelf(workspace, config)
        self._find = find
        self._clock = clock

    def population_days(self, run_id: str | None = None) -> pa.Table:
        """Everybody's traffic by day of the run's window, and the share of it in campaigns, as POPULATION_DAYS."""
        return overview.population_days(self._shelf, run_of(self._find(run_id)))

    def source_health(self) -> pa.Table:
        """What each source sent and when it was last heard of, as SOURCE_HEALTH."""
        try:
            run = run_of(self._find(None))
        except UsageError:
            run = None
        return overview.source_health(self._shelf, run)

    def reject_reasons(self) -> pa.Table:
        """Records in quarantine by source and reason, as REJECT_REASONS."""
        return overview.reject_reasons(self._shelf)

    def field_coverage(self) -> pa.Table:
        """Which fields the records of each source have, as FIELD_COVERAGE."""
        return overview.field_coverage(self._shelf)

    def evidence(self, campaign_id: str, run_id: str | None = None) -> dict[str, Any]:
        """The evidence for and against a campaign, as `campaign_evidence` describes it."""
        row = self._find(run_id)
        campaign = self._of(CAMPAIGNS, campaign_id, row).to_pylist()[0]
        return campaign_evidence(campaign, self._of(ACCOUNT_FINDINGS, campaign_id, row))

    def timeline(self, campaign_id: str, run_id: str | None = None) -> pa.Table:
        """A campaign day by day, as CAMPAIGN_DAYS."""
        row = self._find(run_id)
        return campaign_days(self._shelf, run_of(row), self._of(CAMPAIGN_MEMBERS, campaign_id, row))

    def tokens(self, campaign_id: str, run_id: str | None = None) -> pa.Table:
        """The tokens that hold a campaign together, as CAMPAIGN_TOKENS."""
        row = self._find(run_id)
        return tokens.campaign_tokens(self._shelf, run_of(row), self._of(CAMPAIGN_MEMBERS, campaign_id, row))

    def linking_tokens(self, run_id: str | None = None) -> pa.Table:
        """Every token of every campaign of a run, most members first, as LINKING_TOKENS."""
        return tokens.linking_tokens(self._shelf, run_of(self._find(run_id)))

    def pulses(self) -> pa.Table:
        """Every day whose pulse was taken, oldest first, as PULSES."""
        return self._shelf.rows(PULSES).sort_by("day")

    def reveal(self, content_ref: str, *, actor: str, reason: str) -> Revealed:
        """One stored text; that it was opened is in the ledger before.

        Raises:
            UsageError: no reason is given, or no such text is kept (any more).
        """
        return reveal(self._shelf, content_ref, actor=actor, reason=reason, at=self._clock())

    def token_holders(self, token_kind: str, token: int, run_id: str | None = None) -> pa.Table:
        """Every account of the run's window that carries a token, as TOKEN_HOLDERS."""
        return tokens.token_holders(self._shelf, run_of(self._find(run_id)), token_kind, token)

    def graph(self, campaign_id: str, run_id: str | None = None) -> Laid:
        """A campaign's accounts and the tokens that link them, laid out on a plane."""
        row = self._find(run_id)
        members, findings = (self._of(table, campaign_id, row) for table in (CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS))
        return lay_out(members, findings)

    def links(self, campaign_id: str, first: str, second: str, run_id: str | None = None) -> pa.Table:
        """The tokens that two accounts of a campaign both carry, the most exclusive first, as SHARED_TOKENS."""
        row = self._find(run_id)
        members = self._of(CAMPAIGN_MEMBERS, campaign_id, row)
        return tokens.shared_tokens(self._shelf, run_of(row), members, first, second)

    def history(self, campaign_id: str) -> pa.Table:
        """What runs found, people said and was done about a campaign, as CAMPAIGN_HISTORY."""
        return campaign_history(self._shelf, campaign_id, self._clock())

    def _of(self, table: Table, campaign_id: str, run: Row) -> pa.Table:
        """Rows of a campaign in a run.

        Raises:
            UsageError: the run has no such campaign.
        """
        rows = self._shelf.rows(table, [str(run["run_id"])])
        found = rows.filter(pc.equal(rows["campaign_id"], campaign_id))
        if not found.num_rows and table is not ACCOUNT_FINDINGS:
            raise UsageError(f"there is no campaign {campaign_id!r} in this run; `stillwatch campaigns` lists them")
        return found
