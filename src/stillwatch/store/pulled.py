"""Which files of which source were taken already, so that a restart takes only what is new."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from stillwatch.store.schema import STORED, microseconds, moment
from stillwatch.store.state import State

_FILES = STORED["pulled_files"]


@dataclass(frozen=True, slots=True)
class Taken:
    """A file as it was when it was taken; `digest` is the hexadecimal BLAKE2b-256 of its bytes."""

    n_bytes: int
    modified_at: datetime
    digest: str


class Pulled:
    """Taken files in the state database."""

    def __init__(self, state: State) -> None:
        self._state = state

    def files(self, source: str) -> Mapping[str, Taken]:
        """Every file of a source that was taken, by its uri."""
        query = sa.select(_FILES.c.uri, _FILES.c.n_bytes, _FILES.c.modified_at, _FILES.c.digest)
        with self._state.reading() as connection:
            rows = connection.execute(query.where(_FILES.c.source == source)).all()
        return {row.uri: Taken(row.n_bytes, moment(row.modified_at), row.digest) for row in rows}

    def remember(self, source: str, uri: str, taken: Taken, at: datetime) -> None:
        """Note that a file was taken; what was known of it before is replaced."""
        row = {
            "source": source, "uri": uri, "n_bytes": taken.n_bytes, "modified_at": microseconds(taken.modified_at),
            "digest": taken.digest, "pulled_at": microseconds(at),
        }  # fmt: skip
        with self._state.writing() as connection:
            connection.execute(sa.delete(_FILES).where(_FILES.c.source == source, _FILES.c.uri == uri))
            connection.execute(sa.insert(_FILES), [row])
