"""Attributions in the state database: rows are only ever added, and each is entered into the ledger."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from stillwatch.errors import UsageError
from stillwatch.model.attribution import (
    Assessment,
    Confidence,
    Hypothesis,
    HypothesisKind,
    Likelihood,
    Point,
    PointKind,
)
from stillwatch.store.ledger import Ledger
from stillwatch.store.schema import STORED, microseconds, moment
from stillwatch.store.state import State

WRITTEN: Final = "attribution.written"
EVENTS: Final = {"approved": "attribution.approved", "withdrawn": "attribution.withdrawn"}
LINKED: Final = {
    PointKind.SCREENING_HIT: (STORED["screening_hits"].c.hit_id,),
    PointKind.PROVENANCE_VERDICT: (STORED["provenance_verdicts"].c.verdict_id,),
    PointKind.SIGHTING: (STORED["shelved_objects"].c.object_id, STORED["indicators"].c.indicator_id),
}
"""Where the rows are that a point of these kinds refers to; other kinds have no rows here and are kept as written."""
_ATTRIBUTIONS, _EVENTS = STORED["attributions"], STORED["attribution_events"]


class Attributions:
    """The assessments of one workspace."""

    def __init__(self, state: State, ledger: Ledger) -> None:
        self._state = state
        self._ledger = ledger

    def write(self, assessment: Assessment) -> None:
        """Store an assessment, not yet approved.

        Raises:
            UsageError: it refers to a screening hit, a provenance verdict or something of a peer that is not there.
        """
        self._check_links(assessment)
        rows = [_row(assessment, position, one) for position, one in enumerate(assessment.hypotheses)]
        digest = hashlib.sha256(msgspec.json.encode(rows, order="sorted")).hexdigest()
        body = {
            "assessment_id": assessment.assessment_id,
            "campaign_id": assessment.campaign_id,
            "author": assessment.author,
            "digest": digest,
        }
        with self._state.writing() as connection:
            self._ledger.append_within(connection, WRITTEN, body, assessment.written_at)
            self._state.insert_new(connection, _ATTRIBUTIONS, rows)

    def _check_links(self, assessment: Assessment) -> None:
        points = [point for one in assessment.hypotheses for point in (*one.supporting, *one.contradicting)]
        with self._state.reading() as connection:
            for kind, columns in LINKED.items():
                unknown = {point.ref for point in points if point.kind is kind}
                for column in columns:
                    unknown -= set(connection.scalars(sa.select(column).where(column.in_(sorted(unknown)))))
                if unknown:
                    raise UsageError(
                        f"there is no {kind.value.replace('_', ' ')} {', '.join(map(repr, sorted(unknown)))}: "
                        "refer to it by its id, or give what you know as a document or an observation"
                    )

    def settle(self, assessment_id: str, kind: str, *, author: str, note: str, at: datetime) -> None:
        """Approve an assessment or withdraw it.

        Raises:
            UsageError: there is no such assessment, no person is named, its author approves it, or it was settled so.
        """
        person = author.strip()
        found = [one for one in self.all() if one.assessment_id == assessment_id]
        if not found:
            raise UsageError(f"there is no assessment {assessment_id!r}; `stillwatch dossier attributions` lists them")
        if not person:
            raise UsageError("name the person who stands for this with --by NAME")
        if kind == "approved" and person == found[0].author:
            raise UsageError(f"{person} wrote this assessment: somebody else has to approve it")
        if found[0].withdrawn_by or (kind == "approved" and found[0].approved_by):
            raise UsageError(f"assessment {assessment_id} is already {'withdrawn' if found[0].withdrawn_by else kind}")
        row = {
            "event_id": f"ae-{uuid.uuid4().hex[:16]}",
            "assessment_id": assessment_id,
            "kind": kind,
            "author": person,
            "note": note,
            "happened_at": microseconds(at),
        }
        body = {"assessment_id": assessment_id, "campaign_id": found[0].campaign_id, "author": person}
        with self._state.writing() as connection:
            self._ledger.append_within(connection, EVENTS[kind], body, at)
            connection.execute(sa.insert(_EVENTS), [row])

    def all(self, campaign_id: str | None = None) -> list[Assessment]:
        """Every assessment (of one campaign), oldest first."""
        query = sa.select(_ATTRIBUTIONS).order_by(
            _ATTRIBUTIONS.c.written_at, _ATTRIBUTIONS.c.assessment_id, _ATTRIBUTIONS.c.position
        )
        if campaign_id is not None:
            query = query.where(_ATTRIBUTIONS.c.campaign_id == campaign_id)
        with self._state.reading() as connection:
            rows = connection.execute(query).all()
            events = connection.execute(sa.select(_EVENTS).order_by(_EVENTS.c.happened_at)).all()
        by_id: dict[str, list[Any]] = {}
        for row in rows:
            by_id.setdefault(row.assessment_id, []).append(row)
        return [_assessment(own, [e for e in events if e.assessment_id == name]) for name, own in by_id.items()]


def _row(assessment: Assessment, position: int, one: Hypothesis) -> dict[str, object]:
    return {
        "assessment_id": assessment.assessment_id,
        "position": position,
        "campaign_id": assessment.campaign_id,
        "kind": one.kind.value,
        "statement": one.statement,
        "likelihood": one.likelihood.words,
        "confidence": one.confidence.value,
        "supporting": msgspec.json.encode(one.supporting).decode(),
        "contradicting": msgspec.json.encode(one.contradicting).decode(),
        "author": assessment.author,
        "written_at": microseconds(assessment.written_at),
    }


def _assessment(rows: Sequence[Any], events: Sequence[Any]) -> Assessment:
    approved = next((event for event in events if event.kind == "approved"), None)
    withdrawn = next((event for event in events if event.kind == "withdrawn"), None)
    return Assessment(
        assessment_id=rows[0].assessment_id,
        campaign_id=rows[0].campaign_id,
        hypotheses=tuple(_hypothesis(row) for row in rows),
        author=rows[0].author,
        written_at=moment(rows[0].written_at),
        approved_by=approved.author if approved else None,
        approved_at=moment(approved.happened_at) if approved else None,
        withdrawn_by=withdrawn.author if withdrawn else None,
    )


def _hypothesis(row: Any) -> Hypothesis:
    sides = (msgspec.json.decode(text, type=tuple[Point, ...]) for text in (row.supporting, row.contradicting))
    return Hypothesis(
        HypothesisKind(row.kind), row.statement, Likelihood.of(row.likelihood), Confidence(row.confidence), *sides
    )
