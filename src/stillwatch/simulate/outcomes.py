"""What comes of an exchange: its sizes, its model, its status."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stillwatch.simulate.keyed import Ints, Keys, choose, normal, uniform
from stillwatch.simulate.topics import TOPIC_CAPABILITY

MODELS = ("atlas-large-2", "atlas-small-2", "atlas-mini-1", "atlas-reason-1", "atlas-large-3")
NEW_MODEL = 4
_MODEL_SHARES = np.cumsum([0.42, 0.30, 0.18, 0.10])
# Log mean and spread of input and output tokens by capability, from the public traces: conversation 6.6/1.0 in and
# 5.0/0.85 out, code completion 7.0/1.35 in and 2.9/0.8 out, long conversations 8.7/1.2 in and 5.4/1.3 out.
_INPUT_MEANS = np.array([8.2, 7.2, 7.6, 7.6, 7.0, 6.3, 6.9, 6.6])
_INPUT_SIGMAS = np.array([1.2, 1.3, 1.0, 1.1, 1.1, 0.8, 0.8, 1.0])
_OUTPUT_MEANS = np.array([5.2, 5.0, 5.9, 4.4, 4.9, 5.8, 4.2, 5.0])
_OUTPUT_SIGMAS = np.array([1.2, 1.1, 0.9, 1.0, 0.9, 0.8, 0.9, 0.85])
_PATIENCE_DAYS = 22.0
_ADOPTERS = 0.6


def sizes(account: Ints, topic: Ints, conversation: Keys, key: Keys) -> tuple[Ints, Ints]:
    """Input and output tokens: log-normal by capability, shifted by account and conversation."""
    code = TOPIC_CAPABILITY[topic]
    shift = 0.6 * normal(account, 51) + 0.4 * normal(conversation, 52)
    log_input = _INPUT_MEANS[code] + shift + 0.7 * _INPUT_SIGMAS[code] * normal(key, 53)
    log_output = _OUTPUT_MEANS[code] + 0.5 * normal(account, 54) + _OUTPUT_SIGMAS[code] * normal(key, 55)
    return (
        np.clip(np.exp(log_input), 8, 200_000).astype(np.int64),
        np.clip(np.exp(log_output), 1, 32_000).astype(np.int64),
    )


def models(account: Ints, conversation: Keys, *, pivots: npt.NDArray[Any], since_release: int) -> Ints:
    """Model of each exchange: the account's favourite, sometimes another, and the new one after its adoption.

    Honest accounts adopt the new model slowly and unevenly or never; where `pivots`, half of the traffic turns to it on
    the day of its release. `since_release` is in days.
    """
    favourite = np.searchsorted(_MODEL_SHARES, uniform(account, 61) * _MODEL_SHARES[-1])
    strays = uniform(conversation, 63) < 0.3 * uniform(account, 64)
    usual = np.where(strays, choose(NEW_MODEL, conversation, 62), favourite)
    patience = -_PATIENCE_DAYS * np.log1p(-uniform(account, 65))
    adopted = (since_release >= patience) & (uniform(account, 66) < _ADOPTERS)
    adopted = np.where(pivots, since_release >= 0, adopted)
    share = np.where(pivots, 0.5, 0.2 + 0.8 * uniform(account, 67))
    return np.asarray(np.where(adopted & (uniform(conversation, 68) < share), NEW_MODEL, usual))


def statuses(account: Ints, count: Ints, key: Keys) -> Ints:
    """HTTP status: rate limits grow with the day's volume, other errors with the account's clumsiness."""
    draw = uniform(key, 71)
    limited = np.minimum(0.15, 2e-5 * count * (0.2 + 2 * uniform(account, 72)))
    failing = 0.002 + 0.05 * uniform(account, 73) ** 6
    blocked = 0.002 * uniform(account, 74)
    edges = [limited, limited + failing, limited + 1.5 * failing, limited + 1.5 * failing + blocked]
    return np.select([draw < edge for edge in edges], [429, 400, 500, 403], default=200)
