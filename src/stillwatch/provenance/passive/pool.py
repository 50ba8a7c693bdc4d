"""The reference pool: models whose answers to the same prompts say what unrelated models look like.

A pool keeps hashed tokens and the closeness of every two models, never the text. It is a folder of three files.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.errors import ProvenanceError
from stillwatch.provenance.passive.channels import CHANNELS, TEXT_CHANNELS, Tokens, shape_tokens, word_tokens
from stillwatch.provenance.passive.closeness import pool_closeness

FORMAT: Final = 1
"""Layout of the folder that this release writes and reads."""
_FACTS, _TOKENS, _CLOSENESS = "pool.json", "tokens.parquet", "closeness.npy"


class PoolModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reference model, as its owner declares it.

    `provider` names the family whose closeness it stands for (empty: it is only a reference). `relatives` are the
    providers for which it is no clean reference: same weights, same teacher, trained on their answers. `descends_from`
    are those whose answers or weights it is known to be made from: the positives that the pool's power is measured on.
    """

    name: str
    organisation: str
    provider: str = ""
    relatives: tuple[str, ...] = ()
    descends_from: tuple[str, ...] = ()
    year: int = 0


class _Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    channels: tuple[str, ...]
    prompts: tuple[str, ...]
    models: tuple[PoolModel, ...]


@dataclass(frozen=True)
class Pool:
    """Reference models over prompts; answer `prompt * n_models + model` of `tokens` is that model's to that prompt.

    `closeness` is (n_channels, n_prompts, n_models, n_models), half precision; `tokens` maps `words` and, where the
    channels need it, `shapes`.
    """

    models: tuple[PoolModel, ...]
    prompts: tuple[str, ...]
    channels: tuple[str, ...]
    tokens: Mapping[str, Tokens]
    closeness: npt.NDArray[np.float16]

    @cached_property
    def lengths(self) -> npt.NDArray[np.float64]:
        """log(1 + words) of each answer, (n_prompts, n_models)."""
        return np.log1p(self.tokens["words"].counts).reshape(len(self.prompts), len(self.models))

    @cached_property
    def providers(self) -> dict[str, list[int]]:
        """Models that stand for each provider; a family of one is left out, for it has no closeness to itself."""
        families: dict[str, list[int]] = {}
        for place, model in enumerate(self.models):
            if model.provider:
                families.setdefault(model.provider, []).append(place)
        return {name: families[name] for name in sorted(families) if len(families[name]) > 1}

    def with_descendants(self, organisation: str) -> "Pool":
        """The pool in which models made from one provider alone stand for it too, except those of `organisation`."""
        return replace(self, models=tuple(
            msgspec.structs.replace(model, provider=model.descends_from[0])
            if not model.provider and len(model.descends_from) == 1 and model.descends_from[0] in self.providers
            and model.organisation != organisation else model
            for model in self.models
        ))  # fmt: skip

    def place(self, name: str) -> int | None:
        """Where a model of this name is, or None."""
        return next((place for place, model in enumerate(self.models) if model.name == name), None)

    def answer_places(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Prompt and model of each answer."""
        n_prompts, n_models = len(self.prompts), len(self.models)
        return np.repeat(np.arange(n_prompts), n_models), np.tile(np.arange(n_models), n_prompts)

    def write(self, folder: Path) -> None:
        """Write the pool into `folder`, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        facts = _Facts(FORMAT, self.channels, self.prompts, self.models)
        columns = {
            name: pa.ListArray.from_arrays(
                np.concatenate([[0], tokens.ends]).astype(np.int32), pa.array(tokens.codes, pa.uint32())
            )
            for name, tokens in self.tokens.items()
        }
        pq.write_table(pa.table(columns), folder / _TOKENS, compression="zstd", use_dictionary=False)
        np.save(folder / _CLOSENESS, self.closeness, allow_pickle=False)
        (folder / _FACTS).write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=1))

    @classmethod
    def read(cls, folder: Path) -> "Pool":
        """The pool in `folder`.

        Raises:
            ProvenanceError: there is none, or it was written by another release.
        """
        try:
            facts = msgspec.json.decode((folder / _FACTS).read_bytes(), type=_Facts)
            table = pq.read_table(folder / _TOKENS)
            closeness = np.load(folder / _CLOSENESS, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise ProvenanceError(
                f"{folder} holds no pool that can be read ({type(error).__name__}); build one with "
                "`stillwatch provenance pool build`"
            ) from error
        shape = (len(facts.channels), len(facts.prompts), len(facts.models), len(facts.models))
        if facts.format != FORMAT or closeness.shape != shape:
            raise ProvenanceError(f"the pool in {folder} is of format {facts.format}, this release reads {FORMAT}")
        return cls(facts.models, facts.prompts, facts.channels, _tokens(table), closeness)


def _tokens(table: pa.Table) -> dict[str, Tokens]:
    tokens = {}
    for name in table.column_names:
        lists = table[name].combine_chunks()
        tokens[name] = Tokens(lists.values.to_numpy(), lists.offsets.to_numpy()[1:].astype(np.int64))
    return tokens


def build_pool(answers: pa.Table, models: Sequence[PoolModel], *, channels: Sequence[str] = TEXT_CHANNELS) -> Pool:
    """The pool of the models' answers: columns `prompt_id`, `model`, `output` and, optionally, `tool_names`.

    Answers of models that are not listed are left out; a missing answer is an empty one. Every listed model must have
    answered at least half of the prompts.

    Raises:
        ProvenanceError: a model is without answers, answers twice, or no two providers could be told apart.
    """
    ordered = sorted(models, key=lambda model: model.name)
    table, prompts = _aligned(answers, [model.name for model in ordered])
    tokens = {"words": word_tokens(table["output"])}
    if any(CHANNELS[name].tokens == "shapes" for name in channels):
        tokens["shapes"] = shape_tokens(table["output"], table.get("tool_names"))
    shape = (len(prompts), len(ordered))
    prompt, model = np.repeat(np.arange(shape[0]), shape[1]), np.tile(np.arange(shape[1]), shape[0])
    closeness = np.empty((len(channels), *shape, shape[1]), dtype=np.float16)
    for place, name in enumerate(channels):
        channel = CHANNELS[name]
        closeness[place] = pool_closeness(channel, tokens[channel.tokens], prompt, model, shape)
    pool = Pool(tuple(ordered), prompts, tuple(channels), tokens, closeness)
    if len(pool.providers) < 2:
        raise ProvenanceError("a pool needs two providers of at least two models each; add models or name providers")
    return pool


def _aligned(answers: pa.Table, names: Sequence[str]) -> tuple[dict[str, pa.Array], tuple[str, ...]]:
    """Columns with one row a prompt and model, in that order, and the prompts."""
    wanted = answers.filter(pc.is_in(answers["model"].cast(pa.string()), value_set=pa.array(names, pa.string())))
    prompts = tuple(sorted(set(wanted["prompt_id"].cast(pa.string()).to_pylist()), key=_natural))
    place = _place(wanted["prompt_id"], prompts) * len(names) + _place(wanted["model"], names)
    if np.unique(place).size < place.size:
        raise ProvenanceError("a model answers a prompt twice in the pool's answers; keep one answer of each")
    n_answers = np.bincount(place % len(names), minlength=len(names))
    scarce = [name for name, n in zip(names, n_answers, strict=True) if 2 * n < len(prompts)]
    if scarce:
        raise ProvenanceError(f"{', '.join(scarce[:5])} answered less than half of the {len(prompts)} prompts")
    row = np.full(len(prompts) * len(names), -1, dtype=np.int64)
    row[place] = np.arange(place.size)
    taken = pa.array(row, mask=row < 0)
    kept = [name for name in ("output", "tool_names") if name in wanted.column_names]
    return {name: _flat(wanted[name].combine_chunks().take(taken)) for name in kept}, prompts


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _place(column: pa.ChunkedArray, values: Iterable[str]) -> npt.NDArray[np.int64]:
    places = pc.index_in(column.cast(pa.string()), value_set=pa.array(list(values), pa.string()))
    return np.asarray(places.to_numpy(), dtype=np.int64)


def _natural(prompt_id: str) -> tuple[int, str]:
    """Numbers by value, other ids by text."""
    return (int(prompt_id), "") if prompt_id.isdigit() else (1 << 62, prompt_id)
