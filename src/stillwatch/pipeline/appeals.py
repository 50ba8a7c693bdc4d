"""Who asked to be restored and what became of it: events of accounts beside the decisions that stand against them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.model.decision import Decision
from stillwatch.model.tables import ACCOUNT_EVENTS
from stillwatch.model.tables.views import APPEALS
from stillwatch.store.lake import Snapshot

OPENED: Final = "appeal_opened"
"""Name of the account event by which a customer's appeal comes in."""
GRANTED: Final = "appealed"
"""Kind of the event of decisions that a granted appeal leaves."""


class AppealStatus(StrEnum):
    """What became of an appeal."""

    WAITING = "waiting"
    """A decision stands against the account, and nobody has settled what it asked since."""
    GRANTED = "granted"
    MOOT = "moot"
    """Nothing stands against the account (any more), so nothing is left to restore."""


def opened_appeals(lake: Snapshot) -> dict[str, datetime]:
    """When each account asked last."""
    found: dict[str, datetime] = {}
    wanted = [("event_name", "==", OPENED)]
    for file in lake.files(ACCOUNT_EVENTS):
        rows = pq.read_table(file, columns=["account_id", "event_time"], filters=wanted, partitioning=None)
        for account_id, at in zip(rows["account_id"].to_pylist(), rows["event_time"].to_pylist(), strict=True):
            found[account_id] = max(at, found.get(account_id, at))
    return found


def appeals(opened: Mapping[str, datetime], standing: Iterable[Decision], events: pa.Table) -> pa.Table:
    """APPEALS: those that wait first, in each status the latest first; `events` are DECISION_EVENTS, oldest first.

    An account that asked again after it was restored waits again, if a decision stands against it.
    """
    granted = {row["account_id"]: row for row in events.to_pylist() if row["kind"] == GRANTED}
    against: dict[str, list[Decision]] = {}
    for decision in standing:
        if decision.account_id is not None:
            against.setdefault(decision.account_id, []).append(decision)
    rows = [
        _row(name, opened.get(name), granted.get(name), against.get(name, [])) for name in sorted({*opened, *granted})
    ]
    order = list(AppealStatus)
    rows.sort(key=lambda row: (order.index(row["status"]), -_latest(row).timestamp()))
    return pa.Table.from_pylist(rows, schema=APPEALS)


def _latest(row: Mapping[str, Any]) -> datetime:
    at: datetime = max(at for at in (row["asked_at"], row["settled_at"]) if at is not None)
    return at


def _row(
    account_id: str, asked_at: datetime | None, settled: Mapping[str, Any] | None, against: list[Decision]
) -> dict[str, Any]:
    settled_at = settled["happened_at"] if settled else None
    is_settled = settled_at is not None and (asked_at is None or settled_at >= asked_at)
    status = AppealStatus.GRANTED if is_settled else AppealStatus.WAITING if against else AppealStatus.MOOT
    latest = max(against, key=lambda decision: decision.decided_at, default=None)
    return {
        "account_id": account_id,
        "status": status,
        "asked_at": asked_at,
        "n_standing": len(against),
        "action": latest.action.value if latest else None,
        "mode": latest.mode.value if latest else None,
        "rule": latest.rule if latest else None,
        "campaign_id": latest.campaign_id if latest else None,
        "decided_at": latest.decided_at if latest else None,
        "settled_at": settled_at,
        "author": settled["author"] if settled else None,
        "note": settled["note"] if settled else None,
    }
