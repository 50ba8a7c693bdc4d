"""The pulse of the stored traffic: its days, whatever a detection run looks at."""

from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import pulse
from stillwatch.config import Config
from stillwatch.engines import Engine
from stillwatch.model.stage import Run
from stillwatch.model.tables import ACCOUNT_DAYS, PULSES
from stillwatch.model.window import Window
from stillwatch.pipeline.daily import Progress, midnight, refresh_features, silent
from stillwatch.store.lake import Lake, Snapshot


def take_pulse(lake: Lake, run: Run, *, engine: Engine, config: Config, progress: Progress = silent) -> pa.Table:
    """PULSES of the whole days of the run's window, stored; the same days asked again replace their rows."""
    refresh_features(lake, engine=engine, config=config, until=run.window.end, progress=progress)
    rows = pulse_rows(lake.snapshot(), run, engine=engine, config=config)
    with lake.write() as writer:
        for day in rows["day"].to_pylist():
            writer.replace(PULSES, str(day), rows.filter(pc.equal(rows["day"], day)))
        writer.commit()
    return rows


def pulse_rows(snapshot: Snapshot, run: Run, *, engine: Engine, config: Config) -> pa.Table:
    """PULSES of the whole days of the run's window, from stored daily aggregates; nothing is stored."""
    first = run.window.start - timedelta(days=config.pulse.days_before)
    days = [str(day) for day in Window(first, run.window.end).days()]
    with engine.scope():
        tables = {ACCOUNT_DAYS.name: engine.read(ACCOUNT_DAYS, snapshot.files(ACCOUNT_DAYS, days))}
        made = pulse.run(tables, run, engine=engine, settings=config.pulse)
        return engine.to_arrow(made[PULSES.name]).sort_by("day").cast(PULSES.schema)


def pulse_notes(snapshot: Snapshot, run: Run, *, engine: Engine, config: Config) -> list[str]:
    """A sentence where the last whole day of the run's window is unusual for the population; else nothing.

    Stored aggregates are those of accounts and of all that was ingested: a run that looks otherwise gets no note.
    """
    end = midnight(run.window.end.date())
    if run.by != "account" or run.known_at is not None or end <= run.window.start:
        return []
    last_day = replace(run, window=Window(end - timedelta(days=1), end))
    rows = pulse_rows(snapshot, last_day, engine=engine, config=config).to_pylist()
    return [_sentence(row) for row in rows if row["is_unusual"]]


def _sentence(row: dict[str, object]) -> str:
    return (
        f"what the population asks moved on {row['day']}, most in its {row['moved_most']} (p = {row['p_value']:.3f} "
        f"among {row['n_ranked']} days before): a release, a holiday, a new customer or a campaign; it says nothing "
        "about any account"
    )
