"""Simulated windows with planted campaigns of many kinds: what a boosting is fitted to and tested on."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from stillwatch.config import Config
from stillwatch.engines import Engine
from stillwatch.evaluate.calibrate import Plan, labelled_groups
from stillwatch.evaluate.worlds import Scene, build_scene, propose
from stillwatch.scoring import PlantedGroups
from stillwatch.simulate import Campaign, World

SEED_PART: Final = 811
"""Tells the draw of a world's campaigns apart from every other use of its seed."""
N_CAMPAIGNS: Final = 8
"""In a world of 50,000 accounts campaigns then hold about one account in twenty."""
MAX_EVASIONS: Final = 3
SIZES: Final = (15, 2000)
EXCHANGES_PER_DAY: Final = (4.0, 60.0)
BEGUN_DAYS: Final = (1, 7)
"""How many days before its end the campaigns of a window with a seed in `Plan.begun_seeds` begin."""
N_FRAMEWORKS: Final = 12
"""The fewest frameworks that any world has; a campaign hides in one of these, the most popular first."""

BENCHMARKS: Final = (
    Campaign(name="base50", n_accounts=50),
    Campaign(name="base500", n_accounts=500),
    Campaign(name="diluted50", n_accounts=50, dilution=0.9),
    Campaign(name="diluted500", n_accounts=500, dilution=0.9),
    Campaign(name="unbalanced200", n_accounts=200, volume_sigma=1.2),
    Campaign(name="unbalanced_aged200", n_accounts=200, volume_sigma=1.2, aged=1.0),
)
"""Planted in every held-out world beside its random campaigns: those of the suites, which no draw is fitted to."""

Knobs = dict[str, object]
EVASIONS: Final[dict[str, Callable[[np.random.Generator, int], Knobs]]] = {
    "dilution": lambda rng, _: {"dilution": float(rng.choice([0.5, 0.8, 0.9, 0.95]))},
    "paraphrase": lambda rng, _: {"paraphrase": float(rng.choice([0.3, 0.6, 0.8]))},
    "volumes": lambda rng, _: {"volume_sigma": float(rng.uniform(0.5, 1.3))},
    "aged": lambda rng, _: {"aged": float(rng.uniform(0.5, 1.0))},
    "hours": lambda _, __: {"mimics_hours": True},
    "personas": lambda rng, _: {"persona_topics": int(rng.integers(3, 12))},
    "unfocused": lambda _, __: {"unfocused": True},
    "unshared": lambda _, __: {"shares_system": False, "shares_tools": False},
    "bursts": lambda rng, _: {"daily_burst": float(rng.uniform(0.5, 5.0))},
    "clusters": lambda rng, _: {"p_share": float(rng.uniform(0.1, 0.9)), "cluster": int(rng.integers(5, 40))},
    "slow_start": lambda rng, n_days: {"slow_start_days": float(rng.uniform(0.1, 0.5) * n_days)},
    "framework": lambda rng, _: {"hides_in_framework": int(rng.integers(N_FRAMEWORKS))},
    "late_start": lambda rng, n_days: {"start_day": int(rng.uniform(0.2, 0.7) * n_days)},
    "few_templates": lambda rng, _: {"templates": int(rng.integers(1, 3))},
    "many_templates": lambda rng, _: {"templates": int(rng.integers(15, 60))},
    "churn": lambda rng, _: {"generations": int(rng.integers(2, 6))},
    "pivots": lambda _, __: {"pivots": True},
    "samples": lambda rng, _: {"samples_per_prompt": int(rng.choice([2, 4, 8]))},
}
"""Ways to evade, each with its knobs of a campaign in a window of so many days."""
BEGUN: Final = "begun"
"""What the name of a campaign says that began within the window's last days."""


def random_campaign(rng: np.random.Generator, number: int, *, n_days: int) -> Campaign:
    """A campaign with up to MAX_EVASIONS evasions at once; its name lists them."""
    chosen = sorted(rng.choice(list(EVASIONS), rng.integers(0, MAX_EVASIONS + 1), replace=False).tolist())
    knobs: Knobs = {
        "n_accounts": round(_log_uniform(rng, *SIZES)),
        "exchanges_per_day": _log_uniform(rng, *EXCHANGES_PER_DAY),
        "templates": int(rng.choice([3, 5, 10])),
    }
    for name in chosen:
        knobs |= EVASIONS[name](rng, n_days)
    return msgspec.structs.replace(Campaign(), name=f"{number}:{'+'.join(chosen) or 'plain'}", **knobs)


def just_begun(campaign: Campaign, rng: np.random.Generator, *, n_days: int) -> Campaign:
    """The campaign as it is when only its first days lie in the window; its name says so."""
    served = int(rng.integers(BEGUN_DAYS[0], BEGUN_DAYS[1] + 1))
    return msgspec.structs.replace(
        campaign,
        name=f"{campaign.name}+{BEGUN}",
        start_day=max(0, n_days - served),
        slow_start_days=min(campaign.slow_start_days, served / 2),
    )


def planted_world(plan: Plan, seed: int) -> World:
    """The plan's world of a seed with random campaigns, and the benchmark campaigns in a held-out one.

    Where the seed is one of `plan.begun_seeds`, all of the random campaigns have just begun and there are no others.
    """
    quiet = plan.world(seed)
    rng = np.random.default_rng([SEED_PART, seed])
    drawn = [random_campaign(rng, number, n_days=quiet.n_days) for number in range(N_CAMPAIGNS)]
    if seed in plan.begun_seeds:
        drawn = [just_begun(campaign, rng, n_days=quiet.n_days) for campaign in drawn]
    fixed = BENCHMARKS if seed in plan.heldout_seeds and seed not in plan.begun_seeds else ()
    return msgspec.structs.replace(quiet, campaigns=(*drawn, *fixed))


def planted_window(plan: Plan, seed: int, *, engine: Engine, config: Config) -> PlantedGroups:
    """The judged groups of the seed's window, honest and planted, with their labels."""
    scene = build_scene(planted_world(plan, seed), seed=seed)
    proposed = propose(scene, engine=engine, config=config)
    groups, signals = labelled_groups(proposed, seed, ["honest_class", "campaign", "campaign_share"])
    return PlantedGroups(_with_campaign_sizes(groups, scene), signals)


def _with_campaign_sizes(groups: pa.Table, scene: Scene) -> pa.Table:
    counts = scene.truth.campaigns.group_by("campaign").aggregate([([], "count_all")])
    sizes = dict(zip(counts["campaign"].to_pylist(), counts["count_all"].to_pylist(), strict=True))
    found = [sizes.get(name) for name in groups["campaign"].to_pylist()]
    return groups.append_column("campaign_accounts", pa.array(found, pa.int64()))


def join_planted(windows: Sequence[PlantedGroups]) -> PlantedGroups:
    """Several windows as one sample."""
    groups = pa.concat_tables([window.groups for window in windows])
    return PlantedGroups(groups, pa.concat_tables([window.signals for window in windows]))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
