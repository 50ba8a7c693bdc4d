"""Aggregate level: a world directly as token_uses, account_days and accounts, without text.

The same population and the same draws of exchanges stand behind both levels. Here texts are replaced by idealised
tokens and cells: a fenced template has one skeleton token and two shingle tokens, a raw one only the shingles, a
public item has a skeleton of its own, a system prompt and a tool schema have one token each. Tokens that only one
account uses in the whole window are left out: no group can hold them.
"""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.model.tables import ACCOUNT_DAYS, TIME, TOKEN_USES
from stillwatch.simulate import infrastructure
from stillwatch.simulate.bins import Grouping, group_by
from stillwatch.simulate.build import populate
from stillwatch.simulate.canonical import BLOCKED, OK, masked
from stillwatch.simulate.cells import capabilities, micro_cells
from stillwatch.simulate.content import Words, materials, prompt_bins
from stillwatch.simulate.identity import MICROSECONDS, account_ids, truth, window_start
from stillwatch.simulate.keyed import Ints, Keys, mix
from stillwatch.simulate.outcomes import MODELS
from stillwatch.simulate.population import Population
from stillwatch.simulate.snapshots import account_snapshots
from stillwatch.simulate.traffic import Exchanges, draw_day
from stillwatch.simulate.world import World

KINDS = ("skeleton", "system", "tools", "shingle", "address", "prefix", "ja4")
N_TEMPLATE_SHINGLES = 2
_MODEL_ORDER = np.argsort(np.argsort(np.array(MODELS)))
_SORTED_MODELS = pa.array(sorted(MODELS))


@dataclass(frozen=True, slots=True)
class AggregateWorld:
    """A simulated window in the tables that grouping reads, with its truth.

    `group_classes` has one row for each token of `token_uses`: token_kind, token, honest_class and campaign_name of the
    traffic that most of its account-days carry (exactly one of the two is null).
    """

    token_uses: pa.Table
    account_days: pa.Table
    accounts: pa.Table
    truth: pa.Table
    group_classes: pa.Table


@dataclass(frozen=True, slots=True)
class _Uses:
    """One day's uses of one kind of token, as columns by use."""

    kind: int
    account: Ints
    token: Ints
    group: Ints
    table: pa.Table


def aggregate_world(world: World, *, seed: int) -> AggregateWorld:
    """The world's whole window as aggregates; equal arguments give equal tables."""
    population = populate(world, seed=seed)
    ids = account_ids(population, seed=seed)
    days: list[pa.Table] = []
    uses: list[_Uses] = []
    for day in range(world.n_days):
        exchanges = draw_day(world, population, seed=seed, day=day)
        if len(exchanges) == 0:
            continue
        midnight = window_start(world) + day * 86_400 * MICROSECONDS
        measured = _Measured.of(population, exchanges, midnight=midnight)
        days.append(_account_days(exchanges, measured, ids=ids))
        uses.extend(_token_uses(population, exchanges, measured))
    shared = _shared_tokens(uses)
    return AggregateWorld(
        token_uses=_collect(uses, shared, ids=ids),
        account_days=pa.concat_tables([ACCOUNT_DAYS.empty(), *days]).combine_chunks(),
        accounts=account_snapshots(world, population, seed=seed),
        truth=truth(population, seed=seed),
        group_classes=_group_classes(population, uses, shared),
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """What is counted of each exchange."""

    day: date
    at: Ints
    hour: Ints
    micro_cell: Ints
    capability: Ints
    is_opening: npt.NDArray[np.bool_]
    is_distinct: npt.NDArray[np.bool_]
    prompt: Ints
    is_sampled: npt.NDArray[np.bool_]
    materials: Words
    output_tokens: Ints

    @classmethod
    def of(cls, population: Population, exchanges: Exchanges, *, midnight: int) -> "_Measured":
        at = midnight + (exchanges.second * MICROSECONDS).astype(np.int64)
        wording = mix(exchanges.topic, exchanges.template + 1, exchanges.item)
        is_distinct = np.zeros(len(exchanges), dtype=bool)
        is_distinct[group_by(mix(exchanges.conversation, wording)).first] = True
        prompt, is_kept = prompt_bins(wording)
        opening = np.sort(group_by(exchanges.conversation).first)
        is_opening = np.zeros(len(exchanges), dtype=bool)
        is_opening[opening] = True
        words = materials(population, exchanges.reorder(opening))
        return cls(
            day=exchanges.day,
            at=at,
            hour=(exchanges.second // 3600).astype(np.int64),
            micro_cell=micro_cells(population, exchanges),
            capability=capabilities(population, exchanges),
            is_opening=is_opening,
            is_distinct=is_distinct,
            prompt=prompt,
            is_sampled=is_distinct & is_kept,
            materials=replace(words, prompt=opening[words.prompt]),
            output_tokens=np.where(exchanges.status == OK, exchanges.output_tokens, 0),
        )

    def columns(self, grouping: Grouping, exchanges: Exchanges, rows: Ints | slice) -> dict[str, pa.Array]:
        """The columns that token_uses and account_days have in common."""
        at = self.at[rows]  # ascending, as exchanges are
        distinct = self.is_distinct[rows]
        return {
            "day": pa.repeat(pa.scalar(self.day), grouping.n_groups),
            "n": pa.array(grouping.count()),
            "input_tokens": pa.array(grouping.total(exchanges.input_tokens[rows])),
            "output_tokens": pa.array(grouping.total(self.output_tokens[rows])),
            "openings": grouping.lists(self.hour[rows], rows=self.is_opening[rows]),
            "micro_cells": grouping.lists(self.micro_cell[rows], rows=distinct),
            "capabilities": grouping.lists(self.capability[rows], rows=distinct),
            "prompts": grouping.lists(self.prompt[rows], rows=self.is_sampled[rows]),
            "materials": self._materials(grouping, rows),
            "first_seen_at": pa.array(at[grouping.first]).cast(TIME),
            "last_seen_at": pa.array(at[grouping.last()]).cast(TIME),
        }

    def _materials(self, grouping: Grouping, rows: Ints | slice) -> pa.Array:
        """Words of the prompts that open a conversation, of each group."""
        group = np.full(len(self.at), -1, dtype=np.int64)
        group[rows] = grouping.group
        of_word = group[self.materials.prompt]
        words = Grouping(group=of_word, first=grouping.first)
        return words.lists(self.materials.bin, rows=of_word >= 0)


def _account_days(exchanges: Exchanges, measured: _Measured, *, ids: pa.Array) -> pa.Table:
    grouping = group_by(exchanges.account)
    columns = measured.columns(grouping, exchanges, slice(None))
    columns["account_id"] = ids.take(pa.array(exchanges.account[grouping.first]))
    columns["n_errors"] = pa.array(grouping.total((exchanges.status != OK) & (exchanges.status != BLOCKED)))
    columns["n_rate_limited"] = pa.array(grouping.total(exchanges.status == 429))
    models = np.unique(grouping.group * 8 + _MODEL_ORDER[exchanges.model])
    offsets = np.searchsorted(models, np.arange(grouping.n_groups + 1) * 8).astype(np.int32)
    columns["models"] = pa.ListArray.from_arrays(pa.array(offsets), _SORTED_MODELS.take(pa.array(models % 8)))
    schema = ACCOUNT_DAYS.schema
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _token_uses(population: Population, exchanges: Exchanges, measured: _Measured) -> list[_Uses]:
    """The day's uses of each kind of token, text tokens first."""
    uses: list[_Uses] = []
    for kind, rows, keys, n_copies in _tokens(population, exchanges):
        if len(rows):
            grouping = group_by(mix(keys, exchanges.account[rows]))
            sample = rows[grouping.first]
            use = _Uses(
                kind=KINDS.index(kind),
                account=exchanges.account[sample],
                token=keys[grouping.first].view(np.int64),
                group=population.streams["group"][exchanges.stream[sample]].astype(np.int64),
                table=pa.table(measured.columns(grouping, exchanges, rows)),
            )
            uses.extend(replace(use, token=mix(use.token, copy).view(np.int64)) for copy in range(n_copies))
    return uses


def _tokens(population: Population, exchanges: Exchanges) -> list[tuple[str, Ints, Keys, int]]:
    """(kind, positions of exchanges, token of each, tokens that always occur together) for all kinds."""
    template, item = exchanges.template, exchanges.item
    is_masked = masked(population, exchanges)
    is_public = population.streams["pool"][exchanges.stream].astype(np.int64) > 0
    tls = infrastructure.tls_clients(population.accounts["stack"][exchanges.account].astype(np.int64))
    skeleton = np.where(is_masked, mix(template, 1), mix(template, item, 2))
    has_skeleton, public = np.flatnonzero(is_masked | is_public), np.flatnonzero(is_public)
    templated = np.flatnonzero(template >= 0)
    everything = np.arange(len(exchanges))
    has_system, has_tools = np.flatnonzero(exchanges.system > 0), np.flatnonzero(exchanges.tools > 0)
    return [
        ("skeleton", has_skeleton, skeleton[has_skeleton], 1),
        ("system", has_system, mix(exchanges.system[has_system], 5), 1),
        ("tools", has_tools, mix(exchanges.tools[has_tools], 6), 1),
        ("shingle", templated, mix(template[templated], 3), N_TEMPLATE_SHINGLES),
        ("shingle", public, mix(item[public], 4), 1),
        ("address", everything, mix(exchanges.address, 7), 1),
        ("prefix", everything, mix(infrastructure.prefixes(exchanges.address), 8), 1),
        ("ja4", everything, mix(tls, 9), 1),
    ]


def _shared_tokens(uses: list[_Uses]) -> list[Ints]:
    """By kind: the tokens that at least two accounts use in the window, ascending."""
    shared = []
    for kind in range(len(KINDS)):
        of_kind = [use for use in uses if use.kind == kind]
        if not of_kind:
            shared.append(np.zeros(0, dtype=np.int64))
            continue
        token = np.concatenate([use.token for use in of_kind])
        account = np.concatenate([use.account for use in of_kind])
        _, first = np.unique(mix(token, account), return_index=True)
        values, n_accounts = np.unique(token[first], return_counts=True)
        shared.append(values[n_accounts >= 2])
    return shared


def _keep(use: _Uses, shared: list[Ints]) -> Ints:
    """Positions of the uses whose token is shared."""
    known = shared[use.kind]
    if len(known) == 0:
        return np.zeros(0, dtype=np.int64)
    place = np.searchsorted(known, use.token).clip(max=len(known) - 1)
    return np.flatnonzero(known[place] == use.token)


def _collect(uses: list[_Uses], shared: list[Ints], *, ids: pa.Array) -> pa.Table:
    """All uses of shared tokens in the shape of token_uses."""
    schema = TOKEN_USES.schema
    tables = []
    for use in uses:
        kept = _keep(use, shared)
        columns = {name: use.table[name].combine_chunks().take(pa.array(kept)) for name in use.table.column_names}
        columns["account_id"] = ids.take(pa.array(use.account[kept]))
        columns["token_kind"] = pa.repeat(pa.scalar(KINDS[use.kind]), len(kept))
        columns["token"] = pa.array(use.token[kept])
        tables.append(pa.table([columns[name] for name in schema.names], schema=schema))
    return pa.concat_tables([TOKEN_USES.empty(), *tables])


def _group_classes(population: Population, uses: list[_Uses], shared: list[Ints]) -> pa.Table:
    """What each shared token's traffic mostly is, by account-days."""
    labels = population.groups
    names = sorted({(label.campaign_name, label.honest_class) for label in labels})
    place = {name: number for number, name in enumerate(names)}
    code = np.array([place[label.campaign_name, label.honest_class] for label in labels])
    nothing = np.zeros(0, dtype=np.int64)
    kinds, tokens, codes = [nothing], [nothing], [nothing]
    for kind in range(len(KINDS)):
        parts = [(use, _keep(use, shared)) for use in uses if use.kind == kind]
        if not parts:
            continue
        token = np.concatenate([use.token[kept] for use, kept in parts])
        label = np.concatenate([code[use.group[kept]] for use, kept in parts])
        winners, winning = _majority(token, label)
        tokens.append(winners)
        codes.append(winning)
        kinds.append(np.full(len(winners), kind))
    chosen = pa.array(np.concatenate(codes))
    return pa.table(
        {
            "token_kind": pa.array(KINDS).take(pa.array(np.concatenate(kinds))),
            "token": pa.array(np.concatenate(tokens)),
            "honest_class": pa.array([None if campaign else honest for campaign, honest in names], pa.string()).take(
                chosen
            ),
            "campaign_name": pa.array([campaign or None for campaign, _ in names], pa.string()).take(chosen),
        }
    )


def _majority(token: Ints, label: Ints) -> tuple[Ints, Ints]:
    """Each token, ascending, with its most frequent label; ties go to the lower label."""
    order = np.lexsort((label, token))
    token, label = token[order], label[order]
    starts = np.flatnonzero(np.r_[True, (token[1:] != token[:-1]) | (label[1:] != label[:-1])])
    counts = np.diff(np.r_[starts, len(token)])
    best = np.lexsort((label[starts], -counts, token[starts]))
    _, first = np.unique(token[starts][best], return_index=True)
    return token[starts][best][first], label[starts][best][first]
