"""Daily aggregates: made once a day of traffic, kept in the lake, made anew when the day's records change."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol

import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch import features, ingest
from stillwatch.config import Config
from stillwatch.engines import Engine
from stillwatch.model.stage import Run, Tables
from stillwatch.model.tables import ACCOUNT_DAYS, EXCHANGE_RECORDS, EXCHANGES, PROMPT_SKETCHES, TOKEN_USES
from stillwatch.model.window import Window
from stillwatch.sketches import SKETCH_VERSION
from stillwatch.store.lake import Lake, Snapshot

if TYPE_CHECKING:
    import ibis.expr.types as ir

FEATURE_ROWS = 400_000
"""Exchange records that one features step holds at a time; about 0.5 GB of tokens."""

MIDNIGHT_SLACK = timedelta(hours=1)
"""Records of one call may lie on both sides of midnight by their reporters' clocks; this far we look for the other."""


class Progress(Protocol):
    """Called as work goes on: what is done, how far, of how much."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Report that `done` of `total` units of `step` are finished."""
        ...


def silent(step: str, done: int, total: int) -> None:
    """Progress that tells nobody."""


def stale_days(snapshot: Snapshot, days: list[date]) -> list[date]:
    """Those of `days` whose records changed after their aggregates were made, or that have none yet.

    After an upgrade that changed what sketches mean, also those with sketches of the release before.
    """
    is_old = snapshot.sketch_version != SKETCH_VERSION
    return [
        day
        for day in days
        if _source_generation(snapshot, day) > snapshot.generation(TOKEN_USES, str(day))
        or (is_old and n_other_sketches(snapshot, day))
    ]


def n_other_sketches(snapshot: Snapshot, day: date) -> int:
    """How many sketches of a day are of another release's version, and count for nothing."""
    files = snapshot.files(PROMPT_SKETCHES, [str(day)])
    versions = (pq.read_table(file, columns=["sketch_version"], partitioning=None)["sketch_version"] for file in files)
    return sum(int(pc.sum(pc.not_equal(version, SKETCH_VERSION)).as_py() or 0) for version in versions)


def _source_generation(snapshot: Snapshot, day: date) -> int:
    near = [str(day + timedelta(days=offset)) for offset in (-1, 0, 1)]
    return max(snapshot.generation(table, name) for table in (EXCHANGE_RECORDS, PROMPT_SKETCHES) for name in near)


def refresh_features(
    lake: Lake, *, engine: Engine, config: Config, until: datetime | None = None, progress: Progress = silent
) -> int:
    """Bring the stored daily aggregates up to date; returns how many days were made anew.

    Only whole days that end by `until` (None: all). Days are committed as they are done: a run that is cut off goes on
    where it stopped.
    """
    snapshot = lake.snapshot()
    days = [date.fromisoformat(name) for name in snapshot.partitions(EXCHANGE_RECORDS)]
    whole = [day for day in days if until is None or midnight(day + timedelta(days=1)) <= until]
    todo = stale_days(snapshot, whole)
    is_every = not any(snapshot.generation(TOKEN_USES, str(day)) for day in set(days) - set(whole))
    for done, chunk in _chunks(snapshot, todo):
        progress("features", done, len(todo))
        window = Window(midnight(chunk[0]), midnight(chunk[-1] + timedelta(days=1)))
        run = Run(run_id="features", window=window)
        with engine.scope():
            made = make_features(snapshot, run, None, chunk, engine, config)
            with lake.write() as writer:
                for table in (TOKEN_USES, ACCOUNT_DAYS):
                    rows = made[table.name]
                    for day in chunk:
                        writer.replace(table, str(day), engine.to_batches(rows.filter(rows.day == day)))
                if is_every and chunk[-1] == todo[-1]:
                    writer.set_sketch_version(SKETCH_VERSION)
                writer.commit()
    progress("features", len(todo), len(todo))
    return len(todo)


def _chunks(snapshot: Snapshot, days: list[date]) -> Iterator[tuple[int, list[date]]]:
    """Runs of consecutive days of about FEATURE_ROWS records, with the number of days before each."""
    chunk: list[date] = []
    n_rows = 0
    for index, day in enumerate(days):
        n_day = snapshot.n_rows(EXCHANGE_RECORDS, [str(day)])
        if chunk and (n_rows + n_day > FEATURE_ROWS or day - chunk[-1] > timedelta(days=1)):
            yield index - len(chunk), chunk
            chunk, n_rows = [], 0
        chunk.append(day)
        n_rows += n_day
    if chunk:
        yield len(days) - len(chunk), chunk


def make_features(
    snapshot: Snapshot, run: Run, known_at: datetime | None, days: list[date], engine: Engine, config: Config
) -> Tables:
    """TOKEN_USES and ACCOUNT_DAYS of `days` in the run's window, from records known before `known_at` (None: all)."""
    near = sorted({str(day + timedelta(days=offset)) for day in days for offset in (-1, 0, 1)})
    records, sketches = read_calls(snapshot, near, known_at, engine)
    records = records.filter(
        (records.start_time >= run.window.start - MIDNIGHT_SLACK)
        & (records.start_time < run.window.end + MIDNIGHT_SLACK)
    )
    inputs = {
        EXCHANGES.name: ingest.exchanges(records, sketches),
        PROMPT_SKETCHES.name: ingest.folded_sketches(sketches),
    }
    return features.run(inputs, run, engine=engine, settings=config.features)


def read_calls(
    snapshot: Snapshot, days: list[str], known_at: datetime | None, engine: Engine
) -> tuple["ir.Table", "ir.Table"]:
    """EXCHANGE_RECORDS and PROMPT_SKETCHES of `days` known before `known_at` (None: all), one exchange key a call.

    Sketches of another release's version are left out: their cells and tokens mean something else.
    """
    records = engine.read(EXCHANGE_RECORDS, snapshot.files(EXCHANGE_RECORDS, days))
    sketches = engine.read(PROMPT_SKETCHES, snapshot.files(PROMPT_SKETCHES, days))
    sketches = sketches.filter(sketches.sketch_version == SKETCH_VERSION)
    if known_at is not None:
        records = records.filter(records.ingested_at < known_at)
        sketches = sketches.filter(sketches.ingested_at < known_at)
    names = engine.materialize(ingest.call_names(records))
    if not engine.to_arrow(names.limit(1)).num_rows:  # one reporter a call: nothing to join, and no cost
        return records, sketches
    return ingest.under_one_key(records, names), ingest.under_one_key(sketches, names)


def midnight(day: date) -> datetime:
    """The UTC moment at which a day begins."""
    return datetime.combine(day, time.min, UTC)
