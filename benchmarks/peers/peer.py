"""What a peer says about itself, and how peers are found: one file of `methods` each."""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt
from telemetry import Telemetry

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Peer:
    """A detector that others published.

    `made_for` is what its authors built it for, `stretch` where this comparison uses it outside of that. `requirements`
    names the file of pinned packages that it runs with, in a virtual environment of its own; "" means that it is our
    re-implementation and runs with stillwatch's own dependencies. `reads_features` holds for those that need vectors of
    the prompts.
    """

    title: str
    source: str
    licence: str
    made_for: str
    stretch: str
    requirements: str = ""
    reads_features: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """One file of `methods`: a peer and its ranking.

    `rank` gives one score for each account of `telemetry.account_ids`; more is more suspicious, NaN is no opinion.
    """

    name: str
    peer: Peer
    rank: Callable[[Telemetry], Reals]


def method(name: str) -> Method:
    """The method in `methods/<name>.py`."""
    module = import_module(f"methods.{name}")
    return Method(name, module.PEER, module.rank)


def method_names() -> list[str]:
    """The names of all methods, sorted."""
    return sorted(found.name for found in pkgutil.iter_modules([str(HERE / "methods")]))
