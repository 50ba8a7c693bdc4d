"""New rows of database tables, taken in order of their time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

from stillwatch.config import Config
from stillwatch.errors import UsageError
from stillwatch.ingest import BatchReport
from stillwatch.pipeline.pull import copies_in, ingested
from stillwatch.sources.mapped import Mapped
from stillwatch.sources.tables import TableReader
from stillwatch.store.pulled import Pulled, Taken
from stillwatch.store.workspace import Workspace


class TablePull:
    """Takes what is new in `tables`, over restarts.

    The newest time that was taken is remembered after its rows were committed; the next reading begins
    `overlap_minutes` before it, and rows that are known count as duplicates. Rows that arrive later than that are not
    seen. A table whose time is no column of its own is read whole each time.
    """

    def __init__(
        self, tables: Sequence[str], source: Mapped, *, workspace: Workspace, config: Config,
        clock: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._url = config.sources.ibis.url
        if not self._url:
            raise UsageError("no database is named; set sources.ibis.url, with a password in the environment only")
        self._tables = tables
        self._source = source
        self._workspace = workspace
        self._config = config
        self._clock = clock
        self._pulled = Pulled(workspace.state)

    def round(self, *, is_over: Callable[[], bool] = lambda: False) -> Iterator[BatchReport]:
        """The report of each piece of each table; stops between pieces when `is_over()`.

        Raises:
            UsageError: a table lacks a column that the mapping needs.
            EnvironmentFault: the database's package is not installed.
            ExternalServiceError: the database cannot be reached or read.
            LakeLocked: another writer holds the lake.
        """
        known = self._pulled.files(self._source.name)
        for table in self._tables:
            uri = f"{self._url.partition(':')[0]}:{table}"
            yield from self._table(table, uri, known.get(uri), is_over)

    def _table(self, table: str, uri: str, taken: Taken | None, is_over: Callable[[], bool]) -> Iterator[BatchReport]:
        chosen = self._config.sources.ibis
        since = taken.modified_at - timedelta(minutes=chosen.overlap_minutes) if taken else None
        n_rows = taken.n_bytes if taken else 0
        newest = taken.modified_at if taken else None
        with closing(TableReader(self._url, table, self._source)) as reader, copies_in(self._workspace.path) as folder:
            for piece in reader.pieces(folder, since=since, rows_per_file=chosen.rows_per_file):
                report = ingested(
                    piece.path, uri, self._source, workspace=self._workspace, config=self._config, clock=self._clock
                )
                n_rows += report.rows_out
                if piece.newest is not None:
                    seen = piece.newest if piece.newest.tzinfo else piece.newest.replace(tzinfo=UTC)
                    newest = seen if newest is None else max(newest, seen)
                    self._pulled.remember(
                        self._source.name, uri, Taken(n_rows, newest, report.digest), self._clock()
                    )  # fmt: skip
                yield report
                if is_over():
                    return
