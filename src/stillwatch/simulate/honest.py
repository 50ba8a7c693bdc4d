"""Ordinary honest accounts: people, applications, schedulers and companies, with and without popular frameworks."""

import numpy as np
import numpy.typing as npt

from stillwatch.simulate import infrastructure
from stillwatch.simulate.keyed import Ints, Reals, choose, generator, mix, uniform
from stillwatch.simulate.material import PEOPLE, PRODUCTS, n_entities
from stillwatch.simulate.population import (
    ALWAYS_HOURS,
    REGION_HOURS,
    SCHEDULED_HOURS,
    Label,
    PopulationBuilder,
)
from stillwatch.simulate.topics import draw_topics
from stillwatch.simulate.traffic import REGION_SHARES
from stillwatch.simulate.world import HonestMix, World

ORDINARY = "ordinary"
FRAMEWORK = "framework_adopters"
COMPANY = "company"
_PART = 201  # of the seed path
_N_FAVOURITES = 4
_LANGUAGE_SHARES = np.cumsum([0.62, 0.08, 0.07, 0.06, 0.05, 0.04, 0.04, 0.04])
_MAX_RATE_PER_DAY = 400.0
# Companies: share of accounts inside one, and what they share.
_COMPANY_SHARE = 0.22
_COMPANY_MAX_SIZE = 400


def identities(n: int, *, rng: np.random.Generator, n_world: int, honest: HonestMix) -> dict[str, npt.ArrayLike]:
    """Account columns of `n` unrelated people: where they live, what they connect with, when they signed up."""
    keys = rng.integers(1, 1 << 62, n)
    shares = {"cgnat": honest.cgnat_share, "vpn": honest.vpn_share, "cloud": honest.cloud_share}
    network = infrastructure.mixed(keys, n_world, shares)
    second = infrastructure.carriers(keys + 1, n_world)["address_base"]
    travels = rng.random(n) < 0.35
    return {
        **network,
        "second_base": np.where(travels, second, 0),
        "p_second": np.where(travels, 0.5 * rng.random(n), 0.0),
        "stack": infrastructure.stacks(keys),
        "region": np.searchsorted(np.cumsum(REGION_SHARES)[:-1], rng.random(n)),
        "language": np.searchsorted(_LANGUAGE_SHARES[:-1], rng.random(n)),
        "email_kind": draw_email_kinds(n, rng=rng, disposable=honest.disposable_email_share),
    }


def draw_email_kinds(n: int, *, rng: np.random.Generator, disposable: float) -> Ints:
    """Kind of each e-mail address: 0 to 4 are habits at large free providers, 5 own domain, 6 disposable."""
    kinds = rng.choice(6, n, p=[0.30, 0.18, 0.14, 0.08, 0.06, 0.24])
    return np.asarray(np.where(rng.random(n) < disposable, 6, kinds))


def draw_creation_days(n: int, *, rng: np.random.Generator, n_days: int) -> Reals:
    """Day of signup: a growing past, a quarter inside the window, a part of those in bursts after launches."""
    past = -rng.exponential(320.0, n)
    recent = rng.uniform(-30.0, n_days, n)
    bursts = rng.uniform(-20.0, n_days, 6)[rng.integers(0, 6, n)] + rng.exponential(0.8, n)
    draw = rng.random(n)
    return np.asarray(np.select([draw < 0.62, draw < 0.90], [past, recent], default=bursts).clip(max=n_days - 0.2))


def add_ordinary(builder: PopulationBuilder, world: World, *, seed: int, n: int, framework_id: int) -> Ints:
    """Indices of `n` new ordinary accounts, with one stream each."""
    rng = generator(seed, _PART)
    honest = world.honest
    created = draw_creation_days(n, rng=rng, n_days=world.n_days)
    columns = identities(n, rng=rng, n_world=n, honest=honest)
    columns |= _companies(builder, n, rng=rng)
    columns |= _shared_cards(builder, n, rng=rng, honest=honest, org=np.asarray(columns["org"]))
    framework = _frameworks(n, rng=rng, honest=honest)
    in_company = np.asarray(columns["org"]) > 0
    label = np.select(
        [framework > 0, in_company],
        [builder.label(Label(FRAMEWORK)), builder.label(Label(COMPANY))],
        default=builder.label(Label(ORDINARY)),
    )
    account = builder.add_accounts(n, label=label, created_day=created, **columns)
    _add_streams(builder, world, account, framework, created, rng=rng, framework_id=framework_id)
    return account


def _companies(builder: PopulationBuilder, n: int, *, rng: np.random.Generator) -> dict[str, npt.ArrayLike]:
    """Org of each account, 0 for none: many small companies, a few of hundreds of accounts."""
    largest = max(3, min(_COMPANY_MAX_SIZE, n // 100))
    exponent = np.log(largest) * rng.uniform(0.15, 1.0, n) * rng.uniform(0.35, 1.0, n)
    sizes = 2 + np.exp(exponent).astype(np.int64)
    sizes = sizes[np.cumsum(sizes) <= int(_COMPANY_SHARE * n)]
    members = rng.permutation(n)[: sizes.sum()]
    org = np.zeros(n, dtype=np.int64)
    org[members] = builder.new_ids(len(sizes) + 1) + np.repeat(np.arange(len(sizes)), sizes)
    return {"org": org}


def _shared_cards(
    builder: PopulationBuilder, n: int, *, rng: np.random.Generator, honest: HonestMix, org: Ints
) -> dict[str, npt.ArrayLike]:
    """Cards and devices: mostly one's own; some shared by a company, a family, a shop, a lab or a reseller."""
    n_clusters = max(4, n // 40)
    cluster = (n_clusters * rng.random(n) ** 2.2).astype(np.int64)
    payment = np.where(rng.random(n) < 0.8, builder.new_ids(n) + np.arange(n), 0)
    payment = np.where(rng.random(n) < honest.shared_payment_share, builder.new_ids(n_clusters) + cluster, payment)
    has_company_card = (org > 0) & (uniform(org, 401) < 0.45)
    payment = np.where(has_company_card, builder.new_ids(n) + org - org[org > 0].min(initial=n), payment)
    device = np.where(rng.random(n) < 0.7, builder.new_ids(n) + np.arange(n), 0)
    device = np.where(rng.random(n) < honest.shared_device_share, builder.new_ids(n_clusters) + cluster, device)
    return {"payment": payment, "device": device}


def _frameworks(n: int, *, rng: np.random.Generator, honest: HonestMix) -> Ints:
    """Rank of each account's framework, 0 for none; the first rank has `top_framework_share` of all accounts."""
    ranks = np.arange(2, honest.n_frameworks + 1)
    tail = 1.0 / ranks**1.1
    rest = honest.framework_share - honest.top_framework_share
    shares = np.concatenate([[honest.top_framework_share], rest * tail / tail.sum()])
    edges = np.cumsum(shares)
    rank = np.searchsorted(edges, rng.random(n)) + 1
    return np.asarray(np.where(rank > honest.n_frameworks, 0, rank))


def framework_columns(first_id: int, rank: npt.ArrayLike) -> dict[str, npt.ArrayLike]:
    """Stream columns that adopters of a framework share: its system prompt, tools, templates and manner of working."""
    offset = first_id + 16 * np.asarray(rank, dtype=np.int64)
    n_templates = choose(5, rank, 301)
    return {
        "system": np.where(uniform(rank, 302) < 0.85, offset + choose(3, rank, 303), 0),
        "tools": np.where(uniform(rank, 304) < 0.6, offset + 4, 0),
        "p_system": 0.75 + 0.25 * uniform(rank, 305),
        "n_templates": n_templates,
        "template_base": offset + 8,
        "p_template": np.where(n_templates > 0, 0.1 + 0.5 * uniform(rank, 306), 0.0),
        "loop": 1.0 + 4.0 * uniform(rank, 307) ** 2,
        "session": 2.0 + 10.0 * uniform(rank, 308) ** 2,
    }


def _add_streams(
    builder: PopulationBuilder,
    world: World,
    account: Ints,
    framework: Ints,
    created: Reals,
    *,
    rng: np.random.Generator,
    framework_id: int,
) -> None:
    """One personal stream for each account, in its framework's dress where it has one."""
    honest = world.honest
    n = len(account)
    columns = _volumes(honest, created, world.n_days, rng=rng)
    columns |= _rhythm(honest, n, rng=rng, columns=columns)
    columns |= _own_dress(builder, n, rng=rng)
    adopts = framework > 0
    for name, values in framework_columns(framework_id, framework).items():
        columns[name] = np.where(adopts, values, columns[name])
    favourites = draw_topics(rng, (n, _N_FAVOURITES), targets=0.15)
    groups = np.array(
        [builder.group(Label(ORDINARY))] + [builder.group(Label(FRAMEWORK)) for _ in range(honest.n_frameworks)]
    )
    runs_by_itself = np.isin(columns["hours"], (ALWAYS_HOURS, SCHEDULED_HOURS))
    median = honest.material_scale * np.where(runs_by_itself, PRODUCTS, PEOPLE)
    topic_len, skew = 1 + rng.integers(0, _N_FAVOURITES, n), 1.0 + 1.5 * rng.random(n)
    item_base = mix(account, seed_key(rng)).astype(np.int64)
    builder.add_streams(
        account,
        group=groups[framework],
        topic_start=builder.topics(favourites) + _N_FAVOURITES * np.arange(n),
        topic_len=topic_len,
        skew=skew,
        item_base=item_base,
        n_entities=n_entities(item_base, median),
        **columns,
    )


def seed_key(rng: np.random.Generator) -> int:
    """A fresh key from `rng`."""
    return int(rng.integers(1, 1 << 62))


def _volumes(honest: HonestMix, created: Reals, n_days: int, *, rng: np.random.Generator) -> dict[str, npt.ArrayLike]:
    """When and how much each account sends: heavy-tailed totals, few active days for the small, all for the large."""
    n = len(created)
    total = honest.median_exchanges * np.exp(honest.volume_sigma * rng.standard_normal(n))
    power = honest.power_median_exchanges * np.exp(honest.power_sigma * rng.standard_normal(n))
    total = np.where(rng.random(n) < honest.power_share, power, total)
    start = np.maximum(created + rng.exponential(1.0, n), np.where(rng.random(n) < 0.6, 0.0, rng.uniform(0, n_days, n)))
    start = np.minimum(start, n_days - 0.1)
    lifetime = np.where(rng.random(n) < 0.45, n_days, rng.exponential(14.0, n) + 0.5)
    end = np.minimum(start + lifetime, n_days)
    span = np.maximum(end - start, 0.5)
    active = np.clip(1.0 + total**0.55 * np.exp(0.4 * rng.standard_normal(n)), 1.0, np.maximum(span, 1.0))
    rate = np.minimum(total * (span / 45.0) ** 0.3 / active, _MAX_RATE_PER_DAY)
    return {"start_day": start, "end_day": end, "p_active": active / np.maximum(span, 1.0), "rate": rate}


def _rhythm(
    honest: HonestMix, n: int, *, rng: np.random.Generator, columns: dict[str, npt.ArrayLike]
) -> dict[str, npt.ArrayLike]:
    """Clock and burstiness: people by region, applications around the clock, schedulers evenly, every day alike."""
    draw = rng.random(n)
    scheduled = draw < honest.scheduled_share
    always = ~scheduled & (draw < honest.scheduled_share + honest.always_on_share)
    every_day = np.choose(rng.integers(0, 6, n), [24.0, 48.0, 96.0, 12.0, 144.0, 30.0])
    return {
        "hours": np.select([scheduled, always], [SCHEDULED_HOURS, ALWAYS_HOURS], default=REGION_HOURS),
        "rate": np.where(scheduled, every_day, columns["rate"]),
        "p_active": np.where(scheduled, 1.0, columns["p_active"]),
        "weekend": np.where(scheduled | always, 1.0, 0.25 + 0.75 * rng.random(n)),
        "burst": np.where(always, np.exp(rng.normal(1.0, 1.2, n)), np.exp(rng.normal(0.0, 0.7, n))),
        "session": 1.0 + rng.exponential(3.0, n),
        "loop": np.where(rng.random(n) < 0.2, 1.0 + rng.exponential(2.0, n), 1.0),
    }


def _own_dress(builder: PopulationBuilder, n: int, *, rng: np.random.Generator) -> dict[str, npt.ArrayLike]:
    """System prompts, tools and templates of the account's own making."""
    first = builder.new_ids(8 * n)
    own = first + 8 * np.arange(n)
    n_templates = np.where(rng.random(n) < 0.3, rng.integers(1, 5, n), 0)
    return {
        "system": np.where(rng.random(n) < 0.35, own, 0),
        "tools": np.where(rng.random(n) < 0.12, own + 1, 0),
        "p_system": 0.5 + 0.5 * rng.random(n),
        "template_base": own + 2,
        "n_templates": n_templates,
        "p_template": np.where(n_templates > 0, 0.2 + 0.8 * rng.random(n), 0.0),
    }
