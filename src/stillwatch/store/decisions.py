"""Decisions in the state database: rows are only ever added, and each batch is sealed by an entry of the ledger."""

import hashlib
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import pyarrow as pa
import sqlalchemy as sa

from stillwatch.errors import LedgerError, UsageError
from stillwatch.model.decision import Action, Decision, Mode, Status
from stillwatch.model.tables import DECISION_EVENTS, DECISIONS
from stillwatch.store.ledger import Body, Ledger
from stillwatch.store.schema import STORED, microseconds, moment
from stillwatch.store.state import State, arrow_rows

APPLIED: Final = "decisions.applied"
RENAMED: Final = "decisions.renamed"
"""Seals a batch anew after accounts in it got other names: `store.renames`."""
_DECISIONS, _EVENTS, _POLICIES = STORED["decisions"], STORED["decision_events"], STORED["policies"]
_KILL = ("kill_on", "kill_off")
_TIMES = frozenset({"decided_at", "expires_at"})


@dataclass(frozen=True, slots=True)
class Batch:
    """What one person (or two) applied at one moment.

    `ended` maps the ids of decisions that are over to what became of them. `renewed` maps the ids of acting decisions
    that are made again unchanged to their accounts (None: unknown ones): nobody is touched by them. `max_touched`
    bounds the accounts whose treatment changes within an hour, those of earlier batches included.
    """

    decisions: tuple[Decision, ...]
    ended: dict[str, Status]
    policy_digest: str
    policy_body: str
    author: str
    second: str | None
    max_touched: int
    at: datetime
    renewed: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """Whether everything is stopped, and who said so last; `since` None when nobody ever touched it."""

    is_on: bool = False
    author: str = ""
    note: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """How many decisions were made, how many endings and turns of the kill switch there were, and the latest's time."""

    n_decided: int
    n_events: int
    is_killed: bool
    until: datetime


@dataclass(frozen=True, slots=True)
class Budget:
    """Accounts with a decision in force, and appeals granted against such, since `since`."""

    n_enforced: int
    n_granted: int
    since: datetime

    def is_spent(self, share: float) -> bool:
        """Whether more than `share` of the decisions were taken back on appeal."""
        return self.n_granted > share * self.n_enforced


class Decisions:
    """The decisions of one workspace and what became of them."""

    def __init__(self, state: State, ledger: Ledger) -> None:
        self._state = state
        self._ledger = ledger

    # -- writing ------------------------------------------------------------------------------------------------------

    def record(self, batch: Batch) -> str:
        """Add the batch's decisions and endings in one transaction; returns the batch's id.

        Raises:
            UsageError: the kill switch is on, or the hour's cap would be exceeded; nothing is recorded.
        """
        batch_id = f"b-{uuid.uuid4().hex[:16]}"
        rows = [{"batch_id": batch_id, **_row(decision)} for decision in batch.decisions]
        body: Body = {
            "batch_id": batch_id,
            "n_decisions": len(rows),
            "n_ended": len(batch.ended),
            "digest": sealed_digest(rows),
            "policy_digest": batch.policy_digest,
            "author": batch.author,
            "second": batch.second,
        }
        with self._state.writing() as connection:
            self._ledger.append_within(connection, APPLIED, body, batch.at)  # first: its row lock orders writers
            self._refuse_beyond(connection, batch)
            policy = {
                "policy_digest": batch.policy_digest,
                "body": batch.policy_body,
                "first_applied_at": microseconds(batch.at),
            }
            self._state.insert_new(connection, _POLICIES, [policy])
            if rows:
                connection.execute(sa.insert(_DECISIONS), rows)
            self._end(connection, batch.ended, author=batch.author, note="applied", at=batch.at, accounts=batch.renewed)
        return batch_id

    def appeal(self, account_id: str, *, author: str, note: str, at: datetime, valid: Collection[Decision]) -> int:
        """Grant an account's appeal: its decisions end and the judgement `honest` is recorded, in one transaction.

        `valid` are the standing decisions; returns how many of them ended.

        Raises:
            UsageError: nothing stands against the account, so there is nothing to appeal against.
        """
        mine = [decision for decision in valid if decision.account_id == account_id]
        unknown = any(decision.account_id is None and decision.mode.acts for decision in valid)
        if not mine and not unknown:
            raise UsageError(
                f"no decision stands against account {account_id!r}; to record that it is honest, "
                "use `stillwatch judge ACCOUNT honest`"
            )
        counts = any(decision.mode.acts for decision in mine) or not mine
        with self._state.writing() as connection:
            subject = self._ledger.pseudonymous(connection, f"account:{account_id}")
            body: Body = {"account": subject, "n_ended": len(mine), "author": author}
            self._ledger.append_within(connection, "decisions.appealed", body, at)
            said = ("account", account_id, "honest")
            self._state.judge_within(connection, said, author=author, note=note, judged_at=at)
            # NOTE: one event counts however many decisions end, so that the budget counts appeals.
            keys: list[str | None] = [decision.decision_id for decision in mine]
            self._add_events(
                connection,
                [
                    _event(
                        "appealed",
                        at,
                        author,
                        note,
                        decision_id=key,
                        account_id=account_id,
                        counts=counts and number == 0,
                    )
                    for number, key in enumerate(keys or [None])
                ],
            )
        return len(mine)

    def roll_back(self, decisions: Iterable[Decision], *, note: str, at: datetime) -> int:
        """End all acting decisions and turn the kill switch on; returns how many ended."""
        acting = {decision.decision_id: Status.ROLLED_BACK for decision in decisions if decision.mode.acts}
        author = "false-positive budget"
        with self._state.writing() as connection:
            body: Body = {"n_ended": len(acting), "author": author}
            self._ledger.append_within(connection, "decisions.rolled_back", body, at)
            self._end(connection, acting, author=author, note=note, at=at)
            self._add_events(connection, [_event("kill_on", at, author, note)])
        return len(acting)

    def kill(self, *, is_on: bool, author: str, note: str, at: datetime, second: str | None = None) -> None:
        """Turn the kill switch on (one person) or off (two)."""
        kind = _KILL[0] if is_on else _KILL[1]
        with self._state.writing() as connection:
            self._ledger.append_within(connection, f"decisions.{kind}", {"author": author, "second": second}, at)
            self._add_events(connection, [_event(kind, at, author, note, second_by=second)])

    # -- reading ------------------------------------------------------------------------------------------------------

    def standing(self, at: datetime) -> list[Decision]:
        """Decisions that nothing ended and that expire after `at`, oldest first."""
        over = sa.select(_EVENTS.c.decision_id).where(_EVENTS.c.decision_id.is_not(None))
        query = (
            sa.select(_DECISIONS)
            .where(_DECISIONS.c.expires_at > microseconds(at), _DECISIONS.c.decision_id.not_in(over))
            .order_by(_DECISIONS.c.decided_at, _DECISIONS.c.decision_id)
        )
        with self._state.reading() as connection:
            return [_decision(row) for row in connection.execute(query)]

    def history(self, at: datetime) -> pa.Table:
        """All decisions ever made, oldest first, in the shape of the floor plan with their `status` at `at`."""
        with self._state.reading() as connection:
            query = sa.select(_DECISIONS).order_by(_DECISIONS.c.decided_at, _DECISIONS.c.decision_id)
            rows = connection.execute(query).all()
            endings = sa.select(_EVENTS.c.decision_id, _EVENTS.c.kind).where(
                _EVENTS.c.decision_id.is_not(None), _EVENTS.c.happened_at <= microseconds(at)
            )
            ended = {row.decision_id: row.kind for row in connection.execute(endings)}
        now = microseconds(at)
        unended = [Status.EXPIRED if row.expires_at <= now else Status.ACTIVE for row in rows]
        status = [ended.get(row.decision_id, other.value) for row, other in zip(rows, unended, strict=True)]
        return arrow_rows(DECISIONS, rows).append_column("status", pa.array(status, pa.string()))

    def events(self) -> pa.Table:
        """Everything that became of decisions, oldest first, in the shape of the floor plan."""
        with self._state.reading() as connection:
            query = sa.select(_EVENTS).order_by(_EVENTS.c.happened_at, _EVENTS.c.event_id)
            return arrow_rows(DECISION_EVENTS, connection.execute(query).all())

    def changes_after(self, at: datetime) -> Changes:
        """What was decided and what ended later than `at`."""
        stamp = microseconds(at)
        made, ended = _DECISIONS.c.decided_at, _EVENTS.c.happened_at
        with self._state.reading() as connection:
            n_decided, last = connection.execute(
                sa.select(sa.func.count(), sa.func.max(made)).where(made > stamp)
            ).one()
            n_events, last_event = connection.execute(
                sa.select(sa.func.count(), sa.func.max(ended)).where(ended > stamp)
            ).one()
            is_killed = _kill_switch(connection).is_on
        return Changes(n_decided, n_events, is_killed, moment(max(stamp, last or 0, last_event or 0)))

    def touched_since(self, at: datetime) -> frozenset[str]:
        """Accounts about which an acting decision was made at `at` or later, whatever became of it."""
        with self._state.reading() as connection:
            return _touched(connection, at)

    def kill_switch(self) -> KillSwitch:
        """The kill switch as it is now."""
        with self._state.reading() as connection:
            return _kill_switch(connection)

    def budget(self, since: datetime) -> Budget:
        """Decisions in force and appeals granted since `since`, or since the last `kill off` if that is later."""
        with self._state.reading() as connection:
            resumed = connection.scalar(sa.select(sa.func.max(_EVENTS.c.happened_at)).where(_EVENTS.c.kind == _KILL[1]))
            start = max(microseconds(since), 0 if resumed is None else resumed)
            n_granted = connection.scalar(
                sa.select(sa.func.count()).where(_EVENTS.c.counts.is_(True), _EVENTS.c.happened_at >= start)
            )
            n_enforced = len(_touched(connection, moment(start), with_renewals=True))
        return Budget(n_enforced, n_granted or 0, moment(start))

    def policy(self, policy_digest: str) -> str:
        """The text of a policy that was applied.

        Raises:
            UsageError: none of that digest ever was.
        """
        with self._state.reading() as connection:
            body = connection.scalar(sa.select(_POLICIES.c.body).where(_POLICIES.c.policy_digest == policy_digest))
        if body is None:
            raise UsageError(f"no policy {policy_digest} was ever applied")
        return str(body)

    def last_policy(self) -> str | None:
        """The text of the policy that was applied last; None when none ever was."""
        entries = self._ledger.entries(APPLIED)
        return self.policy(msgspec.json.decode(entries[-1].body)["policy_digest"]) if entries else None

    def verify(self) -> int:
        """Check that the stored decisions are those that the ledger sealed; returns how many there are.

        Raises:
            LedgerError: a decision was changed, removed or put in from outside.
        """
        self._ledger.verify()
        stored: dict[str, list[dict[str, Any]]] = {}
        with self._state.reading() as connection:
            for row in connection.execute(sa.select(_DECISIONS)):
                stored.setdefault(row.batch_id, []).append(dict(row._mapping))
        sealed = {
            body["batch_id"]: body["digest"]
            for kind in (APPLIED, RENAMED)
            for body in (msgspec.json.decode(entry.body) for entry in self._ledger.entries(kind))
        }
        unknown = stored.keys() - sealed.keys()
        changed = [key for key, digest in sealed.items() if sealed_digest(stored.get(key, [])) != digest]
        if unknown or changed:
            raise LedgerError(
                f"decisions of batch {', '.join(sorted([*unknown, *changed]))} are not as the ledger sealed them; "
                "restore a backup and find out who wrote to the database"
            )
        return sum(map(len, stored.values()))

    # -- plumbing -----------------------------------------------------------------------------------------------------

    def _refuse_beyond(self, connection: sa.Connection, batch: Batch) -> None:
        switch = _kill_switch(connection)
        if switch.is_on:
            raise UsageError(
                f"the kill switch is on (by {switch.author}: {switch.note}); find out why, then "
                "`stillwatch respond kill off --by NAME --second NAME`"
            )
        before = _touched(connection, batch.at - timedelta(hours=1))
        named = {d.account_id for d in batch.decisions if d.mode.acts and d.account_id is not None}
        fresh = named - before - set(batch.renewed.values())
        if fresh and len(before) + len(fresh) > batch.max_touched:
            raise UsageError(
                f"{len(before) + len(fresh):,} accounts would be touched within an hour, the cap is "
                f"{batch.max_touched:,}: somebody else applied in between; run `stillwatch respond plan` again"
            )

    def _end(
        self,
        connection: sa.Connection,
        ended: Mapping[str, Status],
        *,
        author: str,
        note: str,
        at: datetime,
        accounts: Mapping[str, str | None] | None = None,
    ) -> None:
        named = accounts or {}
        self._add_events(
            connection,
            [
                _event(status.value, at, author, note, decision_id=key, account_id=named.get(key))
                for key, status in sorted(ended.items())
            ],
        )

    def _add_events(self, connection: sa.Connection, events: Sequence[dict[str, object]]) -> None:
        if events:
            connection.execute(sa.insert(_EVENTS), events)


def _event(
    kind: str,
    at: datetime,
    author: str,
    note: str,
    *,
    decision_id: str | None = None,
    account_id: str | None = None,
    counts: bool = False,
    second_by: str | None = None,
) -> dict[str, object]:
    return {
        "event_id": uuid.uuid4().hex, "kind": kind, "decision_id": decision_id, "account_id": account_id,
        "counts": counts, "author": author, "second_by": second_by, "note": note, "happened_at": microseconds(at),
    }  # fmt: skip


def _row(decision: Decision) -> dict[str, Any]:
    row = {name: value for name, value in asdict(decision).items() if name in DECISIONS.schema.names}
    row |= {name: microseconds(row[name]) for name in _TIMES}
    row |= {name: list(row[name]) for name in ("reasons", "models")}
    return row | {"action": decision.action.value, "mode": decision.mode.value}


def _decision(row: sa.Row[Any]) -> Decision:
    values = dict(row._mapping)
    del values["batch_id"]
    values |= {name: moment(values[name]) for name in _TIMES}
    values |= {name: tuple(values[name]) for name in ("reasons", "models")}
    values |= {"action": Action(values["action"]), "mode": Mode(values["mode"])}
    return Decision(**values)


def sealed_digest(rows: Iterable[dict[str, Any]]) -> str:
    """One digest of all rows, in whatever order they come."""
    lines = sorted(msgspec.json.encode(row, order="sorted") for row in rows)
    return hashlib.blake2b(b"\n".join(lines), digest_size=32).hexdigest()


def _touched(connection: sa.Connection, since: datetime, *, with_renewals: bool = False) -> frozenset[str]:
    """Accounts about which an acting decision was made since then; a renewal is told by an ending of its own moment."""
    query = sa.select(_DECISIONS.c.account_id).where(
        _DECISIONS.c.decided_at >= microseconds(since),
        _DECISIONS.c.account_id.is_not(None),
        _DECISIONS.c.mode.in_([mode.value for mode in Mode if mode.acts]),
    )
    if not with_renewals:
        renewal = (
            (_EVENTS.c.kind == Status.RENEWED.value)
            & (_EVENTS.c.account_id == _DECISIONS.c.account_id)
            & (_EVENTS.c.happened_at == _DECISIONS.c.decided_at)
        )
        query = query.where(~sa.exists().where(renewal))
    return frozenset(connection.scalars(query))


def _kill_switch(connection: sa.Connection) -> KillSwitch:
    query = sa.select(_EVENTS).where(_EVENTS.c.kind.in_(_KILL)).order_by(_EVENTS.c.happened_at.desc())
    row = connection.execute(query.limit(1)).first()
    if row is None:
        return KillSwitch()
    return KillSwitch(row.kind == _KILL[0], row.author, row.note, moment(row.happened_at))
