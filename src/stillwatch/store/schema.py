"""The SQL tables of the state database, made from the floor plan."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from stillwatch.model import tables
from stillwatch.model.table import Home, Table

SCHEMA_VERSION = 2
"""Layout of the state database that this release writes."""

OLDEST_READABLE = 1
"""Earliest layout that is read, and that `stillwatch migrate` starts from."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# NOTE: times are integers (microseconds since 1970, UTC) because SQLite has no type for them and drops the time zone.
_SQL_TYPES: dict[pa.DataType, sa.types.TypeEngine[Any]] = {
    tables.TEXT: sa.Text(),
    tables.TIME: sa.BigInteger(),
    pa.int64(): sa.BigInteger(),
    pa.float64(): sa.Double(),
    pa.bool_(): sa.Boolean(),
    pa.binary(): sa.LargeBinary(),
    tables.TEXTS: sa.JSON(),
}


def microseconds(at: datetime) -> int:
    """Microseconds from 1970 to `at`, an aware datetime."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(stamp: int) -> datetime:
    """The UTC time that is `stamp` microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=stamp)


def _sql_table(table: Table, metadata: sa.MetaData) -> sa.Table:
    columns = [
        sa.Column(
            field.name,
            _SQL_TYPES[field.type],
            nullable=field.nullable,
            primary_key=field.name in table.key,
            autoincrement=False,
        )
        for field in table.schema
    ]
    return sa.Table(table.name, metadata, *columns, sqlite_with_rowid=False)


METADATA = sa.MetaData()

STORED = {table.name: _sql_table(table, METADATA) for table in tables.TABLES if table.home is Home.STATE}
"""The floor plan's tables whose home is the state database, by name."""

_SHELVED = STORED["shelved_objects"].c
sa.Index("shelved_by_object", _SHELVED.collection_id, _SHELVED.object_id, _SHELVED.version)

META = sa.Table(
    "meta",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

LEDGER = sa.Table(
    "ledger",
    METADATA,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("hashes", sa.LargeBinary, nullable=False),
    sa.Index("ledger_by_kind", "kind", "seq"),
    sqlite_with_rowid=False,
)
"""Entries of the ledger. `hashes`: those of the perfect subtrees that the entry completes, leaf first, end to end."""

LEDGER_CHECKPOINTS = sa.Table(
    "ledger_checkpoints",
    METADATA,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("note", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Signed checkpoints of the ledger, one for each size at which one was made."""

LEDGER_SALTS = sa.Table(
    "ledger_salts",
    METADATA,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("salt", sa.LargeBinary, nullable=False),
)
