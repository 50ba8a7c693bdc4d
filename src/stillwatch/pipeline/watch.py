"""The watch: one detection run after the other, what is new about campaigns said once, decisions kept fresh."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch import campaigns
from stillwatch.config import Config
from stillwatch.engines import open_engine
from stillwatch.errors import LakeLocked, StillwatchError, UsageError
from stillwatch.model.decision import Action
from stillwatch.model.table import Table
from stillwatch.model.tables import (
    ACCOUNT_EVENTS,
    ACCOUNT_FINDINGS,
    ACCOUNTS,
    CALIBRATIONS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    EXCHANGE_RECORDS,
    PROMPT_SKETCHES,
)
from stillwatch.model.watched import WatchedCampaign
from stillwatch.pipeline.daily import Progress, silent
from stillwatch.pipeline.detection import Question, detect
from stillwatch.pipeline.response import Responder
from stillwatch.response import Plan, webhooks
from stillwatch.sharing.inbox import received
from stillwatch.store.lake import Snapshot as LakeSnapshot
from stillwatch.store.outbox import Message, Outbox
from stillwatch.store.underway import under_way
from stillwatch.store.watched import Mark, Watched
from stillwatch.store.workspace import Workspace

READ: Final = (EXCHANGE_RECORDS, PROMPT_SKETCHES, ACCOUNTS, ACCOUNT_EVENTS, CALIBRATIONS)
"""Tables whose change makes a new run worth its cost; judgements count too."""
AT_LEAST_EVERY: Final = timedelta(days=1)
"""A run is made this often even when nothing arrived: the window moves on."""
SUSPENSIONS: Final = pa.schema([("account_id", pa.string()), ("at", pa.timestamp("us", "UTC"))])
AUTHOR: Final = "stillwatch watch"

_log = logging.getLogger(__name__)


class Stopped(StillwatchError):
    """The watch was told to end; nothing of the run that was under way is stored."""


class Ended(Enum):
    """How one round of the watch ended."""

    ANNOUNCED = "announced"
    SKIPPED = "skipped"
    BUSY = "busy"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did; `why` tells of rounds without a run."""

    ended: Ended
    why: str = ""
    run_id: str | None = None
    n_events: int = 0


class Watch:
    """Rounds of detection on one workspace, what they announce, and its delivery.

    `clock` dates runs and attempts; `is_over` is asked between stages and deliveries, and ends a round early.
    """

    def __init__(
        self,
        workspace: Workspace,
        config: Config,
        *,
        clock: Callable[[], datetime],
        is_over: Callable[[], bool] = lambda: False,
        progress: Progress = silent,
    ) -> None:
        self._workspace = workspace
        self._config = config
        self._clock = clock
        self._is_over = is_over
        self._progress = progress
        self._secrets = webhooks.checked(config.webhooks)

    @cached_property
    def outbox(self) -> Outbox:
        """Events on their way out."""
        return Outbox(self._workspace.state)

    @cached_property
    def watched(self) -> Watched:
        """What was announced."""
        return Watched(self._workspace.state, self.outbox)

    def round(self, as_of: datetime | None = None) -> Round:
        """One round at the clock's time, or at `as_of`: detect, announce, decide, publish.

        Raises:
            Stopped: the watch is over; the next round does what this one did not.
        """
        at = as_of or self._clock()
        try:
            return self._round(at)
        except LakeLocked as error:
            return Round(Ended.BUSY, str(error))
        except Stopped:
            raise
        except StillwatchError as error:
            _log.error("a run failed: %s", error)
            return Round(Ended.FAILED, str(error), n_events=self._say_failed(error, at))
        except Exception as error:
            self._say_failed(error, at)
            raise

    def deliver(self) -> webhooks.Rounds:
        """Try every delivery that is due."""
        courier = webhooks.Courier(self.outbox, self._config.webhooks, self._secrets, clock=self._clock)
        return courier.deliver(self._is_over)

    def next_delivery_at(self) -> datetime | None:
        """When the next delivery is due; None when nothing waits."""
        return self.outbox.next_at([endpoint.name for endpoint in self._config.webhooks.endpoints])

    def test(self) -> int:
        """Put out an event that says nothing, for every endpoint; returns how many endpoints there are."""
        at = self._clock()
        event = webhooks.Event("webhook.test", at.isoformat(), at)
        self.outbox.put([self._message(event)])
        return len(self._config.webhooks.endpoints)

    # -- one round ----------------------------------------------------------------------------------------------------

    def _round(self, at: datetime) -> Round:
        snapshot = self._workspace.lake.snapshot()
        last = self.watched.last(failed=False)
        seen = self._seen(snapshot)
        why = self._why_not(snapshot, last, seen, at)
        if why is not None:
            self._settle(last.run_id if last else None)
            return Round(Ended.SKIPPED, why)
        run_id = self._detect(at)
        n_events = self._announce(run_id, last, seen, at)
        self._check()
        n_events += self._settle(run_id)
        return Round(Ended.ANNOUNCED, run_id=run_id, n_events=n_events)

    def _why_not(self, snapshot: LakeSnapshot, last: Mark | None, seen: str, at: datetime) -> str | None:
        """Why no run is worth its cost now; None when one is."""
        days = snapshot.partitions(EXCHANGE_RECORDS)
        first = str((at - timedelta(days=self._config.detect.window_days - 1)).date())
        if not any(first <= day <= str(at.date()) for day in days):
            return "no traffic was ingested for the window"
        if last is not None and last.seen == seen and at - last.at < AT_LEAST_EVERY:
            return f"nothing new arrived since the run of {last.at:%Y-%m-%d %H:%M}"
        return None

    def _seen(self, snapshot: LakeSnapshot) -> str:
        """The version of everything that a run reads."""
        newest = max(
            (snapshot.generation(table, name) for table in READ for name in snapshot.partitions(table)), default=0
        )
        told = received(self._workspace.state, None)
        last_told = pc.max(told["modified"]).as_py()
        return f"{newest}:{self._workspace.state.judgements().num_rows}:{told.num_rows}:{last_told}"

    def _detect(self, at: datetime) -> str:
        def between(step: str, done: int, total: int) -> None:
            self._check()
            self._progress(step, done, total)

        with (
            closing(open_engine(self._config.detect.engine, self._config.engines)) as engine,
            under_way(self._workspace.path, self._clock(), between) as told,
        ):
            outcome = detect(
                self._workspace.lake, self._workspace.state.judgements(at), Question(as_of=at),
                engine=engine, config=self._config, progress=told, indicators=received(self._workspace.state, at),
            )  # fmt: skip
        return outcome.run.run_id

    def _check(self) -> None:
        if self._is_over():
            raise Stopped("the watch was told to end; the next start goes on")

    # -- what is said -------------------------------------------------------------------------------------------------

    def _announce(self, run_id: str, last: Mark | None, seen: str, at: datetime) -> int:
        """Mark the run and put out what is new about campaigns, in one transaction."""
        snapshot = self._workspace.lake.snapshot()
        rows = _read(snapshot, CAMPAIGNS, run_id)
        accused = _accused(_read(snapshot, ACCOUNT_FINDINGS, run_id))
        successors = self._successors(snapshot, run_id, last)

        def make(known: list[WatchedCampaign]) -> tuple[list[Message], tuple[WatchedCampaign, ...]]:
            found = campaigns.compare(known, rows, successors, at=at, settings=self._config.campaigns)
            events = [self._event(change, accused, {"run_id": run_id, "as_of": at}) for change in found.changes]
            for event in events:
                _log.warning("%s %s: %s", event.kind, event.subject, event.data["why"])
            return [self._message(event) for event in events], found.campaigns

        return self.watched.announce(seen, at, make, run_id=run_id)

    def _successors(self, snapshot: LakeSnapshot, run_id: str, last: Mark | None) -> dict[str, int]:
        """Accounts by campaign that took over since the run announced last; none where that run is no longer stored."""
        if last is None or last.run_id is None:
            return {}
        before = _read(snapshot, CAMPAIGN_MEMBERS, last.run_id)
        suspended = pa.concat_tables([self._suspended(snapshot), self._suspended_by_decision()])
        return campaigns.count_successors(before, _read(snapshot, CAMPAIGN_MEMBERS, run_id), suspended)

    def _suspended(self, snapshot: LakeSnapshot) -> pa.Table:
        events = _read(snapshot, ACCOUNT_EVENTS)
        events = events.filter(pc.equal(events["event_name"], "suspended"))
        return pa.table([events["account_id"], events["event_time"]], schema=SUSPENSIONS)

    def _suspended_by_decision(self) -> pa.Table:
        decided = Responder(self._workspace, self._config, clock=self._clock).history()
        stops = pc.and_(
            pc.and_(pc.equal(decided["action"], Action.SUSPEND.value), pc.not_equal(decided["mode"], "shadow")),
            pc.is_valid(decided["account_id"]),
        )
        decided = decided.filter(stops)
        return pa.table([decided["account_id"], decided["decided_at"]], schema=SUSPENSIONS)

    def _event(self, change: campaigns.Change, accused: dict[str, int], run: Mapping[str, object]) -> webhooks.Event:
        data: dict[str, object] = {"campaign_id": change.campaign_id, "why": change.why, **run}
        if change.row is not None:
            data |= _told(change.row) | {"n_accused": accused.get(change.campaign_id, 0)}
        if change.n_before is not None:
            data |= {"n_accounts_before": change.n_before, "n_new_accounts": change.n_new}
        if self._config.webhooks.link:
            data["link"] = self._config.webhooks.link.replace("{campaign_id}", change.campaign_id)
        # NOTE: two changes of one kind (a tier and a capability) are two events, so the reason is part of the cause.
        cause = f"{run['run_id']}|{change.why}"
        return webhooks.Event(change.kind.value, cause, self._clock(), change.campaign_id, data)

    def _say_failed(self, error: Exception, at: datetime) -> int:
        """Put out that runs fail, once for a series of failures with one cause; returns how many events."""
        fault = type(error).__name__
        last = self.watched.last()
        event = webhooks.Event("run.failed", at.isoformat(), self._clock(), data={"error": fault, "as_of": at})
        is_known = last is not None and last.fault == fault
        messages = [] if is_known else [self._message(event)]
        return self.watched.announce("", at, lambda _known: (messages, ()), fault=fault)

    def _message(self, event: webhooks.Event) -> Message:
        return Message(
            event_id=event.event_id,
            kind=event.kind,
            subject=event.subject,
            happened_at=event.happened_at,
            body=webhooks.written(event, self._workspace.workspace_id),
            endpoints=tuple(
                endpoint.name
                for endpoint in self._config.webhooks.endpoints
                if not endpoint.events or event.kind in endpoint.events or event.kind == "webhook.test"
            ),
        )

    # -- decisions ----------------------------------------------------------------------------------------------------

    def _settle(self, run_id: str | None) -> int:
        """Apply the policy in force where it may go unattended, and publish; returns how many events that made."""
        responder = Responder(self._workspace, self._config, clock=self._clock)
        event = None if run_id is None else self._respond(responder, run_id)
        if event is None or event.kind != "response.applied":  # applying has published already
            responder.publish()
        if event is None:
            return 0
        self.outbox.put([self._message(event)])
        return 1

    def _respond(self, responder: Responder, run_id: str) -> webhooks.Event | None:
        policy = responder.policy_in_force()
        if policy is None or responder.kill_switch().is_on:
            return None
        plan = responder.plan(policy, run_id)
        if not plan.has_changes:
            return None
        data: dict[str, object] = {"run_id": run_id, "policy_digest": policy.digest, **_counts(plan)}
        if not policy.limits.unattended or plan.needs_second:
            why = "two people must agree" if plan.needs_second else "the policy leaves it to people"
            said = {**data, "why": why, "needs_second": list(plan.needs_second)}
            return webhooks.Event("response.waiting", plan.summary_digest, plan.at, data=said)
        try:
            applied = responder.apply(policy, author=AUTHOR, run_id=run_id)
        except UsageError as error:  # somebody turned the kill switch on, or used the cap up, in between
            _log.warning("the policy was not applied: %s", error)
            return None
        return webhooks.Event("response.applied", f"{run_id}|{applied.at.isoformat()}", applied.at, data=data)


def _counts(plan: Plan) -> dict[str, object]:
    return {"n_touched": plan.n_touched, "n_customers": plan.facts.n_customers, "cap_per_hour": plan.cap}


def _told(row: Mapping[str, Any]) -> dict[str, object]:
    names: Sequence[str] = (
        "tier", "n_accounts", "n_exchanges", "input_tokens", "output_tokens", "first_seen_at", "last_seen_at",
        "capabilities", "signals", "nearest_lookalike", "q_value", "calibration",
    )  # fmt: skip
    return {name: row[name] for name in names}


def _accused(findings: pa.Table) -> dict[str, int]:
    """Accused accounts by campaign."""
    rows = findings.filter(pc.equal(findings["tier"], "accuse"))
    counted = rows.group_by("campaign_id").aggregate([("account_id", "count")])
    return dict(zip(counted["campaign_id"].to_pylist(), counted["account_id_count"].to_pylist(), strict=True))


def _read(snapshot: LakeSnapshot, table: Table, run_id: str | None = None) -> pa.Table:
    files = snapshot.files(table, None if run_id is None else [run_id])
    parts = [pq.read_table(file, schema=table.schema, partitioning=None) for file in files]
    return pa.concat_tables(parts) if parts else table.empty()
