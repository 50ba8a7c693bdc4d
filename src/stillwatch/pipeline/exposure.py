"""Exposure of a stored detection run: what its campaigns took, from the exchanges that the lake holds."""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import exposure, ingest
from stillwatch.config import Config
from stillwatch.engines import Engine
from stillwatch.model.stage import Run, Tables
from stillwatch.model.tables import (
    ACCOUNT_FINDINGS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    EXCHANGE_RECORDS,
    EXCHANGES,
    EXPOSURE_ACCOUNTS,
    EXPOSURE_DAYS,
    EXPOSURE_MODELS,
    EXPOSURES,
    PROMPT_SKETCHES,
)
from stillwatch.pipeline.daily import read_calls
from stillwatch.pipeline.detection import window_tables
from stillwatch.store.lake import Lake, Snapshot

OF_RUN: Final = (CAMPAIGNS, CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS)
_PARTS: Final = (EXPOSURE_ACCOUNTS, EXPOSURE_DAYS, EXPOSURE_MODELS, EXPOSURES)
"""The tables of `Exposed`, in the order of its fields."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """What the exposure stage made of one run: EXPOSURE_ACCOUNTS, EXPOSURE_DAYS, EXPOSURE_MODELS, EXPOSURES."""

    accounts: pa.Table
    days: pa.Table
    models: pa.Table
    sums: pa.Table

    def of(self, campaign_id: str) -> "Exposed":
        """The rows of one campaign."""
        tables = (self.accounts, self.days, self.models, self.sums)
        return Exposed(*(rows.filter(pc.equal(rows["campaign_id"], campaign_id)) for rows in tables))


def expose(lake: Lake, run: Run, *, engine: Engine, config: Config) -> Exposed:
    """Measure what the campaigns of a stored run took and commit it; the same run again replaces its answer."""
    made = measure_exposure(lake.snapshot(), run, engine=engine, config=config)
    with lake.write() as writer:
        for table, rows in zip(_PARTS, (made.accounts, made.days, made.models, made.sums), strict=True):
            writer.replace(table, run.run_id, rows)
        writer.commit()
    return made


def measure_exposure(snapshot: Snapshot, run: Run, *, engine: Engine, config: Config) -> Exposed:
    """Measure what the campaigns of a stored run took; nothing is stored."""
    with engine.scope():
        inputs = _inputs(snapshot, run, engine, config)
        tables = exposure.run(inputs, run, engine=engine, settings=config.exposure)
        return Exposed(*(engine.to_arrow(tables[table.name]) for table in _PARTS))


def _inputs(snapshot: Snapshot, run: Run, engine: Engine, config: Config) -> Tables:
    """What the stage reads. Only the exchanges of accounts that it looks at are folded; sketches are those of all."""
    tables = window_tables(snapshot, run, engine=engine, config=config)
    tables |= {table.name: engine.read(table, snapshot.files(table, [run.run_id])) for table in OF_RUN}
    days = [str(day) for day in run.window.days()]
    records, sketches = read_calls(snapshot, days, run.known_at, engine)
    wanted = exposure.wanted_accounts(tables, engine=engine, settings=config.exposure)
    level = exposure.IDENTITY_COLUMNS[run.by]
    keys = records.mutate(account_id=records[level]).semi_join(wanted, "account_id").select("exchange_key").distinct()
    own = engine.materialize(records.semi_join(keys, "exchange_key"))
    own_sketches = sketches.semi_join(own, "exchange_key")
    return {
        **tables,
        EXCHANGES.name: engine.materialize(ingest.exchanges(own, own_sketches)),
        EXCHANGE_RECORDS.name: own,
        PROMPT_SKETCHES.name: ingest.folded_sketches(sketches),
    }
