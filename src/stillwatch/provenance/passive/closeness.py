"""How close two answers to one prompt are: a cosine whose weights come from the other models' answers."""

from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from stillwatch.provenance.passive.channels import Channel, Grams, Tokens

Reals = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_TINY: Final = np.float32(1e-9)


def pool_closeness(channel: Channel, tokens: Tokens, prompt: Ints, model: Ints, shape: tuple[int, int]) -> Reals:
    """Closeness of every two models' answers to every prompt: (n_prompts, n_models, n_models), 0 to about 1.

    Answers are in ascending order of `prompt`; `shape` is (n_prompts, n_models). The weight of a key is the logarithm
    of how rare it is among the models other than the two compared: what all models say to a prompt counts nothing.
    """
    n_prompts, n_models = shape
    grams = channel.keys(tokens)
    ends = np.searchsorted(prompt[grams.answer], np.arange(n_prompts + 1))
    close = np.zeros((n_prompts, n_models, n_models), dtype=np.float32)
    for place in range(n_prompts):
        counts = _counts(channel, grams, slice(ends[place], ends[place + 1]), model, n_models)
        n_having = np.bincount(counts.indices, minlength=counts.shape[1])
        pair = counts.multiply(np.sqrt(_rarity(n_having - 2, n_models - 2))[None, :]).tocsr()
        norm = _norms(counts, _rarity(n_having - 1, n_models - 1))
        close[place] = (pair @ pair.T).toarray() / norm[:, None] / norm[None, :]
    return close


def suspect_closeness(
    channel: Channel, tokens: Tokens, prompt: Ints, model: Ints, suspect: Tokens, n_models: int
) -> Reals:
    """Closeness of a suspect's answers to those of every model: (n_prompts, n_models).

    Answer `i` of the suspect is to prompt `i`. Keys weigh as in `pool_closeness`, by the models other than the one
    compared with; a suspect that is in the pool itself must be left out of `model` first.
    """
    grams, own = channel.keys(tokens), channel.keys(suspect)
    places = np.arange(suspect.ends.size + 1)
    ends, own_ends = np.searchsorted(prompt[grams.answer], places), np.searchsorted(own.answer, places)
    close = np.zeros((suspect.ends.size, n_models), dtype=np.float32)
    for place in range(suspect.ends.size):
        part, mine = slice(ends[place], ends[place + 1]), slice(own_ends[place], own_ends[place + 1])
        keys = np.concatenate([grams.keys[part], own.keys[mine]])
        owner = np.concatenate([model[grams.answer[part]], np.full(mine.stop - mine.start, n_models)])
        counts = _tallied(channel, keys, owner, n_models + 1)
        n_having = np.bincount(counts[:n_models].indices, minlength=counts.shape[1])
        shared = counts[n_models].multiply(_rarity(n_having - 1, n_models - 1)[None, :]).tocsr()
        norm = _norms(counts[:n_models], _rarity(n_having - 1, n_models - 1))
        own_norm = _norms(counts[n_models], _rarity(n_having, n_models))
        close[place] = (counts[:n_models] @ shared.T).toarray().ravel() / norm / own_norm
    return close


def _counts(channel: Channel, grams: Grams, part: slice, model: Ints, n_models: int) -> sp.csr_matrix:
    return _tallied(channel, grams.keys[part], model[grams.answer[part]], n_models)


def _tallied(channel: Channel, keys: npt.NDArray[np.uint64], owner: Ints, n_rows: int) -> sp.csr_matrix:
    """One row an owner, one column a key: 1, or 1 + the logarithm of the count where repeats count."""
    found, column = np.unique(keys, return_inverse=True)
    counts = sp.csr_matrix((np.ones(keys.size, np.float32), (owner, column)), shape=(n_rows, found.size))
    counts.sum_duplicates()
    counts.data = 1 + np.log(counts.data) if channel.counts_repeats else np.ones_like(counts.data)
    return counts


def _rarity(n_having: Ints, n_others: int) -> Reals:
    """log((n + 1) / (k + 1)) for a key that `k` of `n` other models have."""
    return np.log((n_others + 1) / (np.maximum(n_having, 0) + 1)).astype(np.float32)


def _norms(counts: sp.csr_matrix, weights: Reals) -> Reals:
    squares = counts.power(2) @ weights
    return np.asarray(np.sqrt(np.asarray(squares).ravel() + _TINY), dtype=np.float32)
