"""The record of everything that left or came in: rows in the state database, sealed by an entry of the ledger."""

import uuid
from typing import Any, Final

import msgspec
import pyarrow as pa
import rfc8785
import sqlalchemy as sa

from stillwatch.guard import Passage, Review
from stillwatch.model.tables import DISCLOSURES, GUARD_DECISIONS
from stillwatch.store.ledger import Body, Ledger
from stillwatch.store.schema import STORED, microseconds
from stillwatch.store.state import State, arrow_rows

OUT: Final = "guard.out"
IN: Final = "guard.in"


class Disclosures:
    """Where guards write every decision down, drops included."""

    def __init__(self, state: State, ledger: Ledger) -> None:
        self._state = state
        self._ledger = ledger

    def record(self, review: Review, passage: Passage) -> str:
        """Store a review and enter it into the ledger, in one transaction; returns the record's id."""
        record_id = f"g-{uuid.uuid4().hex[:16]}"
        row = _disclosure(record_id, review, passage)
        decisions = [
            {"record_id": record_id, "decision_no": number, "object_no": d.object_no, "object_id": d.object_id,
             "path": d.path, "field_class": d.field_class.value, "outcome": d.outcome, "rule": d.rule}
            for number, d in enumerate(review.decisions)
        ]  # fmt: skip
        with self._state.writing() as connection:
            body: Body = {
                **{name: value for name, value in row.items() if name != "at"},
                "counts": review.counts(),
                "decisions": self._ledger.salted_digest(
                    connection, f"guard:{record_id}", msgspec.json.encode(decisions, order="sorted")
                ),
                "objects": self._ledger.salted_digest(
                    connection, f"guard:{record_id}", rfc8785.dumps([dict(stix) for stix in review.objects])
                ),
            }
            self._ledger.append_within(connection, IN if row["direction"] == "in" else OUT, body, passage.at)
            connection.execute(sa.insert(STORED["disclosures"]).values(row | {"at": microseconds(passage.at)}))
            if decisions:
                connection.execute(sa.insert(STORED["guard_decisions"]), decisions)
        return record_id

    def all(self) -> pa.Table:
        """Every disclosure, oldest first, in the shape of the floor plan."""
        table = STORED["disclosures"]
        with self._state.reading() as connection:
            query = sa.select(table).order_by(table.c.at, table.c.record_id)
            return arrow_rows(DISCLOSURES, connection.execute(query).all())

    def decisions(self, record_id: str) -> pa.Table:
        """Every decision of one record, in order, in the shape of the floor plan."""
        table = STORED["guard_decisions"]
        with self._state.reading() as connection:
            query = sa.select(table).where(table.c.record_id == record_id).order_by(table.c.decision_no)
            return arrow_rows(GUARD_DECISIONS, connection.execute(query).all())


def _disclosure(record_id: str, review: Review, passage: Passage) -> dict[str, Any]:
    return {
        "record_id": record_id,
        "at": passage.at,
        "direction": review.terms.profile.direction,
        "peer": passage.peer,
        "channel": passage.channel,
        "asked_profile": review.terms.asked,
        "profile": review.terms.name,
        "basis": review.terms.basis.id,
        "approver": passage.approver,
        "policy_digest": review.policy_digest,
        "n_offered": len(review.objects) + len(review.held_back),
        "n_passed": len(review.objects),
    }
