"""Rows of a table as they stand in a dossier: each a leaf under its own salt, so that any can be taken out again.

A line is `salt TAB row`, the row as canonical JSON (RFC 8785). A row that was taken out is `redacted TAB leaf hash`:
the Merkle root over all leaves is the same, and without the salt nobody can guess at the row.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import msgspec
import pyarrow as pa
import rfc8785

from stillwatch.evidence import standalone
from stillwatch.model.table import Table
from stillwatch.store.ledger import Json

SALT_BYTES: Final = 16
HIDDEN: Final = frozenset({"token"})
"""Columns of hashes that never leave in clear: a reference under the dossier's own key stands for each value."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Extract:
    """One table's rows in a dossier, and whether they are taken out of it again."""

    name: str
    rows: tuple[bytes, ...]
    salts: tuple[bytes, ...]
    is_redacted: bool = False

    @classmethod
    def of(cls, name: str, rows: Iterable[Row], *, key: bytes, is_redacted: bool = False) -> "Extract":
        """The extract of these rows. `key` is the dossier's own: salts follow from it, the name and the place."""
        bodies = tuple(rfc8785.dumps({k: plain(k, v, key) for k, v in row.items()}) for row in rows)
        salts = tuple(_salt(key, f"{name}:{place}:") for place in range(len(bodies)))
        return cls(name, bodies, salts, is_redacted)

    @property
    def path(self) -> str:
        """Where the extract is in the bundle."""
        return f"extracts/{self.name}.tsv"

    def root(self) -> str:
        """The Merkle root over the leaves, hexadecimal; that of a redacted extract is the same."""
        return standalone.merkle_root(self._leaves()).hex()

    def body(self) -> bytes:
        """The file."""
        if self.is_redacted:
            return b"".join(b"redacted\t" + leaf.hex().encode() + b"\n" for leaf in self._leaves())
        return b"".join(
            salt.hex().encode() + b"\t" + row + b"\n" for salt, row in zip(self.salts, self.rows, strict=True)
        )

    def _leaves(self) -> list[bytes]:
        return [standalone.leaf_hash(salt, row) for salt, row in zip(self.salts, self.rows, strict=True)]


def reference(key: bytes, value: object) -> str:
    """What stands for a hash in this dossier: equal values have equal references, in no other dossier the same."""
    return hmac.new(key, f"reference:{value}".encode(), hashlib.sha256).hexdigest()[:16]


def _salt(key: bytes, place: str) -> bytes:
    return hmac.new(key, f"salt:{place}".encode(), hashlib.sha256).digest()[:SALT_BYTES]


def plain(name: str, value: object, key: bytes) -> Json:
    """A value as JSON knows it: times as ISO 8601 in UTC, hashes as references."""
    if value is None or isinstance(value, str | bool | int | float):
        return reference(key, value) if name in HIDDEN and value is not None else value
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Sequence):
        return [plain(name, part, key) for part in value]
    raise TypeError(f"column {name} holds {type(value).__name__}, which an extract cannot")


def rows_of(body: bytes) -> list[Row]:
    """The rows of an extract, of which none is redacted."""
    return [msgspec.json.decode(line.partition(b"\t")[2]) for line in body.splitlines()]


def read_extract(table: Table, body: bytes) -> pa.Table | None:
    """The rows of an extract in the shape of their table; None where they are redacted. Hidden columns are dropped."""
    lines = body.splitlines()
    if any(line.startswith(b"redacted\t") for line in lines):
        return None
    rows = rows_of(body)
    fields = [field for field in table.schema if field.name not in HIDDEN]
    columns = [_column([row[field.name] for row in rows], field.type) for field in fields]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array([None if value is None else datetime.fromisoformat(value) for value in values], kind)
    if pa.types.is_date(kind):
        return pa.array([None if value is None else date.fromisoformat(value) for value in values], kind)
    return pa.array(values, kind)
