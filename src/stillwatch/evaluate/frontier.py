"""The suite `frontier`: recall by evasion knob, one at a time and together, beside what each costs the adversary."""

from collections.abc import Sequence
from math import exp
from typing import Final

import msgspec

from stillwatch.evaluate.innocents import class_failures, class_table, people_note
from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.recall import (
    Case,
    fates_of,
    judged_cases,
    mean_recall,
    purity_of,
    recall_bars,
    recall_failures,
    recall_table,
    shape_failures,
)
from stillwatch.evaluate.report import Body, Table
from stillwatch.evaluate.suite import Bench, Suite, honest_part
from stillwatch.simulate import Campaign

_BASE: Final = Campaign(name="base500", n_accounts=500)
_TRAFFIC = "times the traffic for the same harvest, or a real customer base to hide in"
_CALLS = "times the model calls: every rewritten prompt is a call of its own, and prompts drift"
_ACCOUNTS = "times the accounts: under a cap per account most of them stay far below it"
_Z99: Final = 2.326
"""Standard normal 99 % quantile: the cap that the busiest accounts of a log-normal crowd run into."""


def _case(name: str, wanted: float | None, price: str, factor: float | None = None, **knobs: object) -> Case:
    """The base campaign with some knobs turned."""
    return Case(msgspec.structs.replace(_BASE, name=name, **knobs), wanted, price, factor)


def _dilution(share: float, wanted: float) -> Case:
    return _case(f"dilution {share:g}", wanted, _TRAFFIC, 1 / (1 - share), dilution=share)


def _paraphrase(share: float) -> Case:
    return _case(f"paraphrase {share:g}", 0.95, _CALLS, 1 + share, paraphrase=share)


def _volumes(sigma: float) -> Case:
    return _case(f"volume sigma {sigma:g}", 0.95, _ACCOUNTS, idle_factor(sigma), volume_sigma=sigma)


def idle_factor(sigma: float) -> float:
    """How many times the accounts a log-normal spread of volumes costs, under a cap at its 99 % quantile."""
    return exp(_Z99 * sigma - sigma * sigma / 2)


_BEHAVIOUR: Final = {"volume_sigma": 1.2, "daily_burst": 1.0, "aged": 1.0, "mimics_hours": True}
_CONTENT: Final = {"persona_topics": 4, "unfocused": True}

SIZES: Final = (
    Case(Campaign(name="base50", n_accounts=50), 0.99),
    Case(_BASE, 0.99),
    Case(Campaign(name="base5000", n_accounts=5_000), 0.99),
)
KNOBS: Final = (
    _dilution(0.5, 0.99),
    _dilution(0.8, 0.97),
    _dilution(0.9, 0.95),
    _dilution(0.95, 0.85),
    *(_paraphrase(share) for share in (0.3, 0.6, 0.8)),
    *(_volumes(sigma) for sigma in (0.6, 1.2)),
    _case("aged", 0.95, "aged accounts cost more than fresh ones, and must be bought ahead", aged=1.0),
    _case("regional hours", 0.95, "workers rest at night and at weekends", mimics_hours=True),
    _case("personas", 0.95, "each account keeps to four topics: a slower curriculum", persona_topics=4),
    _case("unfocused", 0.95, "most of the harvest is of no use for the targets", unfocused=True),
    _case("bursty days", 0.95, "capacity stands idle between bursts", daily_burst=1.0),
    _case("templates 4x accounts", 0.9, "2,000 templates to write for 500 accounts", templates=2_000),
    _case(
        "own system and tools", 0.95, "a system prompt and tool schema for each account",
        shares_system=False, shares_tools=False,
    ),
    _case("no shared infrastructure", 0.95, "a card, a device and an exit for each account", p_share=0.0),
    _case("churn 5x", 0.95, "five times the accounts", 5.0, generations=5),
    _case("slow start", 0.95, "a third of the window's harvest is lost", slow_start_days=30.0),
    _case("hides in framework", 0.95, "must speak the framework's prompts and tools", hides_in_framework=10),
)  # fmt: skip
COMBINATIONS: Final = (
    _case("heavy-tailed and aged", 0.5, "both prices", idle_factor(1.2), volume_sigma=1.2, daily_burst=1.0, aged=1.0),
    _case("all behavioural", None, "all of these prices", idle_factor(1.2), **_BEHAVIOUR, **_CONTENT),
    _case(
        "rewrite 0.9, dilution 0.9, 200 exchanges", 0.85, _TRAFFIC + "; and a call for each prompt", 10 * 1.9,
        paraphrase=0.9, dilution=0.9, exchanges_per_day=200 / 45,
    ),
)  # fmt: skip
CASES: Final = (*SIZES, *KNOBS, *COMBINATIONS)


def measure(seed: int, bench: Bench) -> Part:
    """Every case, several to a world."""
    return honest_part(seed, *judged_cases(CASES, seed, bench))


def report(parts: Sequence[Part], bench: Bench) -> Body:
    """Recall by knob, the price of each, and what became of honest people beside them."""
    fates = [fate for part in parts for fate in part.fates]
    return Body(
        tables=(recall_table("Recall by evasion", CASES, parts), price_table(parts), class_table(parts)),
        failures=(*recall_failures(CASES, parts), *shape_failures(CASES, parts), *class_failures(parts)),
        notes=(
            f"Purity of found campaigns: {purity_of(fates):.3f}.",
            people_note(parts, bench.calibration),
            "Campaigns of 25,000 accounts are not part of the grid: one alone is 29 million exchanges a window.",
        ),
        bars=recall_bars(CASES, parts),
    )


def price_table(parts: Sequence[Part]) -> Table:
    """What each evasion costs whoever runs the campaign, and what it buys: the share of accounts not accused."""
    rows = tuple(
        (
            case.name,
            1.0 - mean_recall(fates_of(parts, case.name)),
            "" if case.factor is None else f"{case.factor:.1f}",
            case.price,
        )
        for case in (*KNOBS, *COMBINATIONS)
    )
    return Table("Cost to evade", ("evasion", "not accused", "factor", "price"), rows)


SUITE: Final = Suite(
    name="frontier",
    question="Which evasions work, and what do they cost?",
    measure=measure,
    report=report,
)
