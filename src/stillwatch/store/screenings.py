"""What screening found and what reviewers said of it, in the state database."""

import hashlib
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
import pyarrow as pa
import sqlalchemy as sa

from stillwatch.errors import UsageError
from stillwatch.model.tables import SCREENING_HITS, SCREENING_REVIEWS
from stillwatch.store.ledger import Body, Ledger
from stillwatch.store.schema import STORED, microseconds
from stillwatch.store.state import State, arrow_rows

VERDICTS: Final = ("cleared", "confirmed")
_HITS, _RUNS = STORED["screening_hits"], STORED["screening_runs"]
_MARKS, _REVIEWS = STORED["screening_marks"], STORED["screening_reviews"]
_FACTS: Final = ("account_id", "cause", "level", "object_id", "subject_digest", "object_digest")
"""What makes two hits the same one; scores and reasons follow from it."""


@dataclass(frozen=True, slots=True)
class ScreeningRun:
    """One run: `lists` maps each list to the day of the snapshot that was used, `method` names how it compared."""

    run_id: str
    ran_at: datetime
    actor: str
    lists: Mapping[str, str]
    method: str
    n_accounts: int
    n_screened: int


class Screenings:
    """Runs, hits and reviews of one workspace. Hits end and are never deleted."""

    def __init__(self, state: State, ledger: Ledger) -> None:
        self._state = state
        self._ledger = ledger

    def record(
        self,
        run: ScreeningRun,
        hits: Sequence[Mapping[str, Any]],
        *,
        causes: Collection[str],
        marks: Mapping[str, str] | None = None,
    ) -> None:
        """Make `hits` all that stands for `causes`, in one transaction with the run and its ledger entry.

        Hits that stand already stay as they were first found; others of these causes end. `marks` maps every account
        to the digest that it was screened in; None keeps the marks.
        """
        at = microseconds(run.ran_at)
        with self._state.writing() as connection:
            query = sa.select(_HITS).where(_HITS.c.ended_at.is_(None), _HITS.c.cause.in_(sorted(causes)))
            standing = {_facts(row._mapping): row.hit_id for row in connection.execute(query)}
            found = {_facts(hit): hit for hit in hits}
            ended = [{"old": standing[facts]} for facts in sorted(standing.keys() - found.keys())]
            if ended:
                update = sa.update(_HITS).where(_HITS.c.hit_id == sa.bindparam("old")).values(ended_at=at)
                connection.execute(update, ended)
            fresh = [_row(found[facts], run, at) for facts in sorted(found.keys() - standing.keys())]
            if fresh:
                connection.execute(sa.insert(_HITS), fresh)
            self._add_run(connection, run, n_new=len(fresh), n_ended=len(ended))
            if marks is not None:
                connection.execute(sa.delete(_MARKS))
                rows = [{"account_id": a, "subject_digest": d, "run_id": run.run_id} for a, d in sorted(marks.items())]
                if rows:
                    connection.execute(sa.insert(_MARKS), rows)

    def _add_run(self, connection: sa.Connection, run: ScreeningRun, *, n_new: int, n_ended: int) -> None:
        lists = msgspec.json.encode(dict(run.lists), order="sorted").decode()
        counts = {"n_accounts": run.n_accounts, "n_screened": run.n_screened}
        said: dict[str, str | int] = {
            "run_id": run.run_id,
            "actor": run.actor,
            "lists": lists,
            "method": run.method,
            **counts,
        }
        connection.execute(sa.insert(_RUNS).values(ran_at=microseconds(run.ran_at), **said))
        body: Body = {**said, "n_new": n_new, "n_ended": n_ended}
        self._ledger.append_within(connection, "screening.ran", body, run.ran_at)

    def standing(self, causes: Collection[str] | None = None) -> pa.Table:
        """Hits that stand (of some causes), by account, in the shape of the floor plan."""
        query = sa.select(_HITS).where(_HITS.c.ended_at.is_(None))
        if causes is not None:
            query = query.where(_HITS.c.cause.in_(sorted(causes)))
        with self._state.reading() as connection:
            rows = connection.execute(query.order_by(_HITS.c.account_id, _HITS.c.cause, _HITS.c.object_id)).all()
        return arrow_rows(SCREENING_HITS, rows)

    def marks(self) -> dict[str, tuple[str, str]]:
        """Account to the digest that it was last screened in, and the run."""
        with self._state.reading() as connection:
            return {row.account_id: (row.subject_digest, row.run_id) for row in connection.execute(sa.select(_MARKS))}

    def run(self, run_id: str) -> tuple[dict[str, str], str, int]:
        """The lists, the method and the time (microseconds since 1970) of a run."""
        with self._state.reading() as connection:
            row = connection.execute(sa.select(_RUNS).where(_RUNS.c.run_id == run_id)).one()
        return msgspec.json.decode(row.lists, type=dict[str, str]), row.method, row.ran_at

    def review(self, account_id: str, object_id: str, verdict: str, *, author: str, note: str, at: datetime) -> int:
        """Record what a person says of the standing hits between an account and an object; returns how many.

        It holds until the account's or the object's digest changes.

        Raises:
            UsageError: no such hit stands, the verdict does not exist, or there is no author.
        """
        if verdict not in VERDICTS:
            raise UsageError(f"verdict {verdict!r} does not exist; choose one of {', '.join(VERDICTS)}")
        if not author.strip():
            raise UsageError("a review needs the name of the person; give it with --by NAME")
        where = (_HITS.c.account_id == account_id) & (_HITS.c.object_id == object_id) & _HITS.c.ended_at.is_(None)
        with self._state.writing() as connection:
            rows = connection.execute(sa.select(_HITS).where(where)).all()
            if not rows:
                raise UsageError(f"no hit stands between account {account_id!r} and {object_id!r}; see `screen review`")
            for row in rows:
                said = {
                    name: getattr(row, name) for name in ("subject_digest", "object_digest", "account_id", "object_id")
                }
                said |= {"verdict": verdict, "author": author.strip(), "note": note}
                connection.execute(
                    sa.insert(_REVIEWS).values(review_id=uuid.uuid4().hex, reviewed_at=microseconds(at), **said)
                )
            subject = self._ledger.pseudonymous(connection, f"account:{account_id}")
            body: Body = {"account": subject, "object": object_id, "verdict": verdict, "author": author.strip()}
            self._ledger.append_within(connection, "screening.reviewed", body, at)
        return len(rows)

    def reviews(self) -> pa.Table:
        """Everything that reviewers said, oldest first, in the shape of the floor plan."""
        with self._state.reading() as connection:
            query = sa.select(_REVIEWS).order_by(_REVIEWS.c.reviewed_at, _REVIEWS.c.review_id)
            return arrow_rows(SCREENING_REVIEWS, connection.execute(query).all())

    def verdicts(self) -> dict[tuple[str, str], str]:
        """The latest verdict on each pair of digests."""
        rows = self.reviews().select(["subject_digest", "object_digest", "verdict"]).to_pylist()
        return {(row["subject_digest"], row["object_digest"]): row["verdict"] for row in rows}


def new_run_id(at: datetime) -> str:
    """An id for a screening run that starts at `at`; no two are equal."""
    return f"s-{at:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def _facts(row: Mapping[Any, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in _FACTS)


def _row(hit: Mapping[str, Any], run: ScreeningRun, at: int) -> dict[str, Any]:
    digest = hashlib.blake2b(msgspec.json.encode([run.run_id, *_facts(hit)]), digest_size=16).hexdigest()
    return {**hit, "hit_id": digest, "run_id": run.run_id, "found_at": at, "ended_at": None}


def as_rows(hits: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Standing hits as rows that `record` takes again."""
    names = [*_FACTS, "object_name", "score", "reasons"]
    return [{name: hit[name] for name in names} for hit in hits]
