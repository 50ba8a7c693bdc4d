"""One stored text, opened by a person: written into the ledger before it is handed out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyarrow.parquet as pq

from stillwatch.errors import UsageError
from stillwatch.model.tables import CONTENTS
from stillwatch.pipeline.views.shelf import Shelf

REVEALED: Final = "content.revealed"
"""Kind of the ledger's entry."""


@dataclass(frozen=True, slots=True)
class Revealed:
    """A stored text with its kind: hostile input, to be shown as text and never as markup."""

    content_ref: str
    kind: str
    body: str
    n_chars: int
    expires_at: datetime | None


def reveal(shelf: Shelf, content_ref: str, *, actor: str, reason: str, at: datetime) -> Revealed:
    """The text behind a reference. That somebody opened it is in the ledger first.

    Raises:
        UsageError: no reason is given, or no such text is kept (any more).
    """
    if not reason.strip():
        raise UsageError("opening a text needs a reason")
    files = shelf.workspace.lake.snapshot().files(CONTENTS)
    parts = (
        pq.read_table(file, schema=CONTENTS.schema, partitioning=None, filters=[("content_ref", "=", content_ref)])
        for file in reversed(files)
    )
    rows = (row for part in parts for row in part.to_pylist() if row["expires_at"] is None or row["expires_at"] > at)
    found = next(rows, None)
    if found is None:
        raise UsageError("no text is kept under this reference; it may have expired")
    said = {"content_ref": content_ref, "kind": found["kind"], "actor": actor, "reason": reason.strip()}
    shelf.workspace.ledger.append(REVEALED, said, at)
    return Revealed(content_ref, found["kind"], found["body"], found["n_chars"], found["expires_at"])
