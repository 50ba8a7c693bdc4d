"""From the description of a world to its population."""

from stillwatch.simulate.campaign import add_campaigns
from stillwatch.simulate.honest import add_ordinary
from stillwatch.simulate.lookalikes import add_lookalikes
from stillwatch.simulate.population import Population, PopulationBuilder
from stillwatch.simulate.world import World

IDS_PER_FRAMEWORK = 16


def populate(world: World, *, seed: int) -> Population:
    """Everybody in `world`: ordinary accounts first, then look-alikes, then campaigns.

    `honest.n_accounts` is the number of all honest accounts up to the randomness of the look-alikes' group sizes.
    """
    builder = PopulationBuilder()
    framework_id = builder.new_ids(IDS_PER_FRAMEWORK * (world.honest.n_frameworks + 1))
    n_ordinary = max(20, int(world.honest.n_accounts * (1.0 - _share_of_own(world))))
    ordinary = add_ordinary(builder, world, seed=seed, n=n_ordinary, framework_id=framework_id)
    add_lookalikes(builder, world, seed=seed, ordinary=ordinary)
    add_campaigns(builder, world, seed=seed, framework_id=framework_id)
    return builder.finish()


def _share_of_own(world: World) -> float:
    """Expected share of the honest accounts that belong to look-alike groups with members of their own."""
    from math import log

    own = [kind for kind in world.honest.lookalikes if not kind.joins]
    means = [(kind.members[1] - kind.members[0]) / log((kind.members[1] + 1) / kind.members[0]) for kind in own]
    return min(0.6, sum(kind.groups_per_100k * mean for kind, mean in zip(own, means, strict=True)) / 100_000)
