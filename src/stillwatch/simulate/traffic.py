"""Exchanges of one day as arrays: who sends what, when, from where, to which model, with what outcome."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from stillwatch.simulate import infrastructure, outcomes
from stillwatch.simulate.keyed import Ints, Keys, Reals, choose, generator, mix, normal, uniform
from stillwatch.simulate.material import entities
from stillwatch.simulate.population import (
    FIRST_FIXED_REGION,
    PROVIDER_HOURS,
    REGION_HOURS,
    SCHEDULED_HOURS,
    Population,
)
from stillwatch.simulate.topics import template_purposes
from stillwatch.simulate.world import World

N_REGIONS = 4
REGION_OFFSETS = (16, 7, 0, 11)  # hour of UTC at which each region's working day has its middle minus 4
REGION_SHARES = (0.36, 0.30, 0.22, 0.12)
_DAY_SECONDS = 86_400
_STREAM_PART = 101  # of the seed path: draws of counts
# Gaps inside a session: the median of the measured account-timing statistics is 73 s, the quartiles 43 and 159 s.
_GAP_MEDIAN_SECONDS = 73.0
_GAP_SIGMA = 0.95
_LOOP_GAP_SECONDS = 11.0


@dataclass(frozen=True, slots=True)
class Exchanges:
    """One day's exchanges in order of time; all arrays have one entry for each.

    `template` is -1 where the wording is the sender's own, `purpose` is its
    capability code; `system` and `tools` are 0 where absent. `item` identifies
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
    purpose: Ints
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


@dataclass(frozen=True, slots=True)
class _Sends:
    """One day's sends before they have content: whose they are and how they fall into sessions and loops.

    `columns` are the stream columns of each send, `count` how many its stream has that day, `position` its place among
    them. A conversation is a session; `step` is equal for the sends of one loop, which repeat the same prompt.
    """

    columns: dict[str, npt.NDArray[Any]]
    stream: Ints
    account: Ints
    count: Ints
    position: Ints
    place_in_session: Ints
    is_loop: npt.NDArray[np.bool_]
    session: Keys
    conversation: Keys
    step: Keys
    key: Keys

    @classmethod
    def of(cls, population: Population, counts: Ints, *, seed: int, day: int) -> "_Sends":
        stream = np.repeat(np.arange(len(counts)), counts)
        position = np.arange(len(stream)) - np.repeat(np.cumsum(counts) - counts, counts)
        columns = {name: values[stream] for name, values in population.streams.items()}
        base = mix(stream, day, seed)
        session_length = 1 + choose(2.0 * columns["session"], base, 1)
        session = mix(base, position // session_length)
        loop_length = 1 + choose(2.0 * columns["loop"] - 1.0, session, 2)
        return cls(
            columns=columns,
            stream=stream,
            account=columns["account"].astype(np.int64),
            count=counts[stream],
            position=position,
            place_in_session=position % session_length,
            is_loop=loop_length > 1,
            session=session,
            conversation=mix(session, 3),
            step=mix(session, position // loop_length, 4),
            key=mix(base, position, 8),
        )


def draw_day(world: World, population: Population, *, seed: int, day: int) -> Exchanges:
    """All exchanges of day number `day` of the window, in order of time."""
    sends = _Sends.of(population, _counts(world, population, seed=seed, day=day), seed=seed, day=day)
    columns, account, conversation = sends.columns, sends.account, sends.conversation
    first = _first_samples(sends)
    item = _items(columns, sends.step)[first]
    shared = columns["from_queue"].astype(bool) | (columns["pool"].astype(np.int64) > 0)
    topic = _topics(population, columns, item, sends.step)[first]
    second = _seconds(population, sends, day)
    template = _templates(columns, sends.step)[first]
    has_system = uniform(conversation, 5) < columns["p_system"]
    inputs, outputs = outcomes.sizes(account, topic, conversation, sends.key)
    exchanges = Exchanges(
        day=date.fromisoformat(world.start) + timedelta(days=day),
        stream=sends.stream,
        account=account,
        second=second,
        conversation=conversation,
        item=item,
        entity=np.where(shared, mix(item, 6), _own_entities(columns, account, sends.step)),
        topic=topic,
        template=template,
        purpose=template_purposes(template, columns["targets"]),
        system=np.where(has_system, columns["system"], 0),
        tools=np.where(has_system, columns["tools"], 0),
        address=infrastructure.addresses(population.accounts, account, day, conversation),
        model=outcomes.models(account, conversation, pivots=columns["pivots"], since_release=day - world.release_day),
        status=outcomes.statuses(account, sends.count, sends.key),
        input_tokens=inputs,
        output_tokens=outputs,
        record=sends.key,
        shared_wording=shared,
    )
    return exchanges.reorder(np.lexsort((sends.position, sends.stream, second)))


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


def _first_samples(sends: _Sends) -> Ints:
    """For each send, the position of the send whose prompt it repeats: its own where a prompt is dealt once.

    The steps of one day and group are put in random order, with those of one stream spread evenly, and cut into parts
    of `samples`; each part has the prompt of its first step. A step of an account that is in its part
    already stays alone.
    """
    position = np.arange(len(sends.step))
    sampled = np.flatnonzero(sends.columns["samples"] > 1)
    if len(sampled) == 0:
        return position
    step, opening, of_step = np.unique(sends.step[sampled], return_index=True, return_inverse=True)
    opening = sampled[opening]
    stream, group = sends.stream[opening], sends.columns["group"][opening].astype(np.int64)
    turn = (_place(stream, step) + uniform(step, 13)) / np.bincount(stream)[stream]
    part = _place(group, turn) // sends.columns["samples"][opening].astype(np.int64)
    order = np.lexsort((turn, part, group))
    starts = np.diff(group[order], prepend=-1) != 0
    starts |= np.diff(part[order], prepend=-1) != 0
    number = np.empty(len(step), dtype=np.int64)
    number[order] = np.cumsum(starts) - 1
    leader = opening[order[starts]][number]
    is_met = _place(number * (int(stream.max()) + 1) + stream, turn) > 0
    position[sampled] = np.where(is_met, opening, leader)[of_step]
    return position


def _place(group: Ints, value: npt.NDArray[Any]) -> Ints:
    """Rank from 0 of each value among those of its group."""
    order = np.lexsort((value, group))
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    place = np.empty(len(group), dtype=np.int64)
    place[order] = np.arange(len(group)) - np.repeat(starts, np.diff(np.r_[starts, len(group)]))
    return place


def _items(columns: dict[str, npt.NDArray[Any]], step: Keys) -> Keys:
    """Content keys: of a pool that all members share, or the sender's own (a queue deals an item once)."""
    pool = columns["pool"].astype(np.int64)
    pooled = mix(columns["item_base"], choose(np.maximum(pool, 1), step, 11))
    return np.where(pool > 0, pooled, mix(columns["item_base"], step, 12))


def _own_entities(columns: dict[str, npt.NDArray[Any]], account: Ints, step: Keys) -> Keys:
    """What each step is about, of the account's own material or of a stock that it shares."""
    base = columns["material_base"]
    return entities(np.where(base == 0, account, base), columns["n_entities"], step)


def _topics(population: Population, columns: dict[str, npt.NDArray[Any]], item: Keys, step: Keys) -> Ints:
    """The topic of each item: position u**skew in its stream's list; pooled items keep theirs for every sender."""
    key = np.where(columns["pool"].astype(np.int64) > 0, item, step)
    position = columns["topic_len"] * uniform(key, 21) ** columns["skew"]
    return np.asarray(population.topics[columns["topic_start"].astype(np.int64) + position.astype(np.int64)])


def _templates(columns: dict[str, npt.NDArray[Any]], step: Keys) -> Ints:
    n = columns["n_templates"].astype(np.int64)
    uses = (uniform(step, 31) < columns["p_template"]) & (n > 0)
    return np.asarray(np.where(uses, columns["template_base"] + choose(np.maximum(n, 1), step, 32), -1))


def _seconds(population: Population, sends: _Sends, day: int) -> Reals:
    """Second of the day of each exchange: a session starts by its clock, its exchanges follow with human gaps."""
    hours = sends.columns["hours"].astype(np.int64)
    own_region = population.accounts["region"][sends.account]
    region = np.where(hours >= FIRST_FIXED_REGION, hours - FIRST_FIXED_REGION, own_region)
    profile = np.where(hours == PROVIDER_HOURS, N_REGIONS, region)
    flat = uniform(sends.session, 41)
    clocked = (hour_profiles()[profile] < flat[:, None]).sum(axis=1) + uniform(sends.session, 42)
    follows_clock = (hours == REGION_HOURS) | (hours >= PROVIDER_HOURS)
    start = np.where(follows_clock, clocked * 3600.0, flat * _DAY_SECONDS)
    gap = _GAP_MEDIAN_SECONDS * np.exp(_GAP_SIGMA * normal(sends.session, 43))
    gap = np.where(sends.is_loop, _LOOP_GAP_SECONDS * (0.5 + uniform(sends.session, 44)), gap)
    offset = sends.place_in_session * gap * (0.9 + 0.2 * uniform(sends.key, 45))
    spaced = (sends.position + uniform(sends.account, 46)) * _DAY_SECONDS / np.maximum(sends.count, 1)
    second = np.where(hours == SCHEDULED_HOURS, spaced, start + offset) % _DAY_SECONDS
    return _within_life(second, sends.columns, day)


def _within_life(second: Reals, columns: dict[str, npt.NDArray[Any]], day: int) -> Reals:
    """Seconds of the day, those before the stream's start or after its end moved into the part that it lives."""
    first = np.clip(columns["start_day"] - day, 0.0, 1.0) * _DAY_SECONDS
    last = np.clip(columns["end_day"] - day, 0.0, 1.0) * _DAY_SECONDS
    squeezed = first + second / _DAY_SECONDS * (last - first)
    return np.asarray(np.where((second < first) | (second >= last), squeezed, second))
