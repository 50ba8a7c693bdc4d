"""Heads of damage from a worksheet: ranges by simulation, what each input does to them, and what may be added."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stillwatch.exposure.damages.heads import HEADS, Basis, Draws, Head
from stillwatch.exposure.damages.worksheet import Quantities, Range, Worksheet

N_DRAWS: Final = 20_000
ENDS: Final = (0.05, 0.5, 0.95)
"""Quantiles that are printed: a 90 % range around the median."""
N_SWINGS: Final = 8
"""Inputs in a sensitivity table; those below move the result least."""

RULES: Final = (
    (
        "Heads of one basis measure the same thing in different ways and are alternatives: usage value or serving "
        "cost; avoided data cost, avoided research and development, or head start."
    ),
    "Unjust enrichment counts only as far as it exceeds actual loss: what the taker saved by not paying is in both.",
    "A reasonable royalty stands in place of both others and is added to nothing.",
    "Exemplary damages multiply an award; they are for the court and are not computed.",
)
"""Printed with every assessment."""


@dataclass(frozen=True, slots=True)
class Swing:
    """What one input does to a head: the result at its low and at its high end, all others at their likely value."""

    name: str
    at_low: float
    at_high: float


@dataclass(frozen=True, slots=True)
class HeadResult:
    """One head in dollars; `likely` has every input at its likely value, the ends are quantiles of the simulation.

    With `missing` inputs all amounts are None. `left_out` names capabilities whose inputs are not said: a computed head
    is a lower bound where it is not empty.
    """

    head: Head
    likely: float | None
    low: float | None
    median: float | None
    high: float | None
    missing: tuple[str, ...]
    left_out: tuple[str, ...]
    inputs: dict[str, Range]
    swings: tuple[Swing, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """Heads that may stand together, in dollars, with nothing counted twice."""

    heads: tuple[str, ...]
    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class Assessment:
    """Every head apart, and what may be combined."""

    heads: tuple[HeadResult, ...]
    combinations: tuple[Combination, ...]
    seed: int
    n_draws: int


def assess(sheet: Worksheet, taken: Quantities, *, seed: int, n_draws: int = N_DRAWS) -> Assessment:
    """All heads that the worksheet's inputs allow.

    Each uncertain input is drawn from the triangle of its range, independently of the others and alike for all heads,
    so that combinations are of the same draws. Equal arguments give equal numbers.
    """
    ranges = sheet.ranges() | taken.ranges()
    draws = _draws(ranges, np.random.default_rng(seed), n_draws)
    results, simulated = [], {}
    for head in HEADS:
        result, values = _head_result(head, ranges, draws, taken.capabilities)
        results.append(result)
        if values is not None:
            simulated[head.name] = values
    return Assessment(tuple(results), tuple(_combinations(simulated)), seed, n_draws)


def _draws(ranges: dict[str, Range], random: np.random.Generator, n_draws: int) -> Draws:
    """Draws of every input in the order of their names, so that the same inputs get the same draws."""
    drawn = {}
    for name in sorted(ranges):
        spread = ranges[name]
        known = np.full(n_draws, spread.likely)
        drawn[name] = known if spread.is_known else random.triangular(spread.low, spread.likely, spread.high, n_draws)
    return drawn


def _head_result(
    head: Head, ranges: dict[str, Range], draws: Draws, capabilities: tuple[str, ...]
) -> tuple[HeadResult, npt.NDArray[np.float64] | None]:
    """The head and its draws; None where an input is missing."""
    ready = tuple(c for c in capabilities if all(f"{c}.{name}" in ranges for name in head.needs_each))
    left_out = tuple(c for c in capabilities if c not in ready)
    missing = [name for name in head.needs if name not in ranges]
    if not ready:
        missing += [f"capabilities.{c}.{n}" for c in left_out for n in head.needs_each if f"{c}.{n}" not in ranges]
    used = _used(head, ranges, ready)
    if missing or not ready:
        return HeadResult(head, None, None, None, None, tuple(missing), left_out, used, ()), None
    values = head.formula(draws, ready)
    low, median, high = (float(value) for value in np.quantile(values, ENDS))
    likely = _at(head, ready, {name: spread.likely for name, spread in used.items()})
    return HeadResult(head, likely, low, median, high, (), left_out, used, _swings(head, ready, used)), values


def _used(head: Head, ranges: dict[str, Range], ready: tuple[str, ...]) -> dict[str, Range]:
    tokens = ("input_tokens", "output_tokens") if any("million" in name for name in head.needs) else ()
    counts = ("useful_exchanges",) if "cost_per_useful_exchange_usd" in head.needs_each else ()
    own = [f"{c}.{name}" for c in ready for name in (*tokens, *counts, *head.needs_each)]
    return {name: ranges[name] for name in (*head.needs, *own) if name in ranges}


def _at(head: Head, capabilities: tuple[str, ...], point: dict[str, float]) -> float:
    return float(head.formula({name: np.array([value]) for name, value in point.items()}, capabilities)[0])


def _swings(head: Head, capabilities: tuple[str, ...], used: dict[str, Range]) -> tuple[Swing, ...]:
    """The uncertain inputs that move the head most, most first."""
    likely = {name: spread.likely for name, spread in used.items()}
    swings = [
        Swing(name, *(_at(head, capabilities, likely | {name: end}) for end in (spread.low, spread.high)))
        for name, spread in used.items()
        if not spread.is_known
    ]
    return tuple(sorted(swings, key=lambda swing: (-abs(swing.at_high - swing.at_low), swing.name))[:N_SWINGS])


def _combinations(simulated: dict[str, npt.NDArray[np.float64]]) -> list[Combination]:
    """Each actual loss with each enrichment that goes beyond it, and each royalty by itself."""
    of = {basis: [head.name for head in HEADS if head.basis is basis and head.name in simulated] for basis in Basis}
    found = [
        _combined((loss, enrichment), simulated[loss] + np.maximum(simulated[enrichment] - simulated[loss], 0.0))
        for loss in of[Basis.LOSS]
        for enrichment in of[Basis.ENRICHMENT]
    ]
    return [*found, *(_combined((name,), simulated[name]) for name in of[Basis.ROYALTY])]


def _combined(heads: tuple[str, ...], values: npt.NDArray[np.float64]) -> Combination:
    return Combination(heads, *(float(value) for value in np.quantile(values, ENDS)))


def as_rows(assessed: Assessment) -> list[dict[str, object]]:
    """One row for each head, amounts in whole dollars; None where inputs are missing."""
    return [
        {
            "head": result.head.name,
            "basis": result.head.basis.value,
            "likely_usd": _whole(result.likely),
            "low_usd": _whole(result.low),
            "median_usd": _whole(result.median),
            "high_usd": _whole(result.high),
            "missing": list(result.missing),
            "left_out": list(result.left_out),
        }
        for result in assessed.heads
    ]


def _whole(amount: float | None) -> int | None:
    return None if amount is None else round(amount)
