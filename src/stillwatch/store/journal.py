"""What goes into the ledger beside decisions and openings of the vault: batches, runs, calibrations and judgements."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
import pyarrow as pa

from stillwatch.model.table import Table
from stillwatch.store.ledger import Body, Ledger
from stillwatch.store.state import State

BATCH: Final = "ingest.batch"
RUN: Final = "detection.run"
CALIBRATION: Final = "calibration.fitted"
JUDGEMENT: Final = "judgement"

_BATCH_WORDS: Final = (
    "ingest_batch_id",
    "source",
    "source_version",
    "records_in",
    "rows_out",
    "duplicates",
    "rejected",
)
_RUN_WORDS: Final = ("run_id", "by", "engine", "alpha", "calibration_id", "n_accounts", "n_exchanges", "n_groups")


def table_content(table: Table, rows: pa.Table) -> bytes:
    """The rows as one canonical text, in the order of the table's key: equal rows give equal bytes in any order."""
    ordered = rows.select(table.schema.names).sort_by([(name, "ascending") for name in table.key])
    return msgspec.json.encode(ordered.to_pylist(), order="sorted")


class Journal:
    """Writes about what other parts of the workspace stored.

    An entry holds counts and ids in clear and rows as digests under a salt of their own, so that whoever is shown the
    rows and the salt can check them, and nobody else can guess at them.
    """

    def __init__(self, state: State, ledger: Ledger) -> None:
        self._state = state
        self._ledger = ledger

    def record_batches(self, rows: Sequence[Mapping[str, object]], at: datetime) -> None:
        """Enter ingest batches, each a row of INGEST_BATCHES; the place of the file stays in the salted digest."""
        with self._state.writing() as connection:
            said = [
                (BATCH, {**_picked(row, _BATCH_WORDS), "digest": self._ledger.salted_digest(
                    connection, f"batch:{row['ingest_batch_id']}", msgspec.json.encode(row, order="sorted")
                )})
                for row in rows
            ]  # fmt: skip
            self._ledger.append_all_within(connection, said, at)

    def record_run(self, summary: Mapping[str, object], found: Mapping[Table, pa.Table], at: datetime) -> None:
        """Enter a detection run: its row of DETECTION_RUNS, and a salted digest of each table that it found."""
        subject = f"run:{summary['run_id']}"
        with self._state.writing() as connection:
            digests: Body = {
                table.name: {
                    "n": rows.num_rows,
                    "digest": self._ledger.salted_digest(connection, subject, table_content(table, rows)),
                }
                for table, rows in found.items()
            }
            times = {name: str(summary[name]) for name in ("window_start", "as_of")}
            body: Body = {**_picked(summary, _RUN_WORDS), **times, "tables": digests}
            self._ledger.append_within(connection, RUN, body, at)

    def record_calibration(self, calibration_id: str, *, created_at: datetime, at: datetime) -> None:
        """Enter a fitted calibration, whose id is a digest of its content."""
        body: Body = {"calibration_id": calibration_id, "created_at": created_at.isoformat()}
        self._ledger.append(CALIBRATION, body, at)

    def record_judgement(
        self, *, subject_kind: str, subject_id: str, verdict: str, author: str, note: str, judged_at: datetime
    ) -> str:
        """Store what a person concluded about a campaign or an account, and enter it; returns the judgement's id.

        The id is a digest of the arguments: recording the same judgement again stores nothing new.

        Raises:
            UsageError: a kind or verdict that does not exist, or no author.
        """
        said = (subject_kind, subject_id, verdict)
        with self._state.writing() as connection:
            judgement_id = self._state.judge_within(connection, said, author=author, note=note, judged_at=judged_at)
            subject = f"{subject_kind}:{subject_id}"
            content = msgspec.json.encode([*said, author, note, judged_at])
            body: Body = {
                "subject_kind": subject_kind,
                "subject": self._ledger.pseudonymous(connection, subject),
                "verdict": verdict,
                "author": author,
                "digest": self._ledger.salted_digest(connection, subject, content),
            }
            self._ledger.append_within(connection, JUDGEMENT, body, judged_at)
        return judgement_id

    def recorded(self, kind: str, name: str) -> Collection[str]:
        """The values of the field `name` in all entries of a kind."""
        return {msgspec.json.decode(entry.body)[name] for entry in self._ledger.entries(kind)}


def _picked(row: Mapping[str, object], names: Sequence[str]) -> dict[str, str | int | float]:
    picked = {name: row[name] for name in names}
    return msgspec.convert(picked, dict[str, str | int | float])
