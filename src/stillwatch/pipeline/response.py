"""Response on a workspace: what the lake and the state hold, put before a policy; what it decides, published."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch import response
from stillwatch.config import Config
from stillwatch.engines import Engine, open_engine
from stillwatch.errors import SnapshotError, UsageError
from stillwatch.ingest.pseudonyms import Pseudonymiser
from stillwatch.model.decision import PEER_INDICATORS, Decision
from stillwatch.model.stage import Run
from stillwatch.model.table import Table
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_FINDINGS,
    ACCOUNTS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    DETECTION_RUNS,
    EXCHANGE_RECORDS,
    TOKEN_USES,
)
from stillwatch.model.window import Window
from stillwatch.pipeline.appeals import appeals, opened_appeals
from stillwatch.pipeline.detection import window_tables
from stillwatch.sharing.inbox import in_force
from stillwatch.store.decisions import Budget, Decisions, KillSwitch
from stillwatch.store.lake import Snapshot as LakeSnapshot
from stillwatch.store.schema import microseconds
from stillwatch.store.workspace import Workspace

SNAPSHOT_FILE: Final = "decisions.snapshot"
HOUR: Final = timedelta(hours=1)
_NO_POLICY_VALID_FOR: Final = timedelta(hours=24)
_OWNER_COLUMNS: Final = ["account_id", "as_of", "verified_owner", "contract_tags"]


@dataclass(frozen=True, slots=True)
class Appealed:
    """What a granted appeal did: decisions that ended, and whether it spent the false-positive budget."""

    n_ended: int
    budget: Budget
    is_rolled_back: bool


class Responder:
    """Plans, applies and takes back decisions of one workspace, and publishes the snapshot after each change.

    `clock` dates decisions; it is an argument so that everything can be repeated.
    """

    def __init__(self, workspace: Workspace, config: Config, *, clock: Callable[[], datetime]) -> None:
        self._workspace = workspace
        self._config = config
        self._clock = clock

    @cached_property
    def decisions(self) -> Decisions:
        """The workspace's decisions and what became of them."""
        return Decisions(self._workspace.state, self._workspace.ledger)

    @property
    def snapshot_path(self) -> Path:
        """Where the published snapshot is."""
        return self._workspace.path / SNAPSHOT_FILE

    @property
    def public_key(self) -> bytes:
        """What gateways check the snapshot against."""
        return response.public_key(self._workspace.keys)

    def plan(self, policy: response.Policy, run_id: str | None = None) -> response.Plan:
        """What the policy would do now about the findings of a run (None: the latest at account level)."""
        at = self._clock()
        return response.make_plan(
            policy,
            self.facts(self._run(run_id)),
            self.decisions.standing(at),
            self.decisions.touched_since(at - HOUR),
            at,
        )

    def apply(
        self, policy: response.Policy, *, author: str, second: str | None = None, run_id: str | None = None
    ) -> response.Plan:
        """Record what the plan says and publish it; returns the plan.

        Raises:
            UsageError: the kill switch is on, a second person is missing, or the cap was used up in between.
        """
        self._keep_to_budget(policy.limits)
        plan = self.plan(policy, run_id)
        self.decisions.record(plan.batch(author, second))
        self.publish()
        return plan

    def appeal(self, account_id: str, *, author: str, note: str, unseen: bool = False) -> Appealed:
        """Grant an appeal: the account is restored at once and its judgement `honest` is recorded.

        An id that ingest gives an alias is known by both. `unseen` admits one that nothing stored names: an account
        that was caught on its first request.

        Raises:
            UsageError: no author, no such account, or nothing stands against it.
        """
        if not author.strip():
            raise UsageError("an appeal needs the name of the person who granted it; give it with --by NAME")
        at = self._clock()
        valid = self.decisions.standing(at)
        account_id = self._named(account_id, {decision.account_id for decision in valid}, unseen=unseen)
        n_ended = self.decisions.appeal(account_id, author=author.strip(), note=note, at=at, valid=valid)
        limits = self.limits()
        is_rolled_back = self._keep_to_budget(limits)
        budget = self.decisions.budget(at - timedelta(days=limits.budget_days))
        self.publish(remeasure=False)
        return Appealed(n_ended, budget, is_rolled_back)

    def appeals(self) -> pa.Table:
        """Who asked to be restored, by account events, and who was, as APPEALS; those that wait come first."""
        return appeals(opened_appeals(self._lake), self.decisions.standing(self._clock()), self.decisions.events())

    def kill(self, *, is_on: bool, author: str, note: str, second: str | None = None) -> None:
        """Turn the kill switch on, which one person may, or off, which takes two; publishes at once.

        Raises:
            UsageError: a name is missing.
        """
        author, second = author.strip(), (second or "").strip() or None
        if not author:
            raise UsageError("the kill switch needs a name; give it with --by NAME")
        if not is_on and (second is None or second.casefold() == author.casefold()):
            raise UsageError("turning the kill switch off takes two people; give the other with --second NAME")
        self.decisions.kill(is_on=is_on, author=author, second=second, note=note, at=self._clock())
        self.publish(remeasure=False)

    def policy_in_force(self) -> response.Policy | None:
        """The policy that was applied last; None when none ever was."""
        return self._policy()

    def kill_switch(self) -> KillSwitch:
        """The kill switch as it is now."""
        return self.decisions.kill_switch()

    def budget(self) -> Budget:
        """Decisions and granted appeals that count against the policy applied last."""
        return self.decisions.budget(self._clock() - timedelta(days=self.limits().budget_days))

    def limits(self) -> response.Limits:
        """The limits of the policy applied last; the defaults when none ever was."""
        policy = self._policy()
        return policy.limits if policy else response.Limits()

    def history(self) -> pa.Table:
        """Every decision that was ever made, latest last, with its `status` now."""
        return self.decisions.history(self._clock())

    def back_test(self, policy: response.Policy, *, days: int) -> response.BackTest:
        """Replay the policy on the stored runs of the past days."""
        runs = [(_as_run(row).window.end, row) for row in self._runs()]
        since = max((as_of for as_of, _ in runs), default=self._clock()) - timedelta(days=days)
        past = [response.PastRun(as_of, self.facts(row)) for as_of, row in runs if as_of >= since]
        return response.back_test(policy, past)

    def facts(self, run: Mapping[str, object]) -> response.Facts:
        """What a stored run says, beside the owners, contracts and judgements of today."""
        partition = [str(run["run_id"])]
        tables = {
            table.name: _read(self._lake, table, partition) for table in (CAMPAIGNS, CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS)
        }
        found = response.facts(run, tables, owners=self._owners, judged=self._judged())
        named = pc.any(pc.is_valid(self._indicators()["token"])).as_py()
        return replace(found, campaigns=(*found.campaigns, response.PEER_CASE)) if named else found

    # -- the snapshot -------------------------------------------------------------------------------------------------

    def publish(self, path: Path | None = None, *, remeasure: bool = True) -> Path:
        """Write the signed snapshot of what stands now to `path` (None: the workspace's own).

        Tokens are measured anew, which reads the traffic of the window; with `remeasure` false those of the snapshot
        in place are used, so that who appealed is restored at once. Where there is none they are measured all the same.
        """
        at = self._clock()
        target = path or self.snapshot_path
        policy = self._policy()
        valid_for = response.duration(policy.limits.snapshot_valid_for) if policy else _NO_POLICY_VALID_FOR
        old = None if remeasure else self._published()
        contents = self._contents(policy, at, measures=old is None)
        body = response.build(contents, created_at=at, expires_at=at + valid_for)
        body = body if old is None else response.carried_over(body, old)
        response.write(target.absolute(), body, response.signing_key(self._workspace.keys))
        return target

    def suspended(self) -> list[str]:
        """The accounts that the published snapshot suspends now, ascending.

        Raises:
            UsageError: none is published.
        """
        body = self._published()
        if body is None:
            raise UsageError("no decision snapshot is published here: run `stillwatch respond apply` first")
        return response.Snapshot(body, clock=lambda: microseconds(self._clock())).suspended()

    def _published(self) -> response.Body | None:
        """The snapshot in place; None where there is none that this workspace signed."""
        try:
            return response.verified(self.snapshot_path.read_bytes(), self.public_key, str(self.snapshot_path))
        except (OSError, SnapshotError):
            return None

    def _contents(self, policy: response.Policy | None, at: datetime, *, measures: bool) -> response.Contents:
        judged = self._judged()
        standing = [
            decision
            for decision in self.decisions.standing(at)
            if decision.account_id not in judged.accounts and decision.campaign_id not in judged.campaigns
        ]
        unknown = [decision for decision in standing if decision.account_id is None]
        runs = self._runs()
        tokens, known = self._recognition(unknown, judged) if unknown and runs and measures else ({}, [])
        n_customers = runs[-1]["n_accounts"] if runs else 0
        return response.Contents(
            decisions=tuple(standing),
            tokens=tokens,
            known=known,
            exempt=[*self._owners, *judged.accounts],
            policy_digest=policy.digest if policy else "",
            first_request_cap=int(policy.limits.max_share_per_hour * n_customers) if policy else 0,
            is_killed=self.decisions.kill_switch().is_on,
        )

    def _recognition(
        self, decisions: Sequence[Decision], judged: response.Honest
    ) -> tuple[dict[tuple[str, int], str], list[str]]:
        """The tokens that recognise unknown accounts, and every account seen in the latest run's window.

        A campaign that the latest run no longer finds is measured by its members in the run that decided.
        """
        run = self._run(None)
        members = self._members(str(run["run_id"]), {decision.campaign_id for decision in decisions})
        found = set(members["campaign_id"].to_pylist())
        for earlier in sorted(
            {d.run_id for d in decisions if d.campaign_id not in found | {PEER_INDICATORS}}, reverse=True
        ):
            wanted = {d.campaign_id for d in decisions if d.run_id == earlier} - found
            members = pa.concat_tables([members, self._members(earlier, wanted)])
            found |= wanted
        is_peers = any(decision.campaign_id == PEER_INDICATORS for decision in decisions)
        honest = pa.array(sorted(judged.accounts), pa.string())
        members = members.filter(pc.invert(pc.is_in(members["account_id"], value_set=honest)))
        with self._engine() as engine:
            tables = window_tables(self._lake, _as_run(run), engine=engine, config=self._config)
            tokens = response.exclusive_tokens(
                tables[TOKEN_USES.name], members, engine=engine, settings=self._config.response
            )
            if is_peers:
                findings = _read(self._lake, ACCOUNT_FINDINGS, [str(run["run_id"])])
                named = response.peer_tokens(
                    self._indicators(), tables[TOKEN_USES.name], findings, engine=engine, settings=self._config.response
                )
                tokens = dict.fromkeys(named, PEER_INDICATORS) | tokens
            seen = engine.to_arrow(tables[ACCOUNT_DAYS.name].select("account_id").distinct())
        return tokens, seen["account_id"].to_pylist()

    def _indicators(self) -> pa.Table:
        """Indicators of peers that are in force now."""
        return in_force(self._workspace.state, self._clock())

    def _members(self, run_id: str, campaigns: set[str | None]) -> pa.Table:
        rows = _read(self._lake, CAMPAIGN_MEMBERS, [run_id]).select(["campaign_id", "account_id"])
        chosen = pa.array(sorted(name for name in campaigns if name is not None), pa.string())
        return rows.filter(pc.is_in(rows["campaign_id"], value_set=chosen)).group_by(rows.column_names).aggregate([])

    # -- plumbing -----------------------------------------------------------------------------------------------------

    def _named(self, account_id: str, decided: Collection[str | None], *, unseen: bool) -> str:
        """The account as the lake names it: as it was given, or its alias.

        Raises:
            UsageError: nothing stored names it, and it is not said to be unseen.
        """
        names = Pseudonymiser.under(self._workspace.keys)
        given = pa.array([account_id], pa.string())
        alias, key = (str(names.aliases(given, may_be_key=may_be)[0].as_py()) for may_be in (False, True))
        names_now = (account_id, alias, key, *self._workspace.keys.present_names(account_id))
        known = next((name for name in names_now if name in decided or self._is_stored(name)), None)
        if known is None and not unseen:
            raise UsageError(
                f"no account {account_id!r} is known here; correct the id, or say --unseen (over HTTP `unseen`) for "
                "one that was caught on its first request and that no telemetry names yet"
            )
        return known or alias

    def _is_stored(self, account_id: str) -> bool:
        """Whether registers or telemetry name the account."""
        wanted = [("account_id", "==", account_id)]
        return any(
            pq.read_table(file, columns=["account_id"], filters=wanted, partitioning=None).num_rows
            for table in (ACCOUNTS, ACCOUNT_DAYS, EXCHANGE_RECORDS)
            for file in self._lake.files(table)
        )

    @cached_property
    def _lake(self) -> LakeSnapshot:
        return self._workspace.lake.snapshot()

    @cached_property
    def _owners(self) -> dict[str, str]:
        return response.managed(_read(self._lake, ACCOUNTS, columns=_OWNER_COLUMNS))

    def _judged(self) -> response.Honest:
        return response.honest(self._workspace.state.judgements())

    def _policy(self) -> response.Policy | None:
        body = self.decisions.last_policy()
        return None if body is None else response.Policy.parse(body, "the policy applied last")

    def _keep_to_budget(self, limits: response.Limits) -> bool:
        """Roll everything back where more appeals were granted than the budget allows; returns whether it did."""
        at = self._clock()
        budget = self.decisions.budget(at - timedelta(days=limits.budget_days))
        if self.decisions.kill_switch().is_on or not budget.is_spent(limits.false_positive_budget):
            return False
        note = (
            f"{budget.n_granted:,} appeals granted on {budget.n_enforced:,} accounts are more than a share of "
            f"{limits.false_positive_budget:g}"
        )
        self.decisions.roll_back(self.decisions.standing(at), note=note, at=at)
        return True

    def _runs(self) -> list[dict[str, Any]]:
        """Stored runs at account level, earliest first."""
        rows = _read(self._lake, DETECTION_RUNS).sort_by([("as_of", "ascending"), ("run_id", "ascending")]).to_pylist()
        return [row for row in rows if row["by"] == "account"]

    def _run(self, run_id: str | None) -> dict[str, Any]:
        chosen = [run for run in self._runs() if run_id in (None, run["run_id"])]
        if not chosen:
            wanted = "no detection run" if run_id is None else f"no detection run {run_id!r}"
            raise UsageError(f"{wanted} at account level is stored: run `stillwatch detect` first")
        return chosen[-1]

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        with closing(open_engine(self._config.detect.engine, self._config.engines)) as engine, engine.scope():
            yield engine


def _read(
    lake: LakeSnapshot, table: Table, partitions: Sequence[str] | None = None, columns: list[str] | None = None
) -> pa.Table:
    names = columns or table.schema.names
    parts = [pq.read_table(file, columns=names, partitioning=None) for file in lake.files(table, partitions)]
    return pa.concat_tables(parts) if parts else table.empty().select(names)


def _as_run(row: Mapping[str, object]) -> Run:
    start, end = row["window_start"], row["as_of"]
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    run = Run(run_id=str(row["run_id"]), window=Window(start.astimezone(UTC), end.astimezone(UTC)))
    known_at = row["known_at"]
    return replace(run, known_at=known_at.astimezone(UTC)) if isinstance(known_at, datetime) else run
