"""Rows of a fixed shape from Parquet, JSON lines or CSV: accounts and their events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.errors import SourceError
from stillwatch.sources.base import Parsed, Reject, with_compressed
from stillwatch.sources.casts import cast_column, is_text
from stillwatch.sources.coercion import RULES, Flaw
from stillwatch.sources.csvblocks import read_csv
from stillwatch.sources.digests import raw_digest
from stillwatch.sources.fields import FieldCounter
from stillwatch.sources.frames import PARQUET_MAGIC, Frame, parquet_columns, read_parquet
from stillwatch.sources.jsonlines import BYTE_ORDER_MARK, Line, decode_object, is_json_lines, read_lines
from stillwatch.sources.streams import SteadyStream

REGISTER_SUFFIXES = (
    ".parquet", *with_compressed(".jsonl", ".ndjson", ".csv"), ".jsonl.bz2", ".ndjson.bz2", ".csv.bz2",
)  # fmt: skip
LINES_AT_ONCE = 8192


@dataclass(frozen=True, slots=True)
class RowShape:
    """Columns by name with their type, and those that every file and row must have."""

    columns: Mapping[str, pa.DataType]
    required: tuple[str, ...]

    def check(self, names: Sequence[str], uri: str) -> None:
        """Raise SourceError when a required column is missing from a file."""
        missing = [name for name in self.required if name not in names]
        if missing:
            raise SourceError(f"{uri} lacks the required columns {', '.join(missing)}; add them")


def read_rows(stream: BinaryIO, shape: RowShape, *, uri: str) -> Iterator[Parsed]:
    """The rows of one file in chunks: `line_no` and the columns of `shape`.

    The form is told by the first bytes, then the file's name, then the first sign.

    Raises:
        SourceError: a required column is missing, or the file is damaged as a whole.
    """
    steady = SteadyStream(stream)
    head = steady.head(64).removeprefix(BYTE_ORDER_MARK).lstrip()
    if head.startswith(PARQUET_MAGIC):
        stream.seek(0)
        shape.check(parquet_columns(stream, uri=uri), uri)
        frames: Iterator[Frame | Reject] = read_parquet(stream, uri=uri, wanted=shape.columns.keys())
        yield from (_of_frame(frame, shape) for frame in frames)
    elif is_json_lines(head, uri):
        lines = read_lines(steady)
        while some := list(islice(lines, LINES_AT_ONCE)):
            yield _of_lines(some, shape)
    elif head:
        frames = read_csv(steady, uri=uri, check_header=lambda names: shape.check(names, uri))
        yield from (_of_frame(frame, shape) for frame in frames)
    elif truncation := steady.truncation(1):
        yield Parsed(rows=_no_rows(shape), rejects=(truncation,))


def _no_rows(shape: RowShape) -> pa.RecordBatch:
    return _table(shape, pa.array([], pa.int64()), {}, {})


def _of_frame(frame: Frame | Reject, shape: RowShape) -> Parsed:
    if isinstance(frame, Reject):
        return Parsed(rows=_no_rows(shape), rejects=(frame,))
    flaws: dict[int, Flaw] = {}
    columns = {name: frame.batch[name] for name in shape.columns if name in frame.batch.schema.names}
    rows = _table(shape, frame.line_nos, columns, flaws)
    rejects = [
        Reject(frame.line_nos[at].as_py(), flaw.reason, flaw.detail, 0, "") for at, flaw in sorted(flaws.items())
    ]
    fields = FieldCounter()
    for name, n in frame.n_valid.items():
        fields.add_many(name, n)
    return Parsed(rows=rows, rejects=tuple(rejects), field_counts=fields.take())


def _of_lines(lines: Sequence[Line | Reject], shape: RowShape) -> Parsed:
    fields = FieldCounter()
    rejects: list[Reject] = []
    sound: list[tuple[Line, Mapping[str, object]]] = []
    for line in lines:
        record = line if isinstance(line, Reject) else decode_object(line)
        if isinstance(record, Reject) or isinstance(line, Reject):
            rejects += [record] if isinstance(record, Reject) else []
            continue
        fields.add(record)
        sound.append((line, record))
    flaws: dict[int, Flaw] = {}
    columns = {name: [record.get(name) for _, record in sound] for name in shape.columns}
    rows = _table(shape, pa.array([line.line_no for line, _ in sound], pa.int64()), columns, flaws)
    for at, flaw in flaws.items():
        line = sound[at][0]
        rejects.append(Reject(line.line_no, flaw.reason, flaw.detail, len(line.raw), raw_digest(line.raw)))
    rejects.sort(key=lambda reject: reject.line_no)
    return Parsed(rows=rows, rejects=tuple(rejects), field_counts=fields.take())


def _table(
    shape: RowShape, line_nos: pa.Array, columns: Mapping[str, pa.Array | Sequence[object]], flaws: dict[int, Flaw]
) -> pa.RecordBatch:
    """The sound rows; `flaws` receives the position and flaw of the others."""
    arrays = {
        name: _column(name, kind, columns.get(name), len(line_nos), flaws) for name, kind in shape.columns.items()
    }
    for name in shape.required:
        for at in pc.indices_nonzero(pc.is_null(arrays[name])).to_pylist():
            flaws.setdefault(at, Flaw("missing_field", f"field {name} is missing"))
    rows = pa.RecordBatch.from_pydict({"line_no": line_nos, **arrays})
    return rows.filter(pa.array([at not in flaws for at in range(len(line_nos))], pa.bool_())) if flaws else rows


def _column(
    name: str, kind: pa.DataType, values: pa.Array | Sequence[object] | None, n: int, flaws: dict[int, Flaw]
) -> pa.Array:
    """One column in its own type; values that do not fit are null here and flaw their row."""
    if values is None:
        return pa.nulls(n, kind)
    if isinstance(values, pa.Array):
        whole = cast_column(values, kind)
        if whole is not None:
            return whole
        # NOTE: text as bytes, because it may not be UTF-8
        values = (values.cast(pa.large_binary()) if is_text(values.type) else values).to_pylist()
    read: list[object] = []
    for at, value in enumerate(values):
        outcome = None if value is None else RULES[kind](value)
        if isinstance(outcome, Flaw):
            flaws.setdefault(at, Flaw(outcome.reason, f"field {name}: {outcome.detail}"))
            outcome = None
        read.append(outcome)
    return pa.array(read, pa.int64()).cast(kind) if pa.types.is_timestamp(kind) else pa.array(read, kind)
