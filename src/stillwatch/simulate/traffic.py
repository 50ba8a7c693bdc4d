"""Exchanges of one day as arrays: who sends what, when, from where, to which model, with what outcome."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from stillwatch.simulate import infrastructure
from stillwatch.simulate.keyed import Ints, Keys, Reals, choose, generator, mix, uniform
from stillwatch.simulate.population import (
    FIRST_FIXED_REGION,
    PROVIDER_HOURS,
    REGION_HOURS,
    SCHEDULED_HOURS,
    Population,
)
from stillwatch.simulate.topics import TOPIC_CAPABILITY
from stillwatch.simulate.world import World

N_REGIONS = 4
REGION_OFFSETS = (16, 7, 0, 11)  # hour of UTC at which each region's working day has its middle minus 4
REGION_SHARES = (0.36, 0.30, 0.22, 0.12)
MODELS = ("atlas-large-2", "atlas-small-2", "atlas-mini-1", "atlas-reason-1", "atlas-large-3")
NEW_MODEL = 4
_MODEL_SHARES = np.cumsum([0.42, 0.30, 0.18, 0.10])
_DAY_SECONDS = 86_400
_STREAM_PART = 101  # of the seed path: draws of counts
# Gaps inside a session: the median of the measured account-timing statistics is 73 s, the quartiles 43 and 159 s.
_GAP_MEDIAN_SECONDS = 73.0
_GAP_SIGMA = 0.95
_LOOP_GAP_SECONDS = 11.0


@dataclass(frozen=True, slots=True)
class Exchanges:
    """One day's exchanges in order of time; all arrays have one entry for each.

    `template` is -1 where the wording is the sender's own; `system` and `tools` are 0 where absent. `item` identifies
    the content of the prompt, `entity` the names and files that occur in it; with `shared_wording` every sender of an
    item sends the same words.
    """

    day: date
    stream: Ints
    account: Ints
    second: Reals
    conversation: Keys
    item: Keys
    entity: Keys
    topic: Ints
    template: Ints
    system: Ints
    tools: Ints
    address: Ints
    model: Ints
    status: Ints
    input_tokens: Ints
    output_tokens: Ints
    record: Keys
    shared_wording: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.stream)

    def part(self, first: int, end: int) -> "Exchanges":
        """The exchanges from position `first` up to `end`."""
        return self.reorder(slice(first, end))

    def reorder(self, order: Ints | slice) -> "Exchanges":
        """The exchanges at `order`."""
        arrays = {name: getattr(self, name)[order] for name in Exchanges.__dataclass_fields__ if name != "day"}
        return Exchanges(day=self.day, **arrays)


def hour_profiles() -> Reals:
    """Cumulative share of sends by hour, shape (5, 24): four regions, then all of them together."""
    hours = np.arange(24)
    profiles = np.zeros((N_REGIONS + 1, 24))
    for region, offset in enumerate(REGION_OFFSETS):
        local = (hours - offset) % 24
        work = np.exp(2.0 * np.cos((local - 4) * 2 * np.pi / 24))
        evening = 0.5 * np.exp(4.0 * np.cos((local - 11) * 2 * np.pi / 24)) / np.exp(2.0)
        profiles[region] = (work + evening + 0.15) / (work + evening + 0.15).sum()
    profiles[N_REGIONS] = np.asarray(REGION_SHARES) @ profiles[:N_REGIONS]
    return np.cumsum(profiles, axis=1)


def draw_day(world: World, population: Population, *, seed: int, day: int) -> Exchanges:
    """All exchanges of day number `day` of the window, in order of time."""
    counts = _counts(world, population, seed=seed, day=day)
    stream = np.repeat(np.arange(len(counts)), counts)
    position = np.arange(len(stream)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = {name: values[stream] for name, values in population.streams.items()}
    account = columns["account"].astype(np.int64)
    base = mix(stream, day, seed)
    session_length = 1 + choose(2.0 * columns["session"], base, 1)
    session = position // session_length
    loop_length = 1 + choose(2.0 * columns["loop"] - 1.0, mix(base, session), 2)
    conversation = mix(base, session, 3)
    step = mix(base, position // loop_length, 4)
    item = _items(columns, step)
    shared = columns["from_queue"].astype(bool) | (columns["pool"].astype(np.int64) > 0)
    topic = _topics(population, columns, item, step)
    second = _seconds(population, columns, account, counts[stream], position, session_length, loop_length, base)
    template = _templates(columns, step)
    has_system = uniform(conversation, 5) < columns["p_system"]
    inputs, outputs = _sizes(account, topic, conversation, mix(base, position))
    order = np.lexsort((position, stream, second))
    exchanges = Exchanges(
        day=date.fromisoformat(world.start) + timedelta(days=day),
        stream=stream,
        account=account,
        second=second,
        conversation=conversation,
        item=item,
        entity=np.where(shared, mix(item, 6), mix(account, choose(6, step, 7))),
        topic=topic,
        template=template,
        system=np.where(has_system, columns["system"], 0),
        tools=np.where(has_system, columns["tools"], 0),
        address=infrastructure.addresses(population.accounts, account, day, conversation),
        model=_models(world, columns, account, day, conversation),
        status=_statuses(account, counts[stream], mix(base, position)),
        input_tokens=inputs,
        output_tokens=outputs,
        record=mix(base, position, 8),
        shared_wording=shared,
    )
    return exchanges.reorder(order)


def _counts(world: World, population: Population, *, seed: int, day: int) -> Ints:
    """Exchanges of each stream on `day`: over-dispersed where `burst` > 0, Poisson at 0, fixed for schedules."""
    streams = population.streams
    rng = generator(seed, _STREAM_PART, day)
    n = len(streams["account"])
    activity = rng.random(n)
    overlap = np.clip(np.minimum(streams["end_day"], day + 1) - np.maximum(streams["start_day"], day), 0.0, 1.0)
    ramp = np.clip((day + 1 - streams["start_day"]) / np.maximum(streams["ramp_days"], 1e-9), 0.0, 1.0)
    is_weekend = (date.fromisoformat(world.start) + timedelta(days=day)).weekday() >= 5
    p_active = streams["p_active"] * (streams["weekend"] if is_weekend else 1.0)
    mean = np.where(activity < p_active, streams["rate"] * overlap * ramp, 0.0)
    burst = np.where(streams["burst"] > 0, streams["burst"], 1.0)
    factor = np.where(streams["burst"] > 0, rng.standard_gamma(burst) / burst, 1.0)
    drawn = rng.poisson(np.minimum(mean * factor, 50_000.0))
    fixed = np.round(streams["rate"] * overlap).astype(np.int64)
    return np.asarray(np.where(streams["hours"] == SCHEDULED_HOURS, fixed, drawn))


def _items(columns: dict[str, npt.NDArray[np.generic]], step: Keys) -> Keys:
    """Content keys: of a pool that all members share, of a queue with `samples` sends each, or the sender's own."""
    pool = columns["pool"].astype(np.int64)
    pooled = mix(columns["item_base"], choose(np.maximum(pool, 1), step, 11))
    return np.where(pool > 0, pooled, mix(columns["item_base"], step, 12))


def _topics(population: Population, columns: dict[str, npt.NDArray[np.generic]], item: Keys, step: Keys) -> Ints:
    """The topic of each item: position u**skew in its stream's list; pooled items keep theirs for every sender."""
    key = np.where(columns["pool"].astype(np.int64) > 0, item, step)
    position = columns["topic_len"] * uniform(key, 21) ** columns["skew"]
    return np.asarray(population.topics[columns["topic_start"].astype(np.int64) + position.astype(np.int64)])


def _templates(columns: dict[str, npt.NDArray[np.generic]], step: Keys) -> Ints:
    n = columns["n_templates"].astype(np.int64)
    uses = (uniform(step, 31) < columns["p_template"]) & (n > 0)
    return np.asarray(np.where(uses, columns["template_base"] + choose(np.maximum(n, 1), step, 32), -1))


def _seconds(
    population: Population,
    columns: dict[str, npt.NDArray[np.generic]],
    account: Ints,
    count: Ints,
    position: Ints,
    session_length: Ints,
    loop_length: Ints,
    base: Keys,
) -> Reals:
    """Second of the day of each exchange: a session starts by its clock, its exchanges follow with human gaps."""
    session = mix(base, position // session_length)
    hours = columns["hours"].astype(np.int64)
    region = np.where(hours >= FIRST_FIXED_REGION, hours - FIRST_FIXED_REGION, population.accounts["region"][account])
    profile = np.where(hours == PROVIDER_HOURS, N_REGIONS, region)
    flat = uniform(session, 41)
    cumulative = hour_profiles()
    clocked = (cumulative[profile] < flat[:, None]).sum(axis=1) + uniform(session, 42)
    follows_clock = (hours == REGION_HOURS) | (hours >= PROVIDER_HOURS)
    start = np.where(follows_clock, clocked * 3600.0, flat * _DAY_SECONDS)
    gap = _GAP_MEDIAN_SECONDS * np.exp(_GAP_SIGMA * _normal(session, 43))
    gap = np.where(loop_length > 1, _LOOP_GAP_SECONDS * (0.5 + uniform(session, 44)), gap)
    offset = (position % session_length) * gap * (0.9 + 0.2 * uniform(mix(base, position), 45))
    spaced = (position + uniform(mix(account), 46)) * _DAY_SECONDS / np.maximum(count, 1)
    return np.asarray(np.where(hours == SCHEDULED_HOURS, spaced, start + offset) % _DAY_SECONDS)


def _normal(*keys: npt.ArrayLike) -> Reals:
    """Standard normal values by keys (Box and Muller)."""
    radius = np.sqrt(-2.0 * np.log1p(-uniform(*keys, 1)))
    return np.asarray(radius * np.cos(2 * np.pi * uniform(*keys, 2)))


# Log mean and spread of input and output tokens by capability, from the public traces: conversation 6.6/1.0 in and
# 5.0/0.85 out, code completion 7.0/1.35 in and 2.9/0.8 out, long conversations 8.7/1.2 in and 5.4/1.3 out.
_INPUT_MEANS = np.array([8.2, 7.2, 7.6, 7.6, 7.0, 6.3, 6.9, 6.6])
_INPUT_SIGMAS = np.array([1.2, 1.3, 1.0, 1.1, 1.1, 0.8, 0.8, 1.0])
_OUTPUT_MEANS = np.array([5.2, 5.0, 5.9, 4.4, 4.9, 5.8, 4.2, 5.0])
_OUTPUT_SIGMAS = np.array([1.2, 1.1, 0.9, 1.0, 0.9, 0.8, 0.9, 0.85])


def _sizes(account: Ints, topic: Ints, conversation: Keys, key: Keys) -> tuple[Ints, Ints]:
    """Input and output tokens: log-normal by capability, shifted by account and conversation."""
    code = TOPIC_CAPABILITY[topic]
    shift = 0.6 * _normal(account, 51) + 0.4 * _normal(conversation, 52)
    log_input = _INPUT_MEANS[code] + shift + 0.7 * _INPUT_SIGMAS[code] * _normal(key, 53)
    log_output = _OUTPUT_MEANS[code] + 0.5 * _normal(account, 54) + _OUTPUT_SIGMAS[code] * _normal(key, 55)
    return (
        np.clip(np.exp(log_input), 8, 200_000).astype(np.int64),
        np.clip(np.exp(log_output), 1, 32_000).astype(np.int64),
    )


def _models(
    world: World, columns: dict[str, npt.NDArray[np.generic]], account: Ints, day: int, conversation: Keys
) -> Ints:
    """Model of each exchange: the account's favourite, sometimes another; the new one after its adoption."""
    favourite = np.searchsorted(_MODEL_SHARES, uniform(account, 61) * _MODEL_SHARES[-1])
    other = choose(NEW_MODEL, conversation, 62)
    strays = uniform(conversation, 63) < 0.3 * uniform(account, 64)
    usual = np.where(strays, other, favourite)
    patience_days = -22.0 * np.log1p(-uniform(account, 65))  # honest adoption: slow and uneven
    adopted = (day >= world.release_day + patience_days) & (uniform(account, 66) < 0.6)
    adopted = np.where(columns["pivots"], day >= world.release_day, adopted)
    share = np.where(columns["pivots"], 0.5, 0.2 + 0.8 * uniform(account, 67))
    return np.asarray(np.where(adopted & (uniform(conversation, 68) < share), NEW_MODEL, usual))


def _statuses(account: Ints, count: Ints, key: Keys) -> Ints:
    """HTTP status: rate limits grow with the day's volume, other errors with the account's clumsiness."""
    draw = uniform(key, 71)
    limited = np.minimum(0.15, 2e-5 * count * (0.2 + 2 * uniform(account, 72)))
    failing = 0.002 + 0.05 * uniform(account, 73) ** 6
    blocked = 0.002 * uniform(account, 74)
    edges = [limited, limited + failing, limited + 1.5 * failing, limited + 1.5 * failing + blocked]
    return np.select([draw < edge for edge in edges], [429, 400, 500, 403], default=200)
