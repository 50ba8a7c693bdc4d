"""Material: the names, files and tables that an account's prompts come back to.

An account has a stock of entities and takes up some far more often than others. People have few; products, gateways
and schedules carry the material of many end users. The medians are judgements.
"""

import numpy as np
import numpy.typing as npt

from stillwatch.simulate.keyed import Ints, Keys, mix, normal, uniform

PEOPLE = 8.0
"""Median number of entities of a person's account."""
PRODUCTS = 300.0
"""Median number of entities of an application, a schedule, a gateway or a fleet."""
_SIGMA = 0.9
_SKEW = 2.0
_MOST = 1_000_000.0


def n_entities(key: npt.ArrayLike, median: npt.ArrayLike) -> Ints:
    """Size of the stock that each key has: log-normal around its median, at least 1."""
    drawn = np.asarray(median) * np.exp(_SIGMA * normal(key, 0xE1))
    return np.asarray(np.clip(np.round(drawn), 1.0, _MOST).astype(np.int64))


def entities(owner: npt.ArrayLike, n: npt.ArrayLike, step: Keys) -> Keys:
    """The entity that each step is about: position n u**2 of its owner's stock, so that few come back often."""
    position = np.asarray(n) * uniform(step, 7) ** _SKEW
    return mix(owner, position.astype(np.int64))
