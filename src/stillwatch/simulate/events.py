"""Event level: a scenario as canonical telemetry with its truth, one file a day."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.simulate.build import populate
from stillwatch.simulate.canonical import canonical_table
from stillwatch.simulate.identity import account_events, account_ids, signups, truth, truth_groups
from stillwatch.simulate.library import LibraryMix, PromptLibrary
from stillwatch.simulate.population import Population
from stillwatch.simulate.scenarios import scenario as named_scenario
from stillwatch.simulate.traffic import Exchanges, draw_day
from stillwatch.simulate.world import World

Progress = Callable[[int, int, int], None]
"""Called after each day with days done, days in all and exchanges so far."""
_ROWS_PER_CHUNK = 50_000


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of event-level simulation: `prompts` is a folder of Parquet files to draw texts from."""

    prompts: str | None = None
    prompt_mix: LibraryMix = LibraryMix()
    no_text: bool = False
    compression: str = "zstd"


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was written: the folder of exchanges and the tables beside it."""

    exchanges: Path
    accounts: Path
    account_events: Path
    truth: Path
    truth_groups: Path
    n_accounts: int
    n_campaign_accounts: int
    n_exchanges: int


def simulate(
    scenario: str | World,
    *,
    seed: int,
    out_dir: Path,
    scale: float = 1.0,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> Simulated:
    """Write a world as canonical Parquet under `out_dir`; equal arguments write equal bytes.

    `exchanges/` holds one file a day, `accounts.parquet` and `account_events.parquet` what the account ingests take,
    `truth.parquet` one row an account and `truth_groups.parquet` which accounts share which group's traffic. Memory is
    bounded by one day's exchanges. A scenario's name is resolved at `scale`; a World is taken as it is.
    """
    world = named_scenario(scenario).at_scale(scale) if isinstance(scenario, str) else scenario
    world = msgspec.structs.replace(world, no_text=world.no_text or settings.no_text)
    library = PromptLibrary.read(Path(settings.prompts), settings.prompt_mix) if settings.prompts else None
    population = populate(world, seed=seed)
    folder = out_dir / "exchanges"
    folder.mkdir(parents=True, exist_ok=True)
    ids = account_ids(population, seed=seed)
    n_exchanges = 0
    for day in range(world.n_days):
        exchanges = draw_day(world, population, seed=seed, day=day)
        n_exchanges += len(exchanges)
        _write_day(world, population, exchanges, ids=ids, day=day, library=library, folder=folder, settings=settings)
        if progress is not None:
            progress(day + 1, world.n_days, n_exchanges)
    return _write_tables(world, population, seed=seed, out_dir=out_dir, n_exchanges=n_exchanges, settings=settings)


def _write_day(
    world: World,
    population: Population,
    exchanges: Exchanges,
    *,
    ids: pa.Array,
    day: int,
    library: PromptLibrary | None,
    folder: Path,
    settings: Settings,
) -> None:
    path = folder / f"{exchanges.day.isoformat()}.parquet"
    writer: pq.ParquetWriter | None = None
    try:
        for first in range(0, max(len(exchanges), 1), _ROWS_PER_CHUNK):
            part = exchanges.part(first, first + _ROWS_PER_CHUNK)
            rows = canonical_table(world, population, part, account_id=ids, day=day, library=library)
            writer = writer or pq.ParquetWriter(path, rows.schema, compression=settings.compression)
            writer.write_table(rows)
    finally:
        if writer is not None:
            writer.close()


def _write_tables(
    world: World, population: Population, *, seed: int, out_dir: Path, n_exchanges: int, settings: Settings
) -> Simulated:
    labels = truth(population, seed=seed)
    tables = {
        "accounts": signups(world, population, seed=seed).table(),
        "account_events": account_events(world, population, seed=seed),
        "truth": labels,
        "truth_groups": truth_groups(population, seed=seed),
    }
    paths = {name: out_dir / f"{name}.parquet" for name in tables}
    for name, table in tables.items():
        pq.write_table(table, paths[name], compression=settings.compression)
    return Simulated(
        exchanges=out_dir / "exchanges",
        **paths,
        n_accounts=population.n_accounts,
        n_campaign_accounts=int(np.count_nonzero(labels["is_campaign"].to_numpy(zero_copy_only=False))),
        n_exchanges=n_exchanges,
    )
