"""Rows that a writer holds until they are worth a segment."""

from collections.abc import Iterator

import pyarrow as pa

from stillwatch.model.table import Table


class Buffer:
    """Rows of one partition that no segment holds yet, in the order of their arrival."""

    __slots__ = ("_parts", "n_bytes", "n_rows", "partition", "table")

    def __init__(self, table: Table, partition: str) -> None:
        self.table = table
        self.partition = partition
        self.n_rows = 0
        self.n_bytes = 0
        self._parts: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        """Hold some more rows."""
        self._parts.append(rows)
        self.n_rows += rows.num_rows
        self.n_bytes += rows.nbytes

    def drain(self) -> pa.Table | None:
        """All rows held, which are then forgotten; None when there are none."""
        parts, self._parts, self.n_rows, self.n_bytes = self._parts, [], 0, 0
        return pa.concat_tables(parts) if parts else None


class Buffers:
    """The buffers of all partitions of one writer; `n_bytes` is what they hold together."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self._held: dict[tuple[str, str], Buffer] = {}

    def add(self, table: Table, partition: str, rows: pa.Table) -> Buffer:
        """Hold rows of one partition; returns its buffer."""
        buffer = self._held.setdefault((table.name, partition), Buffer(table, partition))
        before = buffer.n_bytes
        buffer.add(rows)
        self.n_bytes += buffer.n_bytes - before
        return buffer

    def drain(self, buffer: Buffer) -> pa.Table | None:
        """All rows of one of these buffers, which is then gone."""
        self.n_bytes -= buffer.n_bytes
        del self._held[buffer.table.name, buffer.partition]
        return buffer.drain()

    def forget(self, table: Table, partition: str) -> bool:
        """Whether the partition had rows here; they are gone."""
        buffer = self.get(table, partition)
        return buffer is not None and self.drain(buffer) is not None

    def get(self, table: Table, partition: str) -> Buffer | None:
        """The buffer of one partition; None when nothing is held for it."""
        return self._held.get((table.name, partition))

    def largest(self) -> Buffer:
        """The buffer that holds most bytes."""
        return max(self._held.values(), key=lambda buffer: buffer.n_bytes)

    def all(self) -> Iterator[Buffer]:
        """All buffers, in the order in which they came to be."""
        yield from list(self._held.values())
