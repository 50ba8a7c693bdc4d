"""Measure the pulse on simulated providers: how often quiet days are unusual, and the days on which a campaign begins.

Usage: python benchmarks/pulse_power.py [--accounts 4000] [--campaigns 50 500] [--seeds 9811 9812 9813 9814]
"""

import argparse
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from stillwatch.engines import Engine, Settings, open_engine
from stillwatch.model.stage import Run
from stillwatch.model.tables import ACCOUNT_DAYS, PULSES
from stillwatch.model.window import Window
from stillwatch.pulse import Settings as PulseSettings
from stillwatch.pulse import run
from stillwatch.simulate import Campaign, HonestMix, World, aggregate_world
from stillwatch.simulate.lookalikes import LOOKALIKES

N_DAYS = 120
FIRST = 61
"""Days before are history."""
BEGIN = 90
"""The day on which the campaigns begin."""
LEVELS = (0.05, 0.1, 0.5)


def pulses(world: World, seed: int, engine: Engine) -> pa.Table:
    """PULSES of the world's days from FIRST on."""
    start = datetime.fromisoformat(world.start).replace(tzinfo=UTC)
    window = Window(start + timedelta(days=FIRST), start + timedelta(days=N_DAYS))
    with engine.scope():
        days = engine.from_arrow(ACCOUNT_DAYS, aggregate_world(world, seed=seed).account_days)
        made = run({ACCOUNT_DAYS.name: days}, Run("pulse", window), engine=engine, settings=PulseSettings())
        return engine.to_arrow(made[PULSES.name]).sort_by("day")


def main() -> None:
    """Print one line for quiet worlds and one for each size of campaign."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=4000)
    parser.add_argument("--campaigns", type=int, nargs="*", default=[50, 500])
    parser.add_argument("--seeds", type=int, nargs="+", default=[9811, 9812, 9813, 9814])
    arguments = parser.parse_args()
    engine = open_engine("duckdb", Settings())
    honest = HonestMix(n_accounts=arguments.accounts, n_frameworks=arguments.accounts // 60, lookalikes=LOOKALIKES)
    for size in (0, *arguments.campaigns):
        campaigns = (Campaign(name="planted", n_accounts=size, start_day=BEGIN),) if size else ()
        found = [
            pulses(World(honest=honest, campaigns=campaigns, n_days=N_DAYS), seed, engine) for seed in arguments.seeds
        ]
        p = [value for rows in found for value in rows["p_value"].to_pylist()]
        shares = ", ".join(f"{sum(value <= level for value in p) / len(p):.3f} at {level}" for level in LEVELS)
        first_week = [rows["is_unusual"].to_pylist()[BEGIN - FIRST : BEGIN - FIRST + 7] for rows in found]
        if size:
            said = "; ".join("".join("x" if unusual else "." for unusual in days) for days in first_week)
            print(f"campaign of {size} accounts: unusual (x) of its first seven days, by seed: {said}")
        else:
            print(f"quiet days, {len(p)}: share with p at or below: {shares}")
    engine.close()


if __name__ == "__main__":
    main()
