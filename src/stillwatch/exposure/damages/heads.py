"""The heads of damage: what each is, which inputs it needs, and its formula.

A formula works on one draw of every input, or on arrays of draws. Names are those of the worksheet; what belongs to a
capability is named `capability.name`.

References: 18 U.S.C. 1836(b)(3)(B): actual loss, unjust enrichment that the loss does not hold, or a reasonable royalty
in place of both. Which heads a court admits is a question for counsel; whether avoided cost is one differs by circuit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

Draws = Mapping[str, npt.NDArray[np.float64]]
MILLION: Final = 1e6


class Basis(Enum):
    """What a head compensates; heads of one basis measure the same thing in different ways."""

    LOSS = "actual loss"
    ENRICHMENT = "unjust enrichment"
    ROYALTY = "reasonable royalty"


@dataclass(frozen=True, slots=True)
class Head:
    """One head of damage. `needs` are inputs of the worksheet, `needs_each` those of each capability.

    A head with `needs_each` is computed over the capabilities for which all of them are said, and names the others.
    """

    name: str
    title: str
    basis: Basis
    says: str
    needs: tuple[str, ...]
    needs_each: tuple[str, ...]
    formula: Callable[[Draws, tuple[str, ...]], npt.NDArray[np.float64]]


def _priced(draws: Draws, capabilities: tuple[str, ...], kind: str) -> npt.NDArray[np.float64]:
    """All tokens at so much a million; `kind` is price or cost."""
    taken = (
        draws[f"{capability}.{side}_tokens"] / MILLION * draws[f"{side}_{kind}_per_million_usd"]
        for capability in capabilities
        for side in ("input", "output")
    )
    return np.asarray(sum(taken))


def _usage_value(draws: Draws, capabilities: tuple[str, ...]) -> npt.NDArray[np.float64]:
    return np.maximum(_priced(draws, capabilities, "price") - draws["paid_usd"], 0.0)


def _serving_cost(draws: Draws, capabilities: tuple[str, ...]) -> npt.NDArray[np.float64]:
    return _priced(draws, capabilities, "cost") + draws["enforcement_hours"] * draws["enforcement_rate_usd"]


def _avoided_data(draws: Draws, capabilities: tuple[str, ...]) -> npt.NDArray[np.float64]:
    each = (draws[f"{c}.useful_exchanges"] * draws[f"{c}.cost_per_useful_exchange_usd"] for c in capabilities)
    return np.asarray(sum(each))


def transferred_share(draws: Draws, capability: str) -> npt.NDArray[np.float64]:
    """How much of the teacher's lead the student made up, 0 to 1; 0 where it had none to make up."""
    before, after, teacher = (
        draws[f"{capability}.{name}_score"] for name in ("student_before", "student_after", "teacher")
    )
    lead = teacher - before
    gained = np.divide(after - before, lead, out=np.zeros_like(lead), where=lead > 0)
    return np.clip(gained, 0.0, 1.0)


def _avoided_rnd(draws: Draws, capabilities: tuple[str, ...]) -> npt.NDArray[np.float64]:
    return np.asarray(sum(draws[f"{c}.rnd_cost_usd"] * transferred_share(draws, c) for c in capabilities))


def _head_start(draws: Draws, capabilities: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """Profit over the lost months, each discounted; a part of a month counts as its part."""
    rate, months = draws["monthly_discount_rate"], draws["lead_months"]
    discounted = np.where(rate > 0, -np.expm1(-months * np.log1p(rate)) / np.where(rate > 0, rate, 1.0), months)
    profit = sum(draws[f"{c}.monthly_profit_usd"] * transferred_share(draws, c) for c in capabilities)
    return np.asarray(profit * discounted)


def _royalty(draws: Draws, capabilities: tuple[str, ...]) -> npt.NDArray[np.float64]:
    return _priced(draws, capabilities, "price") * (1.0 + draws["royalty_premium"])


_PRICES: Final = ("input_price_per_million_usd", "output_price_per_million_usd")
_COSTS: Final = ("input_cost_per_million_usd", "output_cost_per_million_usd")
_SCORES: Final = ("teacher_score", "student_before_score", "student_after_score")

HEADS: Final[tuple[Head, ...]] = (
    Head(
        "usage_value", "Usage value", Basis.LOSS,
        "Tokens at list price, less what was paid: the floor of what was taken.",
        (*_PRICES, "paid_usd"), (), _usage_value,
    ),
    Head(
        "serving_cost", "Serving cost", Basis.LOSS,
        "Tokens at the cost of serving them, and the hours of enforcement.",
        (*_COSTS, "enforcement_hours", "enforcement_rate_usd"), (), _serving_cost,
    ),
    Head(
        "avoided_data", "Avoided data cost", Basis.ENRICHMENT,
        "Useful answers (de-duplicated, not refused) at what an equal example costs to make otherwise.",
        (), ("cost_per_useful_exchange_usd",), _avoided_data,
    ),
    Head(
        "avoided_rnd", "Avoided research and development", Basis.ENRICHMENT,
        "Research cost of each capability at the share of the lead that the student made up on held-out tests.",
        (), ("rnd_cost_usd", *_SCORES), _avoided_rnd,
    ),
    Head(
        "head_start", "Head start", Basis.ENRICHMENT,
        "Discounted profit over the months of lead that were lost, at the same share.",
        ("lead_months", "monthly_discount_rate"), ("monthly_profit_usd", *_SCORES), _head_start,
    ),
    Head(
        "royalty", "Reasonable royalty", Basis.ROYALTY,
        "A hypothetical licence: tokens at list price and a premium for training on them.",
        (*_PRICES, "royalty_premium"), (), _royalty,
    ),
)  # fmt: skip
"""Every head, those of one basis together."""
