"""A workspace as views read it: rows of its lake, and engines over the window of a stored run."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.config import Config
from stillwatch.engines import Engine, open_engine
from stillwatch.model.stage import Run
from stillwatch.model.table import Table
from stillwatch.model.window import Window
from stillwatch.store.workspace import Workspace

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The lake and the state of one workspace, for reading."""

    workspace: Workspace
    config: Config

    def rows(self, table: Table, partitions: Sequence[str] | None = None) -> pa.Table:
        """Rows of some partitions (None: all) in the shape of the floor plan."""
        files = self.workspace.lake.snapshot().files(table, partitions)
        parts = [pq.read_table(file, schema=table.schema, partitioning=None) for file in files]
        return pa.concat_tables(parts) if parts else table.empty()

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """An engine for one question; its temporary tables end with it."""
        with closing(open_engine(self.config.detect.engine, self.config.engines)) as engine, engine.scope():
            yield engine


def run_of(row: Mapping[str, object]) -> Run:
    """A stored run, from its row of DETECTION_RUNS."""
    start, end, known_at = row["window_start"], row["as_of"], row["known_at"]
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    return Run(
        run_id=str(row["run_id"]),
        window=Window(start.astimezone(UTC), end.astimezone(UTC)),
        by=str(row["by"]),
        known_at=known_at.astimezone(UTC) if isinstance(known_at, datetime) else None,
    )
