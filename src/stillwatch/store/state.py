"""The state database: what people decided, and other rows by the thousand. SQLite by default, PostgreSQL by URL."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import msgspec
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, ProgrammingError

from stillwatch.errors import ConfigError, EnvironmentFault, UsageError
from stillwatch.model import tables
from stillwatch.model.table import Table
from stillwatch.store.schema import META, METADATA, OLDEST_READABLE, SCHEMA_VERSION, STORED, microseconds

SUBJECT_KINDS = ("campaign", "account")
VERDICTS = ("distillation", "honest", "unsure")


class State:
    """An open state database. `is_current` says whether its layout is this release's; only then is it written to."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.is_current = True

    @classmethod
    def create(cls, url: str, *, workspace_id: str) -> Self:
        """The state database at `url` with its tables, made now or by an earlier call for the same workspace.

        Raises:
            ConfigError: the database belongs to another workspace or release.
            EnvironmentFault: it cannot be reached.
        """
        with cls._closed_on_error(url) as state:
            with state.writing() as connection:
                METADATA.create_all(connection)
                first = {"schema_version": str(SCHEMA_VERSION), "workspace_id": workspace_id}
                state.insert_new(connection, META, [{"name": name, "value": value} for name, value in first.items()])
            state._check_version()
            if state.workspace_id != workspace_id:
                raise ConfigError(
                    f"state database {state.name} belongs to workspace {state.workspace_id}, not {workspace_id}; "
                    "give each workspace its own database"
                )
        return state

    @classmethod
    def open(cls, url: str) -> Self:
        """The state database at `url`; one of the layout before this release's is open for reading alone.

        Raises:
            ConfigError: it was never set up, or its layout is neither this release's nor the one before.
            EnvironmentFault: it cannot be reached.
        """
        with cls._closed_on_error(url) as state:
            if not sa.inspect(state._engine).has_table(META.name):
                raise ConfigError(f"state database {state.name} is not set up; run `stillwatch init`")
            state._check_version()
            if state.is_current:
                state._add_tables()
        return state

    @property
    def name(self) -> str:
        """The database's URL without its password."""
        return self._engine.url.render_as_string(hide_password=True)

    @property
    def file(self) -> str | None:
        """The database's file; None when it is a server's."""
        return self._engine.url.database if self._engine.dialect.name == "sqlite" else None

    @property
    def workspace_id(self) -> str:
        """The workspace that the database belongs to."""
        return self._meta("workspace_id")

    @property
    def schema_version(self) -> int:
        """The layout of the tables."""
        return int(self._meta("schema_version"))

    def require_current(self) -> None:
        """Nothing, where the layout is this release's.

        Raises:
            ConfigError: it is an earlier release's.
        """
        if not self.is_current:
            raise ConfigError(
                f"state database {self.name} has the layout of an earlier release and can only be read; "
                "run `stillwatch migrate`"
            )

    def judge_within(
        self, connection: sa.Connection, said: tuple[str, str, str], *, author: str, note: str, judged_at: datetime
    ) -> str:
        """Store a judgement as part of a writing transaction and return its id; the same one twice is stored once.

        `said` is subject kind, subject id and verdict. `Journal.record_judgement` also enters it into the ledger.

        Raises:
            UsageError: a kind or verdict that does not exist, or no author.
        """
        subject_kind, _, verdict = said
        _check_choice("subject kind", subject_kind, SUBJECT_KINDS)
        _check_choice("verdict", verdict, VERDICTS)
        if not author.strip():
            raise UsageError("a judgement needs an author; give the name of the person who judged")
        words = (*said, author, note, str(microseconds(judged_at)))
        judgement_id = hashlib.blake2b(msgspec.json.encode(words), digest_size=16).hexdigest()
        row = (judgement_id, *words[:-1], microseconds(judged_at))
        names = tables.JUDGEMENTS.schema.names
        self.insert_new(connection, STORED["judgements"], [dict(zip(names, row, strict=True))])
        return judgement_id

    def judgements(self, as_of: datetime | None = None) -> pa.Table:
        """Judgements made before `as_of` (None: all), earliest first, in the shape of the floor plan."""
        stored = STORED["judgements"]
        query = sa.select(stored).order_by(stored.c.judged_at, stored.c.judgement_id)
        if as_of is not None:
            query = query.where(stored.c.judged_at < microseconds(as_of))
        with self.reading() as connection:
            rows = connection.execute(query).all()
        return arrow_rows(tables.JUDGEMENTS, rows)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state and blocks nobody."""
        with self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def at_one_moment(self) -> Iterator[sa.Connection]:
        """A reading transaction in which every query sees the database as the first one did."""
        level = "SERIALIZABLE" if self.file is not None else "REPEATABLE READ"
        with self._engine.connect().execution_options(isolation_level=level) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that commits on leaving and rolls back on an error. SQLite admits one at a time.

        Raises:
            ConfigError: the database has the layout of an earlier release.
        """
        self.require_current()
        with self.migrating() as connection:
            yield connection

    @contextlib.contextmanager
    def migrating(self) -> Iterator[sa.Connection]:
        """A writing transaction whatever the layout: for the steps of `stillwatch migrate` alone."""
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def insert_new(self, connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, object]]) -> None:
        """Insert the rows whose key is not there yet; others stay as they are."""
        is_sqlite = self._engine.dialect.name == "sqlite"
        insert = sqlite.insert(table) if is_sqlite else postgresql.insert(table)
        if rows:
            connection.execute(insert.on_conflict_do_nothing(), rows)

    def holds_rows(self) -> bool:
        """Whether anything was ever written beside what `create` writes."""
        with self.reading() as connection:
            tables = (table for table in METADATA.sorted_tables if table is not META)
            return any(connection.execute(sa.select(table).limit(1)).first() is not None for table in tables)

    def shred(self) -> None:
        """Rewrite the database so that nothing deleted is left in free pages or in the write-ahead log."""
        if self.file is None:
            with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.exec_driver_sql("VACUUM FULL")
            return
        with contextlib.closing(sqlite3.connect(self.file, isolation_level=None)) as raw:
            for statement in ("PRAGMA busy_timeout=30000", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                raw.execute(statement).close()

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _meta(self, name: str) -> str:
        with self.reading() as connection:
            value = connection.scalar(sa.select(META.c.value).where(META.c.name == name))
        if value is None:
            raise ConfigError(f"state database {self.name} has no {name}; run `stillwatch init`, or restore a backup")
        return str(value)

    def _check_version(self) -> None:
        found = self.schema_version
        self.is_current = found == SCHEMA_VERSION
        if not OLDEST_READABLE <= found <= SCHEMA_VERSION:
            raise ConfigError(
                f"state database {self.name} has schema_version {found}, this release reads {OLDEST_READABLE} to "
                f"{SCHEMA_VERSION}; use the stillwatch release that wrote it, or `stillwatch migrate` of one in between"
            )

    def _add_tables(self) -> None:
        """Make the tables that a later release of the same schema version brought along."""
        found = set(sa.inspect(self._engine).get_table_names())
        if not METADATA.tables.keys() <= found:
            with self.writing() as connection:
                METADATA.create_all(connection)

    @classmethod
    @contextlib.contextmanager
    def _closed_on_error(cls, url: str) -> Iterator[Self]:
        state = cls(_connected(url))
        with contextlib.ExitStack() as on_error:
            on_error.callback(state.close)
            try:
                yield state
            except (OperationalError, ProgrammingError) as error:
                raise EnvironmentFault(
                    f"state database {state.name} cannot be used ({type(error.orig).__name__}: {error.orig}); "
                    "check that the folder or server exists and that you may write to it"
                ) from error
            on_error.pop_all()


def _connected(url: str) -> sa.Engine:
    try:
        engine = sa.create_engine(url)
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(
            "the state database's URL is not one that SQLAlchemy knows; use sqlite:/// or postgresql://"
        ) from error
    except ModuleNotFoundError as error:
        raise EnvironmentFault(f"the state database needs the Python package {error.name}; install it") from error
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name != "postgresql":
        raise ConfigError(f"the state database cannot be {engine.dialect.name}; use SQLite or PostgreSQL")
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: see _begin_sqlite
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _check_choice(what: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(f"{what} {value!r} does not exist; choose one of {', '.join(choices)}")


def arrow_rows(table: Table, rows: Sequence[sa.Row[Any]]) -> pa.Table:
    """Rows of a state table in the shape of the floor plan."""
    columns = zip(*rows, strict=True) if rows else [() for _ in table.schema]
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, table.schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=table.schema)
