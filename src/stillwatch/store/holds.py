"""Legal holds: accounts whose rows are neither erased nor expire while a case runs."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
import pyarrow as pa
import sqlalchemy as sa

from stillwatch.errors import UnderHold, UsageError
from stillwatch.model.tables import HOLDS
from stillwatch.store.ledger import Body, Ledger
from stillwatch.store.schema import STORED, microseconds, moment
from stillwatch.store.state import State, arrow_rows

PLACED: Final = "hold.placed"
RELEASED: Final = "hold.released"
REFUSED: Final = "erase.refused"
_HOLDS = STORED["holds"]


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold in force, and how many accounts it keeps."""

    hold_id: str
    case_id: str
    reason: str
    approver: str
    expires_at: datetime
    n_accounts: int


class Holds:
    """The holds of one workspace. Each placing, release and refusal is in the ledger."""

    def __init__(self, state: State, ledger: Ledger) -> None:
        self._state = state
        self._ledger = ledger

    def place(
        self,
        case_id: str,
        accounts: Mapping[str, str | None],
        *,
        reason: str,
        placed_by: str,
        approver: str,
        at: datetime,
        expires_at: datetime,
    ) -> str:
        """Hold accounts until `expires_at`; returns the hold's id. `accounts` maps each to its campaign or None.

        Raises:
            UsageError: no case, account, reason or person is named, one person does both, or the end is not ahead.
        """
        if not (case_id.strip() and reason.strip() and placed_by.strip() and approver.strip() and accounts):
            raise UsageError("a hold needs a case, accounts, a reason, who places it and who approves it")
        if placed_by.strip() == approver.strip():
            raise UsageError(f"{placed_by} places this hold: somebody else has to approve it")
        if expires_at <= at:
            raise UsageError(f"a hold ends after it begins, got {expires_at:%Y-%m-%d}; holds can be placed anew")
        hold_id = f"h-{uuid.uuid4().hex[:16]}"
        said = {"case_id": case_id.strip(), "reason": reason, "approver": approver.strip(), "placed_by": placed_by}
        times = {"placed_at": microseconds(at), "expires_at": microseconds(expires_at)}
        rows = [
            {"hold_id": hold_id, "account_id": account, "campaign_id": campaign, **said, **times}
            for account, campaign in sorted(accounts.items())
        ]
        with self._state.writing() as connection:
            connection.execute(sa.insert(_HOLDS), rows)
            names = msgspec.json.encode(sorted(accounts))
            body: Body = {
                **said,
                "hold_id": hold_id,
                "expires_at": expires_at.isoformat(),
                "n_accounts": len(rows),
                "digest": self._ledger.salted_digest(connection, f"hold:{hold_id}", names),
            }
            self._ledger.append_within(connection, PLACED, body, at)
        return hold_id

    def release(self, case_id: str, *, released_by: str, at: datetime) -> int:
        """End every hold of a case; returns how many accounts are free of it.

        Raises:
            UsageError: nobody is named, or nothing is held for the case.
        """
        if not released_by.strip():
            raise UsageError("name the person who releases the hold")
        with self._state.writing() as connection:
            standing = (_HOLDS.c.case_id == case_id) & _standing(at)
            values = {"released_at": microseconds(at), "released_by": released_by.strip()}
            n = connection.execute(sa.update(_HOLDS).where(standing).values(**values)).rowcount
            if not n:
                raise UsageError(f"nothing is held for case {case_id!r}; `stillwatch hold` lists the holds")
            body: Body = {"case_id": case_id, "released_by": released_by.strip(), "n_accounts": n}
            self._ledger.append_within(connection, RELEASED, body, at)
        return int(n)

    def standing(self, at: datetime) -> list[Hold]:
        """The holds in force, earliest first."""
        columns = (_HOLDS.c.hold_id, _HOLDS.c.case_id, _HOLDS.c.reason, _HOLDS.c.approver, _HOLDS.c.expires_at)
        query = sa.select(*columns, sa.func.count()).where(_standing(at)).group_by(*columns, _HOLDS.c.placed_at)
        with self._state.reading() as connection:
            rows = connection.execute(query.order_by(_HOLDS.c.placed_at, _HOLDS.c.hold_id)).all()
        return [Hold(a, b, c, d, moment(until), n) for a, b, c, d, until, n in rows]

    def held(self, at: datetime) -> frozenset[str]:
        """Every account that a hold in force keeps."""
        with self._state.reading() as connection:
            return frozenset(connection.scalars(sa.select(_HOLDS.c.account_id).where(_standing(at))))

    def all(self) -> pa.Table:
        """Every hold that ever was, by account, oldest first, in the shape of the floor plan."""
        with self._state.reading() as connection:
            query = sa.select(_HOLDS).order_by(_HOLDS.c.placed_at, _HOLDS.c.hold_id, _HOLDS.c.account_id)
            return arrow_rows(HOLDS, connection.execute(query).all())

    def refuse(self, account_id: str, *, actor: str, at: datetime, campaigns: Collection[str] = ()) -> None:
        """Nothing, where no hold keeps the account; `campaigns` are those that it is a member of by now.

        Raises:
            UnderHold: one does; the attempt is in the ledger.
        """
        keeps = (_HOLDS.c.account_id == account_id) | _HOLDS.c.campaign_id.in_(sorted(campaigns))
        query = sa.select(_HOLDS).where(keeps, _standing(at)).order_by(_HOLDS.c.expires_at.desc()).limit(1)
        with self._state.writing() as connection:
            row: sa.Row[Any] | None = connection.execute(query).first()
            if row is None:
                return
            subject = self._ledger.pseudonymous(connection, f"account:{account_id}")
            body: Body = {"subject": subject, "actor": actor, "case_id": row.case_id, "hold_id": row.hold_id}
            self._ledger.append_within(connection, REFUSED, body, at)
        raise UnderHold(
            f"account {account_id!r} is held for case {row.case_id} until {moment(row.expires_at):%Y-%m-%d} "
            f"({row.reason}; approved by {row.approver}); `stillwatch hold {row.case_id} --release` ends it"
        )


def _standing(at: datetime) -> sa.ColumnElement[bool]:
    return (_HOLDS.c.expires_at > microseconds(at)) & _HOLDS.c.released_at.is_(None)
