"""Records gathered into chunks of bounded size."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from stillwatch.sources.base import Parsed, Reject
from stillwatch.sources.coercion import Flaw
from stillwatch.sources.columns import Values, empty_batch, records
from stillwatch.sources.digests import raw_digest
from stillwatch.sources.fields import FieldCounter
from stillwatch.sources.frames import Frame
from stillwatch.sources.jsonlines import Line

CHUNK_RECORDS = 8192
CHUNK_RAW_BYTES = 16 << 20
"""A chunk of records with long prompts is cut by bytes."""


class ChunkBuilder:
    """Turns mapped records into `Parsed` chunks; `required` columns must not be null."""

    def __init__(self, required: Sequence[str]) -> None:
        self._required = required
        self.fields = FieldCounter()
        self._lines: list[Line] = []
        self._mapped: list[Mapping[str, object]] = []
        self._rejects: list[Reject] = []
        self._n_bytes = 0

    def add(self, line: Line, mapped: Mapping[str, object]) -> None:
        """Take one record as values by RAW_RECORDS column, and the line that it came from."""
        self._lines.append(line)
        self._mapped.append(mapped)
        self._n_bytes += len(line.raw)

    def reject(self, reject: Reject) -> None:
        """Take one record that could not be read."""
        self._rejects.append(reject)

    @property
    def is_full(self) -> bool:
        """Whether the chunk should be handed over."""
        return len(self._mapped) + len(self._rejects) >= CHUNK_RECORDS or self._n_bytes >= CHUNK_RAW_BYTES

    def take(self) -> Parsed:
        """The chunk so far; building starts again with an empty one."""
        lines, mapped, rejects = self._lines, self._mapped, self._rejects
        self._lines, self._mapped, self._rejects, self._n_bytes = [], [], [], 0
        names = dict.fromkeys(name for record in mapped for name in record)
        columns: dict[str, Values] = {name: [record.get(name) for record in mapped] for name in names}
        batch, flaws = records(columns, [line.line_no for line in lines], required=self._required)
        for position, flaw in flaws.items():
            raw = lines[position].raw
            line_no = lines[position].line_no
            rejects.append(Reject(line_no, flaw.reason, flaw.detail, len(raw), raw_digest(raw)))
        rejects.sort(key=lambda reject: reject.line_no)
        return Parsed(rows=batch, rejects=tuple(rejects), field_counts=self.fields.take())


def rejected(*rejects: Reject) -> Parsed:
    """A chunk of rejects only."""
    return Parsed(rows=empty_batch(), rejects=rejects)


def frame_records(frame: Frame, columns: Mapping[str, Values], *, required: Sequence[str]) -> Parsed:
    """The chunk of one frame, whose values stand in `columns` by RAW_RECORDS name."""
    batch, flaws = records(columns, frame.line_nos, required=required)
    fields = FieldCounter()
    for name, n in frame.n_valid.items():
        fields.add_many(name, n)
    rejects = tuple(_row_reject(frame, at, flaw) for at, flaw in sorted(flaws.items()))
    return Parsed(rows=batch, rejects=rejects, field_counts=fields.take())


def _row_reject(frame: Frame, at: int, flaw: Flaw) -> Reject:
    """The reject of a row; its bytes are those of the row as an Arrow message, equal for equal rows."""
    raw = pa.concat_batches([frame.batch.slice(at, 1)]).serialize().to_pybytes()
    return Reject(frame.line_nos[at].as_py(), flaw.reason, flaw.detail, len(raw), raw_digest(raw))


def parse_objects(
    items: Iterable[Line | Reject],
    decode: Callable[[Line], Mapping[str, object] | Reject],
    read: Callable[[Mapping[str, object]], Mapping[str, object]],
    *,
    required: Sequence[str],
    tool: Callable[[Mapping[str, object]], tuple[object, object]] | None = None,
) -> Iterator[Parsed]:
    """Chunks of the records that `decode` finds in lines and `read` maps to RAW_RECORDS columns.

    `tool` gives name and version of what wrote a record.
    """
    builder = ChunkBuilder(required)
    for item in items:
        record = item if isinstance(item, Reject) else decode(item)
        if isinstance(record, Reject):
            builder.reject(record)
        elif isinstance(item, Line):
            builder.fields.add(record)
            if tool is not None:
                builder.fields.add_tool(*tool(record))
            builder.add(item, read(record))
        if builder.is_full:
            yield builder.take()
    last = builder.take()
    if last.n_records:
        yield last
