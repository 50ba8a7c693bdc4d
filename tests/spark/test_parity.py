"""Every stage on DuckDB and on Spark: the same rows of every table, from telemetry to campaigns."""

from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from stillwatch import pipeline, simulate
from stillwatch.engines import Engine
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    CAMPAIGNS,
    GROUP_MEMBERS,
    GROUP_SCORES,
    GROUP_SIGNALS,
    GROUPS,
    SLICES,
    TOKEN_USES,
)
from tests.engines.parity import assert_same_rows
from tests.small_world import CONFIG, FIRST, SEED, WORLD, copied, new_workspace

COMPARED = (TOKEN_USES, ACCOUNT_DAYS, SLICES, GROUPS, GROUP_MEMBERS, GROUP_SIGNALS, GROUP_SCORES, CAMPAIGNS)

SMALL_WORLD = msgspec.structs.replace(
    WORLD,
    honest=msgspec.structs.replace(WORLD.honest, n_accounts=120),
    campaigns=(msgspec.structs.replace(WORLD.campaigns[0], n_accounts=80, exchanges_per_day=6.0),),
    n_days=4,
    release_day=2,
)
"""Under three thousand exchanges; Spark spends its time on starting jobs, not on rows."""

LARGE_WORLD = msgspec.structs.replace(
    WORLD,
    honest=msgspec.structs.replace(WORLD.honest, n_accounts=3_000, power_share=0.014),
    campaigns=(simulate.Campaign(name="plain", n_accounts=450, dilution=0.0, p_share=0.3),),
)
"""About a hundred thousand exchanges."""


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize("world", [pytest.param(SMALL_WORLD, id="small"), pytest.param(LARGE_WORLD, id="large")])
def test_both_engines_make_the_same_rows_of_every_table(
    world: simulate.World, tmp_path: Path, duckdb_engine: Engine, spark_engine: Engine
) -> None:
    made = simulate.simulate(world, seed=SEED, out_dir=tmp_path / "world")
    with new_workspace(tmp_path / "lake", tmp_path / "world") as watch:
        watch.ingest([made.exchanges])
    left, right = (answers(tmp_path, engine) for engine in (duckdb_engine, spark_engine))
    assert left[CAMPAIGNS.name].num_rows > 0
    for table in COMPARED:
        assert_same_rows(left[table.name], right[table.name], table.key)


def answers(folder: Path, engine: Engine) -> dict[str, pa.Table]:
    """The compared tables that `engine` makes from a copy of the lake that has no features yet."""
    with copied(folder / "lake", folder / engine.name, folder / "world", clock=FIRST) as watch:
        lake, judgements = watch.workspace.lake, watch.workspace.state.judgements()
    pipeline.refresh_features(lake, engine=engine, config=CONFIG)
    snapshot, question = lake.snapshot(), pipeline.Question()
    run = question.resolve(snapshot, CONFIG)
    inputs = pipeline.run_inputs(snapshot, judgements, question, run, engine=engine, config=CONFIG)
    tables = pipeline.run_stages(inputs, run, engine=engine, config=CONFIG)
    return {table.name: engine.to_arrow(tables[table.name]) for table in COMPARED}
