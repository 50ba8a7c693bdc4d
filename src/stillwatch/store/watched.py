"""What the watch loop announced, so that a restart announces nothing twice and loses nothing."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from stillwatch.model.tier import Tier
from stillwatch.model.watched import WatchedCampaign
from stillwatch.store.outbox import Message, Outbox
from stillwatch.store.schema import STORED, microseconds, moment
from stillwatch.store.state import State

_RUNS, _CAMPAIGNS = STORED["watch_runs"], STORED["watched_campaigns"]

Announced = tuple[Sequence[Message], Sequence[WatchedCampaign]]
"""Events of a run, and the campaigns that are to be remembered anew."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One announced run; `run_id` is None and `fault` a kind of error where it failed."""

    number: int
    at: datetime
    run_id: str | None
    seen: str
    fault: str | None
    n_events: int


class Watched:
    """Announced runs and campaigns in the state database."""

    def __init__(self, state: State, outbox: Outbox) -> None:
        self._state = state
        self._outbox = outbox

    def last(self, *, failed: bool | None = None) -> Mark | None:
        """The run announced last; `failed` looks among failed or among successful ones alone."""
        query = sa.select(_RUNS).order_by(_RUNS.c.number.desc()).limit(1)
        if failed is not None:
            query = query.where(_RUNS.c.fault.is_not(None) if failed else _RUNS.c.fault.is_(None))
        with self._state.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else Mark(**{**row._mapping, "at": moment(row.at)})

    def campaigns(self) -> list[WatchedCampaign]:
        """Every campaign that was ever announced, as it was announced last."""
        with self._state.reading() as connection:
            return _campaigns(connection)

    def announce(
        self,
        seen: str,
        at: datetime,
        make: Callable[[list[WatchedCampaign]], Announced],
        *,
        run_id: str | None = None,
        fault: str | None = None,
    ) -> int:
        """Mark a run, store campaigns as they are now and put out its events, all in one transaction.

        `make` returns events and changed campaigns from the campaigns as they were announced last; it is called inside
        the transaction, so that two watch loops never announce the same change. Returns how many events there were.
        """
        with self._state.writing() as connection:
            messages, changed = make(_campaigns(connection))
            number = (connection.scalar(sa.select(sa.func.max(_RUNS.c.number))) or 0) + 1
            row = {"number": number, "at": microseconds(at), "run_id": run_id, "seen": seen, "fault": fault}
            connection.execute(sa.insert(_RUNS), row | {"n_events": len(messages)})
            ids = [campaign.campaign_id for campaign in changed]
            connection.execute(sa.delete(_CAMPAIGNS).where(_CAMPAIGNS.c.campaign_id.in_(ids)))
            if changed:
                connection.execute(sa.insert(_CAMPAIGNS), [_row(campaign) for campaign in changed])
            self._outbox.put_within(connection, messages)
        return len(messages)


def _campaigns(connection: sa.Connection) -> list[WatchedCampaign]:
    rows = connection.execute(sa.select(_CAMPAIGNS).order_by(_CAMPAIGNS.c.campaign_id))
    return [_campaign(row) for row in rows]


def _campaign(row: sa.Row[Any]) -> WatchedCampaign:
    values = dict(row._mapping)
    values |= {name: Tier(values[name]) for name in ("tier", "highest_tier")}
    values |= {"capabilities": tuple(values["capabilities"]), "last_seen_at": moment(values["last_seen_at"])}
    return WatchedCampaign(**values)


def _row(campaign: WatchedCampaign) -> dict[str, object]:
    row = asdict(campaign)
    row |= {name: row[name].value for name in ("tier", "highest_tier")}
    return row | {"capabilities": list(row["capabilities"]), "last_seen_at": microseconds(row["last_seen_at"])}
