"""Honest look-alikes: groups that share a template, a network, a card or a rhythm without being a campaign."""

import msgspec
import numpy as np
import numpy.typing as npt

from stillwatch.simulate import infrastructure
from stillwatch.simulate.honest import draw_creation_days, identities
from stillwatch.simulate.keyed import Ints, generator, mix, uniform
from stillwatch.simulate.material import PRODUCTS, n_entities
from stillwatch.simulate.population import (
    ALWAYS_HOURS,
    FIRST_FIXED_REGION,
    REGION_HOURS,
    SCHEDULED_HOURS,
    Label,
    PopulationBuilder,
)
from stillwatch.simulate.topics import draw_topics
from stillwatch.simulate.traffic import N_REGIONS, REGION_SHARES
from stillwatch.simulate.world import Hours, Lookalike, Network, World

_PART = 301  # of the seed path
_ONLY_TEMPLATE = 0.3  # share of groups whose members send nothing but the shared template
_CLOCKS = {Hours.MEMBER: REGION_HOURS, Hours.ALWAYS: ALWAYS_HOURS, Hours.SCHEDULED: SCHEDULED_HOURS}


def add_lookalikes(builder: PopulationBuilder, world: World, *, seed: int, ordinary: Ints) -> None:
    """Add every group of every look-alike class of the world."""
    for number, kind in enumerate(world.honest.lookalikes):
        rng = generator(seed, _PART, number)
        expected = kind.groups_per_100k * world.honest.n_accounts / 100_000
        for _ in range(max(kind.min_groups, int(rng.poisson(expected)))):
            _add_group(builder, world, kind, rng=rng, ordinary=ordinary)


def _add_group(
    builder: PopulationBuilder, world: World, kind: Lookalike, *, rng: np.random.Generator, ordinary: Ints
) -> None:
    label = Label(kind.honest_class)
    kind = _varied(kind, rng)
    low, high = np.log(kind.members[0]), np.log(kind.members[1] + 1)
    cap = max(kind.members[0], world.honest.n_accounts // 40)
    n = min(int(np.exp(rng.uniform(low, high))), cap)
    span = float(rng.uniform(*kind.span_days))
    begin = float(rng.uniform(min(-0.5 * span, 0.0), max(world.n_days - 0.5 * span, 0.5)))
    region = int(rng.choice(N_REGIONS, p=REGION_SHARES))
    onset = np.maximum(begin + rng.exponential(kind.onset_spread_days, n), 0.0)
    if kind.joins:
        account = rng.choice(ordinary, min(n, len(ordinary)), replace=False)
        onset = np.maximum(onset[: len(account)], builder.account_column("created_day")[account].astype(np.float64))
    else:
        account = _add_members(builder, world, kind, n=n, label=label, region=region, onset=onset, rng=rng)
    _add_streams(builder, world, kind, account, label=label, region=region, onset=onset, end=begin + span, rng=rng)


def _varied(kind: Lookalike, rng: np.random.Generator) -> Lookalike:
    """The habits of one group of the class: a class is a range of groups, and some come far closer to a campaign."""
    spread = np.exp(rng.normal(0.0, [0.4, 0.7, 0.3, 0.5, 0.6]))
    only_template = kind.p_template > 0 and rng.random() < _ONLY_TEMPLATE
    return msgspec.structs.replace(
        kind,
        exchanges=kind.exchanges * spread[0],
        burst=kind.burst * spread[1],
        p_active=min(kind.p_active * spread[2], 1.0),
        onset_spread_days=kind.onset_spread_days * spread[3],
        pool=max(2, round(kind.pool * spread[4])) if kind.pool else 0,
        volume_sigma=kind.volume_sigma * rng.uniform(0.4, 1.3),
        p_template=1.0 if only_template else kind.p_template,
    )


def _add_members(
    builder: PopulationBuilder,
    world: World,
    kind: Lookalike,
    *,
    n: int,
    label: Label,
    region: int,
    onset: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> Ints:
    """Accounts of the group's own, with what its members share."""
    columns = identities(n, rng=rng, n_world=world.honest.n_accounts, honest=world.honest)
    on_network = rng.random(n) < kind.p_network
    for name, values in _network(kind.network, n, world.honest.n_accounts, rng=rng).items():
        columns[name] = np.where(on_network, values, columns[name])
    if kind.network is not Network.OWN:
        columns["p_second"] = np.where(on_network, 0.0, columns["p_second"])
    if kind.hours is Hours.GROUP:
        columns["region"] = region
    if rng.random() < 0.5:
        columns["language"] = int(np.asarray(columns["language"])[0])
    older = draw_creation_days(n, rng=rng, n_days=1)
    young = rng.random(n) < kind.young
    columns["created_day"] = np.minimum(np.where(young, onset - rng.exponential(1.5, n), older), onset)
    for name, share in (("payment", kind.shares_payment), ("device", kind.shares_device), ("org", kind.shares_org)):
        own = builder.new_ids(n) + np.arange(n)
        absent = 0 if name == "org" else np.where(rng.random(n) < 0.75, own, 0)
        columns[name] = np.where(rng.random(n) < share, builder.new_ids(), absent)
    columns["owner"] = builder.new_ids() if rng.random() < kind.verified else 0
    columns["tag"] = builder.new_ids() if kind.contract_tag else 0
    return builder.add_accounts(n, label=builder.label(label), **columns)


def _network(network: Network, n: int, n_world: int, *, rng: np.random.Generator) -> infrastructure.Network:
    key = int(rng.integers(1, 1 << 62))
    match network:
        case Network.NAT:
            return infrastructure.gateway(key, n, width=1 + int(rng.integers(0, 3)))
        case Network.SHARED_CLOUD:
            return infrastructure.platform(key, n)
        case Network.CLOUD:
            return infrastructure.clouds(mix(key, np.arange(n)), n_world)
        case Network.VPN:
            return infrastructure.vpns(np.full(n, key), n_world)
        case Network.CGNAT:
            return infrastructure.carriers(np.full(n, key), n_world)
        case Network.OWN:
            return {}


def _add_streams(
    builder: PopulationBuilder,
    world: World,
    kind: Lookalike,
    account: Ints,
    *,
    label: Label,
    region: int,
    onset: npt.NDArray[np.float64],
    end: float,
    rng: np.random.Generator,
) -> None:
    """The traffic that makes the members a group."""
    n = len(account)
    days = np.maximum(end - onset, 1.0)
    total = kind.exchanges * np.exp(kind.volume_sigma * rng.standard_normal(n))
    n_templates = int(rng.integers(kind.templates[0], kind.templates[1] + 1))
    key = int(rng.integers(1, 1 << 62))
    builder.add_streams(
        account,
        group=builder.group(label),
        start_day=onset,
        end_day=onset + days,
        p_active=kind.p_active,
        rate=np.maximum(total / np.maximum(days * kind.p_active, 1.0), 0.2),
        burst=kind.burst,
        hours=FIRST_FIXED_REGION + region if kind.hours is Hours.GROUP else _CLOCKS[kind.hours],
        topic_start=builder.topics(draw_topics(rng, (kind.n_topics,), targets=kind.targets)),
        topic_len=kind.n_topics,
        p_template=kind.p_template if n_templates else 0.0,
        template_base=builder.new_ids(n_templates + 1),
        n_templates=n_templates,
        masked=kind.masked,
        targets=kind.targets,
        system=builder.new_ids() if kind.has_system else 0,
        tools=builder.new_ids() if kind.has_tools else 0,
        loop=kind.loop,
        session=1.0 + 6.0 * rng.random(),
        **_content(kind, account, key=key, scale=world.honest.material_scale),
    )


def _content(kind: Lookalike, account: Ints, *, key: int, scale: float) -> dict[str, npt.ArrayLike]:
    """Whose instances and whose material the members send: the group's or their own."""
    item_base = np.full(len(account), key) if kind.pool else mix(account, key).astype(np.int64)
    has_one_stock = bool(uniform(key, 1) < kind.one_stock)
    return {
        "pool": kind.pool,
        "item_base": item_base,
        "n_entities": n_entities(key if has_one_stock else item_base, kind.entities * scale),
        "material_base": key if has_one_stock else 0,
    }


LOOKALIKES: tuple[Lookalike, ...] = (
    Lookalike(
        honest_class="class", groups_per_100k=45, members=(12, 220), exchanges=25, volume_sigma=1.0,
        span_days=(10, 45), onset_spread_days=2, p_active=0.35, hours=Hours.GROUP, templates=(1, 4), p_template=0.3,
        n_topics=3, targets=0.4, pool=60, network=Network.NAT, p_network=0.5, young=0.8, shares_org=0.6,
    ),
    Lookalike(
        honest_class="bootcamp", groups_per_100k=15, members=(15, 80), exchanges=70, volume_sigma=0.8,
        span_days=(14, 45), onset_spread_days=1.5, p_active=0.6, hours=Hours.GROUP, templates=(2, 8), p_template=0.35,
        n_topics=4, targets=0.8, pool=150, young=0.85, has_system=True, shares_payment=0.15,
    ),
    Lookalike(
        honest_class="viral_prompt", groups_per_100k=30, members=(30, 600), joins=True, exchanges=2, volume_sigma=0.6,
        span_days=(3, 14), onset_spread_days=4, p_active=0.6, templates=(1, 1), p_template=0.95, masked=0.8,
        n_topics=2, pool=4,
    ),
    Lookalike(
        honest_class="docs_quickstart", groups_per_100k=20, members=(30, 400), exchanges=5, volume_sigma=0.7,
        span_days=(20, 45), onset_spread_days=14, p_active=0.8, templates=(2, 6), p_template=0.85, masked=0.7,
        n_topics=4, targets=0.9, pool=12, young=0.97, has_system=True, has_tools=True,
    ),
    Lookalike(
        honest_class="hackathon", groups_per_100k=10, members=(25, 250), exchanges=45, volume_sigma=0.7,
        span_days=(2, 4), onset_spread_days=0.4, p_active=1.0, burst=2.0, hours=Hours.GROUP, templates=(1, 5),
        p_template=0.25, n_topics=24, targets=0.85, network=Network.NAT, p_network=0.7, young=0.9, shares_payment=0.8,
        has_tools=True, loop=2.0,
    ),
    Lookalike(
        honest_class="corporate_nat", groups_per_100k=35, members=(15, 400), joins=False, exchanges=20,
        volume_sigma=1.3, span_days=(45, 45), onset_spread_days=10, p_active=0.4, hours=Hours.GROUP, n_topics=60,
        network=Network.NAT, young=0.1, shares_payment=0.7, shares_org=1.0, templates=(0, 3), p_template=0.1,
        verified=0.5,
    ),
    Lookalike(
        honest_class="vpn_pool", groups_per_100k=20, members=(40, 300), exchanges=14, volume_sigma=1.6,
        span_days=(45, 45), onset_spread_days=15, p_active=0.25, n_topics=200, network=Network.VPN, young=0.3,
    ),
    Lookalike(
        honest_class="cgnat_pool", groups_per_100k=25, members=(40, 400), exchanges=8, volume_sigma=1.6,
        span_days=(45, 45), onset_spread_days=15, p_active=0.2, hours=Hours.GROUP, n_topics=200,
        network=Network.CGNAT, young=0.3,
    ),
    Lookalike(
        honest_class="saas_byok", groups_per_100k=25, members=(20, 500), exchanges=22, volume_sigma=1.3,
        span_days=(30, 45), onset_spread_days=12, p_active=0.6, burst=0.8, templates=(3, 12), p_template=0.9,
        masked=0.6, n_topics=6, targets=0.4, network=Network.SHARED_CLOUD, p_network=0.8, young=0.35, has_system=True,
        has_tools=True, entities=PRODUCTS,
    ),
    Lookalike(
        honest_class="benchmark_customer", groups_per_100k=22, members=(8, 60), joins=True, exchanges=150,
        volume_sigma=1.0, span_days=(2, 20), onset_spread_days=6, p_active=0.5, burst=0.4, hours=Hours.ALWAYS,
        templates=(1, 2), p_template=1.0, masked=0.2, n_topics=12, targets=0.5, pool=1200,
    ),
    Lookalike(
        honest_class="public_harness", groups_per_100k=14, members=(20, 150), exchanges=90, volume_sigma=0.9,
        span_days=(5, 45), onset_spread_days=10, p_active=0.5, hours=Hours.ALWAYS, templates=(2, 5), p_template=0.9,
        n_topics=20, targets=1.0, pool=2500, young=0.5, has_system=True, has_tools=True, loop=4.0,
        network=Network.CLOUD,
    ),
    Lookalike(
        honest_class="automation_fleet", groups_per_100k=22, members=(8, 150), exchanges=170, volume_sigma=0.15,
        span_days=(30, 45), onset_spread_days=1, p_active=1.0, burst=25.0, hours=Hours.ALWAYS, templates=(1, 6),
        p_template=0.95, masked=0.5, n_topics=10, targets=0.4, network=Network.SHARED_CLOUD, young=0.5,
        shares_payment=1.0, shares_org=1.0, shares_device=0.4, verified=0.6, has_system=True,
        entities=PRODUCTS, one_stock=0.5,
    ),
    Lookalike(
        honest_class="contracted_synthetic", groups_per_100k=5, members=(8, 70), exchanges=900, volume_sigma=0.1,
        span_days=(20, 45), onset_spread_days=0.5, p_active=1.0, burst=0.0, hours=Hours.ALWAYS, templates=(3, 12),
        p_template=0.95, n_topics=256, targets=0.3, network=Network.CLOUD, young=0.7, shares_payment=1.0,
        shares_org=1.0, verified=1.0, contract_tag="synthetic-data", has_system=True,
        entities=10 * PRODUCTS, one_stock=1.0,
    ),
    Lookalike(
        honest_class="gateway", groups_per_100k=25, members=(2, 15), exchanges=900, volume_sigma=0.9,
        span_days=(45, 45), onset_spread_days=5, p_active=1.0, burst=6.0, hours=Hours.MEMBER, n_topics=256,
        targets=0.1, network=Network.SHARED_CLOUD, young=0.2, shares_payment=0.9, shares_org=0.9, verified=0.5,
        entities=PRODUCTS, one_stock=0.3,
    ),
    Lookalike(
        honest_class="university_lab", groups_per_100k=18, members=(5, 40), exchanges=120, volume_sigma=1.2,
        span_days=(10, 45), onset_spread_days=8, p_active=0.5, burst=0.5, templates=(1, 4), p_template=0.6,
        n_topics=5, targets=0.7, pool=400, network=Network.NAT, p_network=0.6, young=0.5, shares_org=0.5,
    ),
    Lookalike(
        honest_class="red_team_vendor", groups_per_100k=8, members=(5, 40), exchanges=250, volume_sigma=0.6,
        span_days=(10, 45), onset_spread_days=1, p_active=0.7, burst=2.0, hours=Hours.GROUP, templates=(4, 20),
        p_template=0.8, n_topics=30, targets=0.4, network=Network.VPN, young=0.9, shares_payment=0.6, verified=0.7,
    ),
    Lookalike(
        honest_class="migration_cohort", groups_per_100k=8, members=(60, 800), exchanges=20, volume_sigma=1.3,
        span_days=(20, 40), onset_spread_days=2.0, p_active=0.5, hours=Hours.GROUP, templates=(1, 4), p_template=0.4,
        n_topics=40, targets=0.4, young=0.95, has_system=True, has_tools=True,
    ),
)  # fmt: skip
"""The suite that calibration and evaluation share. Sizes and rates are judgements: each class is as close to a campaign
as its real counterpart could plausibly be. `docs/simulation.md` says what they rest on."""
