"""What the passive null is fitted to: mean closeness of each model, and of the suspect, to families of models."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.errors import ProvenanceError
from stillwatch.provenance.answers import first_answers
from stillwatch.provenance.passive.channels import CHANNELS, Tokens, shape_tokens, word_tokens
from stillwatch.provenance.passive.closeness import suspect_closeness
from stillwatch.provenance.passive.pool import Pool

Reals = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A suspect's answers beside a pool: closeness to each model (n_channels, n_prompts, n_models) and log lengths.

    `prompts` are the pool's prompts that it answered. `place` is its own place where it is a model of the pool, which
    then is left out as reference and as anyone's relative.
    """

    name: str
    prompts: Places
    closeness: npt.NDArray[np.float32]
    lengths: Reals
    place: int | None = None


def pool_member(pool: Pool, place: int, prompts: Places | None = None) -> Suspect:
    """A model of the pool as the suspect, on all or some of the prompts."""
    chosen = np.arange(len(pool.prompts)) if prompts is None else prompts
    closeness = np.asarray(pool.closeness[:, :, place, :][:, chosen], dtype=np.float32)
    return Suspect(pool.models[place].name, chosen, closeness, pool.lengths[chosen, place], place)


def outside_suspect(pool: Pool, name: str, answers: pa.Table) -> Suspect:
    """A suspect that is not in the pool: `answers` has `prompt_id`, `output` and, optionally, `tool_names`.

    Prompts that the pool does not know are left out, as are empty answers; of several samples the first counts.

    Raises:
        ProvenanceError: a model of the pool has the suspect's name: it may be the suspect, and no reference.
    """
    if pool.place(name) is not None:
        raise ProvenanceError(f"the pool has a model named {name}; it cannot be reference and suspect at once")
    answers = first_answers(answers)
    known = {prompt: place for place, prompt in enumerate(pool.prompts)}
    places = [known.get(prompt, -1) for prompt in answers["prompt_id"].to_pylist()]
    rows = [row for row, (place, text) in enumerate(zip(places, answers["output"], strict=True))
            if place >= 0 and text.as_py()]  # fmt: skip
    rows.sort(key=lambda row: places[row])
    chosen = np.array([places[row] for row in rows], dtype=np.int64)
    taken = answers.take(pa.array(rows, pa.int64())).combine_chunks()
    output = taken["output"].combine_chunks() if rows else pa.array([], pa.string())
    own = {"words": word_tokens(output)}
    if "shapes" in pool.tokens:
        own["shapes"] = shape_tokens(output, taken["tool_names"].combine_chunks() if "tool_names" in taken.column_names
                                     else None)  # fmt: skip
    prompt, model = pool.answer_places()
    is_chosen = np.isin(prompt, chosen)
    place_of = np.searchsorted(chosen, prompt[is_chosen])
    closeness = np.stack([
        suspect_closeness(
            CHANNELS[channel], _part(pool.tokens[kind], is_chosen), place_of, model[is_chosen], own[kind],
            len(pool.models),
        )
        for channel in pool.channels for kind in [CHANNELS[channel].tokens]
    ])  # fmt: skip
    return Suspect(name, chosen, closeness, np.log1p(own["words"].counts))


def _part(tokens: Tokens, is_chosen: npt.NDArray[np.bool_]) -> Tokens:
    counts = tokens.counts
    return Tokens(tokens.codes[np.repeat(is_chosen, counts)], np.cumsum(counts[is_chosen]))


@dataclass(frozen=True, slots=True)
class Design:
    """Mean closeness (n_channels, n_models + 1, n_models) and log lengths (n_prompts, n_models + 1); the suspect last.

    A model's closeness to itself is NaN, and so is everyone's to a suspect that is in the pool.
    """

    closeness: Reals
    lengths: Reals
    suspect: int

    @classmethod
    def of(cls, pool: Pool, suspect: Suspect) -> "Design":
        """The design on the prompts that the suspect answered."""
        n_models = len(pool.models)
        part = pool.closeness[:, suspect.prompts] if suspect.prompts.size < len(pool.prompts) else pool.closeness
        between = np.asarray(part.mean(axis=1, dtype=np.float32), dtype=np.float64)
        between[:, np.arange(n_models), np.arange(n_models)] = np.nan
        own = suspect.closeness.mean(axis=1, dtype=np.float64)
        closeness = np.concatenate([between, own[:, None, :]], axis=1)
        if suspect.place is not None:
            closeness[:, :, suspect.place] = np.nan
        lengths = np.concatenate([pool.lengths[suspect.prompts], suspect.lengths[:, None]], axis=1)
        return cls(closeness, lengths, n_models)

    def to_family(self, family: Sequence[int]) -> Reals:
        """Mean closeness of everyone to the models of a family other than themselves, (n_channels, n_models + 1).

        NaN for who has none: the only model of a family.
        """
        part = self.closeness[:, :, list(family)]
        known = ~np.isnan(part)
        n_known = known.sum(axis=2)
        total = np.where(known, part, 0.0).sum(axis=2)
        return np.asarray(np.divide(total, n_known, out=np.full(total.shape, np.nan), where=n_known > 0))

    def length_gap(self, family: Sequence[int]) -> Reals:
        """Mean difference of log length to the answers of a family, prompt by prompt, (n_models + 1,)."""
        gaps = np.stack([np.abs(self.lengths - self.lengths[:, [place]]).mean(axis=0) for place in family])
        own = np.zeros_like(gaps, dtype=bool)
        own[np.arange(len(family)), list(family)] = True
        return np.asarray(np.where(own, 0.0, gaps).sum(axis=0) / np.maximum((~own).sum(axis=0), 1))
