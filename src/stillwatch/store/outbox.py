"""Events on their way out: written with what caused them, kept until each endpoint took them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyarrow as pa
import sqlalchemy as sa

from stillwatch.errors import UsageError
from stillwatch.model.table import Home, Table
from stillwatch.model.tables import WEBHOOK_DELIVERIES, WEBHOOK_ENDPOINTS, WEBHOOK_EVENTS
from stillwatch.store.schema import STORED, microseconds, moment
from stillwatch.store.state import State, arrow_rows

PENDING, DELIVERED, DEAD = "pending", "delivered", "dead"
_EVENTS, _DELIVERIES, _ENDPOINTS = (
    STORED["webhook_events"],
    STORED["webhook_deliveries"],
    STORED["webhook_endpoints"],
)
_OF_EVENT: Final = ("kind", "subject", "happened_at")
_LISTED: Final = Table(
    name="webhook_deliveries_with_events",
    made_by="response",
    key=WEBHOOK_DELIVERIES.key,
    home=Home.VIEW,
    schema=pa.schema([*WEBHOOK_DELIVERIES.schema, *(WEBHOOK_EVENTS.schema.field(name) for name in _OF_EVENT)]),
)
_KEY: Final = (_DELIVERIES.c.event_id, _DELIVERIES.c.endpoint)


@dataclass(frozen=True, slots=True)
class Message:
    """An event as it is kept and sent, and the endpoints that want it."""

    event_id: str
    kind: str
    subject: str | None
    happened_at: datetime
    body: str
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Due:
    """One delivery to try now."""

    event_id: str
    endpoint: str
    body: str
    n_attempts: int


class Outbox:
    """Events and their deliveries in the state database."""

    def __init__(self, state: State) -> None:
        self._state = state

    def put_within(self, connection: sa.Connection, messages: Sequence[Message]) -> None:
        """Add events and their deliveries as part of a writing transaction; those that are there stay as they are."""
        events: list[dict[str, object]] = [
            {
                "event_id": message.event_id,
                "kind": message.kind,
                "subject": message.subject,
                "happened_at": microseconds(message.happened_at),
                "body": message.body,
            }
            for message in messages
        ]
        deliveries: list[dict[str, object]] = [
            {
                "event_id": message.event_id,
                "endpoint": endpoint,
                "status": PENDING,
                "n_attempts": 0,
                "next_at": microseconds(message.happened_at),
                "last_status": None,
                "last_fault": None,
                "settled_at": None,
            }
            for message in messages
            for endpoint in message.endpoints
        ]
        self._state.insert_new(connection, _EVENTS, events)
        self._state.insert_new(connection, _DELIVERIES, deliveries)

    def put(self, messages: Sequence[Message]) -> None:
        """Add events that nothing else is written with."""
        with self._state.writing() as connection:
            self.put_within(connection, messages)

    def due(self, at: datetime, endpoints: Collection[str], *, limit: int) -> list[Due]:
        """Deliveries to those of `endpoints` that are not disabled, to be tried at `at`, oldest event first."""
        query = (
            sa.select(*_KEY, _EVENTS.c.body, _DELIVERIES.c.n_attempts)
            .join(_EVENTS, _EVENTS.c.event_id == _DELIVERIES.c.event_id)
            .where(
                _DELIVERIES.c.status == PENDING,
                _DELIVERIES.c.next_at <= microseconds(at),
                _DELIVERIES.c.endpoint.in_(sorted(endpoints)),
                _DELIVERIES.c.endpoint.not_in(_disabled()),
            )
            .order_by(_EVENTS.c.happened_at, *_KEY)
            .limit(limit)
        )
        with self._state.reading() as connection:
            return [Due(*row) for row in connection.execute(query)]

    def next_at(self, endpoints: Collection[str]) -> datetime | None:
        """When the next delivery to one of `endpoints` is due; None when none is left."""
        query = sa.select(sa.func.min(_DELIVERIES.c.next_at)).where(
            _DELIVERIES.c.status == PENDING,
            _DELIVERIES.c.endpoint.in_(sorted(endpoints)),
            _DELIVERIES.c.endpoint.not_in(_disabled()),
        )
        with self._state.reading() as connection:
            stamp = connection.scalar(query)
        return None if stamp is None else moment(stamp)

    def delivered(self, due: Due, *, status: int, at: datetime) -> None:
        """Note that the endpoint took it."""
        self._settle(due, {"status": DELIVERED, "last_status": status, "last_fault": None}, at)

    def failed(self, due: Due, *, status: int | None, fault: str, at: datetime, next_at: datetime | None) -> None:
        """Note a failed attempt; `next_at` None gives the delivery up."""
        values: dict[str, object] = {"last_status": status, "last_fault": fault}
        if next_at is None:
            self._settle(due, values | {"status": DEAD}, at)
            return
        self._update(due, values | {"next_at": microseconds(next_at)})

    def disable(self, endpoint: str, *, reason: str, at: datetime) -> None:
        """Send nothing more to an endpoint; what waits for it is given up."""
        stamp = microseconds(at)
        with self._state.writing() as connection:
            connection.execute(sa.delete(_ENDPOINTS).where(_ENDPOINTS.c.endpoint == endpoint))
            connection.execute(sa.insert(_ENDPOINTS), {"endpoint": endpoint, "disabled_at": stamp, "reason": reason})
            connection.execute(
                sa.update(_DELIVERIES)
                .where(_DELIVERIES.c.endpoint == endpoint, _DELIVERIES.c.status == PENDING)
                .values(status=DEAD, last_fault="the endpoint is disabled", settled_at=stamp)
            )

    def retry(self, endpoint: str, at: datetime) -> int:
        """Take an endpoint into use again and try what was given up for it; returns how many deliveries.

        Raises:
            UsageError: nothing was ever sent to an endpoint of this name.
        """
        mine = _DELIVERIES.c.endpoint == endpoint
        with self._state.writing() as connection:
            if not connection.scalar(sa.select(sa.func.count()).where(mine)):
                raise UsageError(
                    f"nothing was ever sent to an endpoint {endpoint!r}; `stillwatch webhooks list` lists them"
                )
            connection.execute(sa.delete(_ENDPOINTS).where(_ENDPOINTS.c.endpoint == endpoint))
            result = connection.execute(
                sa.update(_DELIVERIES)
                .where(mine, _DELIVERIES.c.status == DEAD)
                .values(status=PENDING, n_attempts=0, next_at=microseconds(at), settled_at=None)
            )
        return int(result.rowcount)

    def disabled(self) -> pa.Table:
        """Endpoints that are out of use, and why, in the shape of the floor plan."""
        with self._state.reading() as connection:
            query = sa.select(_ENDPOINTS).where(_ENDPOINTS.c.disabled_at.is_not(None)).order_by(_ENDPOINTS.c.endpoint)
            return arrow_rows(WEBHOOK_ENDPOINTS, connection.execute(query).all())

    def deliveries(self, status: str | None = None) -> pa.Table:
        """Deliveries of a status (None: all), oldest event first, with the kind, subject and time of the event."""
        query = (
            sa.select(_DELIVERIES, *(_EVENTS.c[name] for name in _OF_EVENT))
            .join(_EVENTS, _EVENTS.c.event_id == _DELIVERIES.c.event_id)
            .order_by(_EVENTS.c.happened_at, *_KEY)
        )
        if status is not None:
            query = query.where(_DELIVERIES.c.status == status)
        with self._state.reading() as connection:
            rows = connection.execute(query).all()
        return arrow_rows(_LISTED, rows)

    def _settle(self, due: Due, values: dict[str, object], at: datetime) -> None:
        self._update(due, values | {"settled_at": microseconds(at)})

    def _update(self, due: Due, values: dict[str, object]) -> None:
        mine = (_DELIVERIES.c.event_id == due.event_id) & (_DELIVERIES.c.endpoint == due.endpoint)
        with self._state.writing() as connection:
            connection.execute(
                sa.update(_DELIVERIES).where(mine).values(n_attempts=_DELIVERIES.c.n_attempts + 1, **values)
            )


def _disabled() -> sa.Select[tuple[str]]:
    return sa.select(_ENDPOINTS.c.endpoint).where(_ENDPOINTS.c.disabled_at.is_not(None))
