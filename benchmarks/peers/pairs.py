"""Distances between an account's own prompts, for methods that look at one account at a time."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from peer import Reals
from telemetry import Telemetry, Vectors

MAX_PROMPTS: Final = 600  # the square of it is computed


def prompts_of_accounts(telemetry: Telemetry) -> Iterator[Vectors]:
    """The vectors of each account's first prompts in the order of time, account after account."""
    order = np.argsort(telemetry.account, kind="stable")
    ends = np.cumsum(np.bincount(telemetry.account, minlength=telemetry.n_accounts))
    for rows in np.split(telemetry.prompt[order], ends[:-1]):
        yield telemetry.vectors[rows[:MAX_PROMPTS]]


def nearest_earlier(vectors: Vectors) -> Reals:
    """The Euclidean distance of each row but the first to the nearest row before it; rows have length 1 or are zero."""
    lengths = (vectors**2).sum(axis=1)
    squared = lengths[:, None] + lengths[None, :] - 2 * vectors @ vectors.T
    squared[np.triu_indices(len(vectors))] = np.inf
    return np.asarray(np.sqrt(np.maximum(squared[1:].min(axis=1), 0.0)), dtype=np.float64)
