"""One file after another through the door: read, admit, commit, report."""

import logging
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import pyarrow as pa

from stillwatch.errors import ConfigError, SourceError
from stillwatch.ingest.batches import BatchReport, Tally, batch_id, batch_row, reject_rows
from stillwatch.ingest.pseudonyms import Pseudonymiser, Sightings
from stillwatch.ingest.settings import Settings
from stillwatch.ingest.streams import OpenFile, find_files, inspect_file, open_file
from stillwatch.model.table import Table
from stillwatch.model.tables import INGEST_BATCHES, INGEST_REJECTS
from stillwatch.sources.base import Parsed, Reject
from stillwatch.store.keys import Keys
from stillwatch.store.lake import Lake, Snapshot, Writer

if TYPE_CHECKING:
    from stillwatch.store.vault import Vault

TRUNCATED = "truncated_stream"
UNPACKS_TOO_FAR = "unpacks_too_far"
UNREADABLE = "unreadable_file"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far ingest is: bytes on disk of all files, records read, rows kept, and the file being read."""

    uri: str
    bytes_done: int
    bytes_total: int
    records_in: int
    rows_out: int


ProgressCallback = Callable[[Progress], None]
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every row of one file is stamped with."""

    ingest_batch_id: str
    ingested_at: datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a batch comes from, as `ingest_batches` names it, and the hexadecimal BLAKE2b-256 of its bytes."""

    uri: str
    digest: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """One chunk behind the door: `rows` of the main table, those of others, and what was left out."""

    rows: pa.RecordBatch
    beside: tuple[tuple[Table, pa.RecordBatch], ...]
    n_duplicates: int
    rejects: tuple[Reject, ...]


class Intake(Protocol):
    """One kind of file that can be ingested."""

    @property
    def name(self) -> str:
        """The source that `ingest_batches` names."""
        ...

    @property
    def version(self) -> str:
        """The version of its mapping."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings that a folder is searched for."""
        ...

    @property
    def table(self) -> Table:
        """The table of its main rows."""
        ...

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:
        """The chunks of one file; see `Source.parse`."""
        ...

    def admit(self, raw: pa.RecordBatch, stamp: Stamp) -> Admitted:
        """What may be stored of one chunk."""
        ...

    def committed(self, snapshot: Snapshot) -> None:
        """All that was admitted so far is in `snapshot`."""
        ...


class Registrar:
    """What the files of one call share: the lake's writer, the pseudonyms, and the vault when there is one."""

    def __init__(self, lake: Lake, writer: Writer, *, keys: Keys, vault: "Vault | None", settings: Settings) -> None:
        self.writer = writer
        self.settings = settings
        self.snapshot = lake.snapshot()
        self._lake = lake
        self._vault = vault
        self._sightings = None if vault is None else Sightings(frozenset(settings.sealed_classes))
        if self.snapshot.key_id != keys.pseudonym_key_id:
            raise ConfigError(
                f"the lake's rows are under key {self.snapshot.key_id}, the key file holds {keys.pseudonym_key_id}; "
                "restore the key file that belongs to this workspace"
            )
        self.names = Pseudonymiser(keys.pseudonym_key, sightings=self._sightings, link_keys=keys.link_keys)

    def commit(self, sealed_at: datetime) -> Snapshot:
        """Seal what was sighted, then make the rows count: a row's raw identity is in the vault before the row."""
        if self._vault is not None and self._sightings is not None:
            for identity_class, values in self._sightings.take().items():
                self._vault.seal(
                    identity_class,
                    pa.array(values.keys(), pa.int64()),
                    pa.array(values.values(), pa.string()),
                    expires_at=sealed_at + self.settings.sealed_age(identity_class),
                )
        self.writer.commit()
        self.snapshot = self._lake.snapshot()
        return self.snapshot


def ingest_files(
    paths: Sequence[Path],
    intake: Intake,
    *,
    registrar: Registrar,
    clock: Clock,
    progress: ProgressCallback | None = None,
    named: Callable[[Path], str] = str,
) -> list[BatchReport]:
    """One report for each file of `paths`, committed with its rows; folders are searched recursively.

    `named` gives the uri that a file's batch has.
    """
    files = find_files(paths, intake.suffixes)
    meter = _Meter(sum(file.stat().st_size for file in files), progress)
    reports = []
    for path in files:
        report = _ingest_file(path, named(path), intake, registrar, clock, meter)
        meter.finish_file(path, report)
        reports.append(report)
    return reports


class _Meter:
    """Adds up progress over files and tells the callback."""

    def __init__(self, bytes_total: int, callback: ProgressCallback | None) -> None:
        self._total = bytes_total
        self._callback = callback
        self._bytes = self._records = self._rows = 0

    def tell(self, uri: str, bytes_read: int, tally: Tally) -> None:
        if self._callback is not None:
            done = min(self._total, self._bytes + bytes_read)
            records, rows = self._records + tally.records_in, self._rows + tally.rows_out
            self._callback(Progress(uri, done, self._total, records, rows))

    def finish_file(self, path: Path, report: BatchReport) -> None:
        self._records += report.records_in
        self._rows += report.rows_out
        self._bytes += path.stat().st_size
        self.tell(report.uri, 0, Tally())


def _ingest_file(
    path: Path, uri: str, intake: Intake, registrar: Registrar, clock: Clock, meter: _Meter
) -> BatchReport:
    file = inspect_file(path)
    opened = open_file(file, max_unpack_ratio=registrar.settings.max_unpack_ratio)
    try:
        return take_in(
            _chunks(intake, opened, uri), intake, registrar=registrar, origin=Origin(uri, file.digest),
            clock=clock,
            tell=lambda tally: meter.tell(uri, min(opened.counted.n_read, file.n_bytes), tally),
        )  # fmt: skip
    finally:
        opened.close()


def take_in(
    chunks: Iterator[Parsed],
    intake: Intake,
    *,
    registrar: Registrar,
    origin: Origin,
    clock: Clock,
    tell: Callable[[Tally], None] = lambda _: None,
) -> BatchReport:
    """The report of one batch, committed with its rows; a long batch is committed in parts before."""
    started_at = clock()
    stamp = Stamp(batch_id(intake.name, origin.uri, origin.digest, started_at), started_at)
    tally = Tally()
    n_at_commit = 0
    for parsed in chunks:
        _take(parsed, intake, registrar, stamp, tally)
        tell(tally)
        if tally.records_in - n_at_commit >= registrar.settings.records_per_commit:
            intake.committed(registrar.commit(started_at))
            n_at_commit = tally.records_in
    report = _report(origin, intake, stamp, tally, clock())
    registrar.writer.append(INGEST_BATCHES, batch_row(report))
    intake.committed(registrar.commit(started_at))
    return report


def _chunks(intake: Intake, opened: OpenFile, uri: str) -> Iterator[Parsed]:
    """The chunks of a file; one that is not of its format, or breaks unseen by its source, is a reject."""
    line_no = 0
    reasons: Counter[str] = Counter()
    broken = None
    try:
        for parsed in intake.parse(opened.stream, uri=uri):
            line_no = max(line_no, _last_line(parsed))
            reasons.update(reject.reason for reject in parsed.rejects)
            yield _as_bomb(parsed) if opened.is_bomb else parsed
    except SourceError as error:
        _log.warning("%s", error)
        broken = Reject(line_no + 1, UNREADABLE, str(error), 0, "")
    except (EOFError, zlib.error) as error:
        broken = Reject(line_no + 1, UNPACKS_TOO_FAR if opened.is_bomb else TRUNCATED, type(error).__name__, 0, "")
    if broken is None and opened.is_truncated and not reasons[TRUNCATED]:
        broken = Reject(line_no + 1, TRUNCATED, "the compressed stream is damaged", 0, "")
    if broken is not None:
        yield Parsed(rows=pa.RecordBatch.from_pylist([], schema=pa.schema([])), rejects=(broken,))


def _as_bomb(parsed: Parsed) -> Parsed:
    """The chunk with the end of a stream that was cut off here told as what it is."""
    detail = "the file unpacks far beyond its size (ingest.max_unpack_ratio); the rest was not read"
    rejects = tuple(
        replace(reject, reason=UNPACKS_TOO_FAR, detail=detail) if reject.reason == TRUNCATED else reject
        for reject in parsed.rejects
    )
    return replace(parsed, rejects=rejects)


def _last_line(parsed: Parsed) -> int:
    lines = [reject.line_no for reject in parsed.rejects]
    if parsed.rows.num_rows:
        lines.append(parsed.rows["line_no"][-1].as_py())
    return max(lines, default=0)


def _take(parsed: Parsed, intake: Intake, registrar: Registrar, stamp: Stamp, tally: Tally) -> None:
    rejects = parsed.rejects
    if parsed.rows.num_rows:
        admitted = intake.admit(parsed.rows, stamp)
        rejects += admitted.rejects
        tally.duplicates += admitted.n_duplicates
        tally.add_columns(admitted.rows)
        for _, rows in admitted.beside:
            tally.add_texts(rows)
        for table, rows in ((intake.table, admitted.rows), *admitted.beside):
            if rows.num_rows:
                registrar.writer.append(table, rows)
    tally.rejected += len(rejects)
    tally.fields.update(parsed.field_counts)
    if rejects:
        registrar.writer.append(INGEST_REJECTS, reject_rows(stamp.ingest_batch_id, rejects))


def _report(origin: Origin, intake: Intake, stamp: Stamp, tally: Tally, finished_at: datetime) -> BatchReport:
    return BatchReport(
        ingest_batch_id=stamp.ingest_batch_id,
        source=intake.name,
        uri=origin.uri,
        digest=origin.digest,
        source_version=intake.version,
        started_at=stamp.ingested_at,
        finished_at=finished_at,
        records_in=tally.records_in,
        rows_out=tally.rows_out,
        duplicates=tally.duplicates,
        rejected=tally.rejected,
        field_coverage=tally.coverage(),
        n_without_account=tally.n_without_account,
    )
