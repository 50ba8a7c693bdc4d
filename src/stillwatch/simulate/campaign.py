"""Campaigns: one queue of prompts, dealt to many accounts that try to look unrelated."""

import numpy as np
import numpy.typing as npt

from stillwatch.simulate import infrastructure
from stillwatch.simulate.honest import framework_columns, identities
from stillwatch.simulate.keyed import Ints, Reals, generator, mix
from stillwatch.simulate.material import PEOPLE, n_entities
from stillwatch.simulate.population import ALWAYS_HOURS, PROVIDER_HOURS, REGION_HOURS, Label, PopulationBuilder
from stillwatch.simulate.topics import N_TOPICS, TARGET_TOPICS, draw_topics
from stillwatch.simulate.world import Campaign, World

_PART = 401  # of the seed path
HONEST_CLASS = "campaign"
_N_COVER_TOPICS = 4
_DAILY_BURST_OF_MIMICS = 1.0


def add_campaigns(builder: PopulationBuilder, world: World, *, seed: int, framework_id: int) -> None:
    """Add every campaign of the world; `framework_id` is the first id of the honest frameworks."""
    for number, campaign in enumerate(world.campaigns):
        rng = generator(seed, _PART, number)
        _add_campaign(builder, world, campaign, rng=rng, framework_id=framework_id)


def _add_campaign(
    builder: PopulationBuilder, world: World, campaign: Campaign, *, rng: np.random.Generator, framework_id: int
) -> None:
    end = campaign.start_day + campaign.served * (world.n_days - campaign.start_day)
    first_day, last_day = _generations(campaign, end=end, rng=rng)
    n = len(first_day)
    label = Label(HONEST_CLASS, campaign.name)
    account = builder.add_accounts(
        n,
        label=builder.label(label),
        **_member_columns(builder, world, campaign, first_day, last_day, end=end, rng=rng),
    )
    rate = campaign.exchanges_per_day * _shares(campaign, n, rng=rng)
    calendar: dict[str, npt.ArrayLike] = {
        "start_day": first_day,
        "end_day": last_day,
        "ramp_days": campaign.slow_start_days,
    }
    clock = _clock(campaign)
    builder.add_streams(
        account,
        group=builder.group(label),
        rate=rate * (1.0 - campaign.dilution),
        **calendar,
        **clock,
        **_queue(builder, campaign, n, rng=rng, framework_id=framework_id),
    )
    if campaign.dilution > 0:
        _add_cover(builder, world, account, rate * campaign.dilution, calendar=calendar, clock=clock, rng=rng)


def _generations(campaign: Campaign, *, end: float, rng: np.random.Generator) -> tuple[Reals, Reals]:
    """First and last day of every account: each slot's accounts follow one another, a new one hours after a ban."""
    n, generations = campaign.n_accounts, campaign.generations
    length = (end - campaign.start_day) / generations
    cuts = campaign.start_day + length * np.arange(generations + 1)
    jitter = rng.uniform(-0.3, 0.3, (n, generations + 1)) * length
    jitter[:, 0] = rng.exponential(min(1.5, 0.2 * length), n)
    jitter[:, -1] = 0.0
    edges = cuts + jitter
    pause = rng.exponential(0.15, (n, generations))
    pause[:, 0] = 0.0
    return np.minimum(edges[:, :-1] + pause, end).ravel(), edges[:, 1:].ravel()


def _shares(campaign: Campaign, n: int, *, rng: np.random.Generator) -> Reals:
    """Each account's share of the queue, with mean 1: equal, or log-normal where the volumes are disguised."""
    if campaign.volume_sigma == 0:
        return np.ones(n)
    shares = np.exp(campaign.volume_sigma * rng.standard_normal(n))
    return np.asarray(shares / shares.mean())


def _member_columns(
    builder: PopulationBuilder,
    world: World,
    campaign: Campaign,
    first_day: Reals,
    last_day: Reals,
    *,
    end: float,
    rng: np.random.Generator,
) -> dict[str, npt.ArrayLike]:
    """Identities: bought one by one like anybody's, with lapses in which a few accounts share a card or an exit."""
    n = len(first_day)
    columns = identities(n, rng=rng, n_world=world.honest.n_accounts, honest=world.honest)
    fresh = first_day - rng.exponential(campaign.signup_spread_days / 3, n)
    bought = first_day - 60.0 - rng.exponential(300.0, n)
    columns["created_day"] = np.where(rng.random(n) < campaign.aged, bought, fresh)
    columns["suspended_day"] = np.where(last_day < end - 0.01, last_day, np.nan)
    cluster = rng.permutation(n) // max(campaign.cluster, 1)
    n_clusters = int(cluster.max()) + 1
    for name in ("payment", "device"):
        own = np.where(rng.random(n) < 0.75, builder.new_ids(n) + np.arange(n), 0)
        columns[name] = np.where(rng.random(n) < campaign.p_share, builder.new_ids(n_clusters) + cluster, own)
    exits = infrastructure.clouds(mix(cluster, rng.integers(1, 1 << 62)), world.honest.n_accounts)
    shares_exit = rng.random(n) < campaign.p_share
    for name, values in exits.items():
        columns[name] = np.where(shares_exit, values, columns[name])
    return columns


def _clock(campaign: Campaign) -> dict[str, npt.ArrayLike]:
    """Hours and regularity of the queue's workers."""
    if campaign.mimics_hours:
        return {"hours": REGION_HOURS, "burst": max(campaign.daily_burst, _DAILY_BURST_OF_MIMICS), "weekend": 0.6}
    hours = PROVIDER_HOURS if campaign.follows_provider_hours else ALWAYS_HOURS
    return {"hours": hours, "burst": campaign.daily_burst}


def _queue(
    builder: PopulationBuilder, campaign: Campaign, n: int, *, rng: np.random.Generator, framework_id: int
) -> dict[str, npt.ArrayLike]:
    """What the queue sends: topics, templates, system prompt and tools."""
    topics = np.arange(N_TOPICS) if campaign.unfocused else TARGET_TOPICS
    columns: dict[str, npt.ArrayLike] = {
        "template_base": builder.new_ids(campaign.templates + 1),
        "n_templates": campaign.templates,
        "p_template": 1.0 - campaign.paraphrase,
        "masked": campaign.masked,
        "targets": 0.15 if campaign.unfocused else 1.0,
        "system": builder.new_ids() if campaign.shares_system else 0,
        "tools": builder.new_ids() if campaign.shares_tools else 0,
        "p_system": 0.6 * (1.0 - campaign.paraphrase),
        "item_base": mix(int(rng.integers(1, 1 << 62)), np.arange(n)).astype(np.int64),
        "from_queue": True,
        "samples": campaign.samples_per_prompt,
        "loop": 2.0,
        "session": 5.0,
        "pivots": campaign.pivots,
    }
    if campaign.hides_in_framework is not None:
        dress = framework_columns(framework_id, campaign.hides_in_framework)
        columns |= {name: dress[name] for name in ("system", "tools", "loop", "session")}
        columns |= {name: dress[name] for name in ("template_base", "n_templates", "p_template")}
        columns["p_system"] = 1.0
    if campaign.persona_topics:
        chosen = np.stack([rng.choice(topics, campaign.persona_topics, replace=False) for _ in range(n)])
        start = builder.topics(chosen) + campaign.persona_topics * np.arange(n)
        return columns | {"topic_start": start, "topic_len": campaign.persona_topics}
    return columns | {"topic_start": builder.topics(topics), "topic_len": len(topics)}


def _add_cover(
    builder: PopulationBuilder,
    world: World,
    account: Ints,
    rate: Reals,
    *,
    calendar: dict[str, npt.ArrayLike],
    clock: dict[str, npt.ArrayLike],
    rng: np.random.Generator,
) -> None:
    """Cover traffic of an honest kind: each account has favourites, its own wording and material, and bursty days."""
    n = len(account)
    favourites = draw_topics(rng, (n, _N_COVER_TOPICS), targets=0.1)
    active = rng.uniform(0.4, 1.0, n)
    item_base = mix(account, rng.integers(1, 1 << 62)).astype(np.int64)
    builder.add_streams(
        account,
        group=builder.group(Label("cover")),
        rate=rate / active,
        p_active=active,
        **calendar,
        **(clock | {"burst": np.exp(rng.normal(0.0, 0.5, n))}),
        topic_start=builder.topics(favourites) + _N_COVER_TOPICS * np.arange(n),
        topic_len=_N_COVER_TOPICS,
        skew=1.5,
        item_base=item_base,
        n_entities=n_entities(item_base, PEOPLE * world.honest.material_scale),
        session=4.0,
    )
